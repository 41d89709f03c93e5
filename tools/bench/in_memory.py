"""Engines that are no auth managers do the same work on tags in memory: sets, this plugin's core, Cedar and casbin.

The same rules for all: twenty roles that each see the Dags with one of twenty tags, and somebody with one of them. Each
is used in the fastest way that its documentation has: everything is parsed before.
"""

from __future__ import annotations

import importlib.util
import json
import statistics
import time
import tracemalloc
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from functools import cache
from typing import Any

from astro_auth_plugin.rbac.engine.engine import Engine
from astro_auth_plugin.rbac.model.permissions import mask
from astro_auth_plugin.rbac.model.scopes import Dag
from astro_auth_plugin.rbac.model.subjects import user_subject
from astro_auth_plugin.rbac.policy import loader as policies
from tools import bench_policy
from tools.bench.cells import Cell
from tools.bench.data import DEPLOYMENT, GRANTED, RESTRICTED, dags, fingerprint, policy, questions, readable

PACKAGES = {"cedar": "cedarpy", "casbin": "casbin"}
GRANT_COUNTS = (1_000, 2_500, 5_000, 10_000, 20_000)
PEOPLE_COUNTS = (500, 2_000, 10_000)
_ROLES = 20
_AT_LEAST_SECONDS = 0.02
Decide = Callable[[Iterable[str]], list[bool]]


def cells() -> list[Cell]:
    """Return what is measured here."""
    requested = [
        Cell(f"memory_{work}", name) for work in ("decision", "filter") for name in _MAKERS if not missing(name)
    ]
    grants = [Cell("compile_by_grants", str(count)) for count in GRANT_COUNTS]
    return requested + grants + [Cell("compile_by_people", str(count)) for count in PEOPLE_COUNTS]


def missing(name: str) -> str:
    """Say why an engine cannot be measured; nothing when it can."""
    package = PACKAGES.get(name, "json")
    return "" if importlib.util.find_spec(package) else f"the package {package} is not installed"


class InMemory:
    """What a worker does with `size` Dags, all of them and their tags being known."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._requested = questions(size)
        self._every = [dag.id for dag in dags(size)]
        self._tags = {dag.id: frozenset(dag.tags) for dag in dags(size)}
        self._decide = {name: make(self._tags) for name, make in _MAKERS.items() if not missing(name)}

    def do(self, order: dict[str, Any]) -> Any:
        """Do one thing and return the answer."""
        if order["do"] == "answers":
            return self._answers()
        if order["do"] == "facts":
            return {}
        cell = Cell.parse(order["cell"])
        return self._count(cell) if order["do"] == "count" else self._seconds(cell)

    def _answers(self) -> dict[str, Any]:
        """Return what each says: the decisions, and the Dags that may be seen."""
        found: dict[str, Any] = {}
        for name, decide in self._decide.items():
            seen = [dag_id for dag_id, yes in zip(self._every, decide(self._every), strict=True) if yes]
            found[f"{name}: decisions/{RESTRICTED}"] = decide(self._requested)
            found[f"{name}: list/{RESTRICTED}"] = fingerprint(seen)
        return found

    def _seconds(self, cell: Cell) -> float:
        if cell.name.startswith("compile"):
            text = _large(cell)
            begun = time.process_time()
            _compiled(text)
            return time.process_time() - begun
        requested = self._requested if cell.name == "memory_decision" else self._every
        decide = self._decide[cell.person]
        spent: list[float] = []
        until = time.perf_counter() + _AT_LEAST_SECONDS
        while not spent or time.perf_counter() < until:
            begun = time.perf_counter()
            decide(requested)
            spent.append(time.perf_counter() - begun)
        return statistics.median(spent) / (len(requested) if cell.name == "memory_decision" else 1)

    def _count(self, cell: Cell) -> tuple[float, float]:
        """Return no statements; for a policy, how many megabytes it takes, in their place."""
        if not cell.name.startswith("compile"):
            return 0, 0
        text = _large(cell)
        tracemalloc.start()
        compiled = _compiled(text)
        size, _ = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        del compiled
        return size / 1024**2, 0


def right_answers(size: int) -> dict[str, Any]:
    """Return what `InMemory` should answer."""
    seen = readable(size, RESTRICTED)
    decisions = [dag_id in set(seen) for dag_id in questions(size)]
    found: dict[str, Any] = {}
    for name in _MAKERS:
        found[f"{name}: decisions/{RESTRICTED}"] = decisions
        found[f"{name}: list/{RESTRICTED}"] = fingerprint(seen)
    return found


@cache
def _large(cell: Cell) -> bytes:
    """Return a policy with so many grants, or so many people, and else the same."""
    count = int(cell.person)
    by_grants = cell.name == "compile_by_grants"
    size = bench_policy.Size(500, 50, count, 1_000) if by_grants else bench_policy.Size(count, 50, 20_000, 1_000)
    return "\n".join(bench_policy.lines(size)).encode()


def _compiled(text: bytes) -> Engine:
    checked = policies.load(text, datetime.now(UTC))
    assert checked.policy is not None, checked.errors
    engine = Engine(checked.policy, bench_policy.DEPLOYMENT if b"cldep0prod" in text else DEPLOYMENT, datetime.now(UTC))
    for subject in engine.subjects():
        engine.access(subject)
    return engine


# -- the engines -------------------------------------------------------------------------------------------------------


def _sets(tags: dict[str, frozenset[str]]) -> Decide:
    granted = frozenset(GRANTED)
    return lambda requested: [not tags[dag_id].isdisjoint(granted) for dag_id in requested]


def _core(tags: dict[str, frozenset[str]]) -> Decide:
    engine = _compiled(policy().encode())
    known = {dag_id: Dag(dag_id, names) for dag_id, names in tags.items()}
    subject, sees = user_subject(f"{RESTRICTED}@example.com"), mask("dag.get")
    return lambda requested: [engine.check(subject, sees, known[dag_id]).allowed for dag_id in requested]


def _roles() -> list[tuple[str, list[str]]]:
    """Return roles and their tags; the first is the one that somebody has."""
    others = [f"other:t{number:03}" for number in range(_ROLES)]
    return [("role0", list(GRANTED)), *((f"role{number}", others) for number in range(1, _ROLES))]


def _cedar(tags: dict[str, frozenset[str]]) -> Decide:
    import cedarpy  # noqa: PLC0415 - only where it is installed

    texts = (
        f'permit(principal in Role::"{role}", action == Action::"see", resource) '
        f"when {{ resource in [{_tags_in_cedar(names)}] }};"
        for role, names in _roles()
    )
    rules = cedarpy.PolicySet.from_str("\n".join(texts))
    person: dict[str, Any] = {"uid": _uid("User", "ana"), "attrs": {}, "parents": [_uid("Role", "role0")]}
    of_dags = [
        {"uid": _uid("Dag", dag_id), "attrs": {}, "parents": [_uid("Tag", name) for name in sorted(names)]}
        for dag_id, names in tags.items()
    ]
    entities = cedarpy.Entities.from_json_str(json.dumps([person, *of_dags]))

    def decide(requested: Iterable[str]) -> list[bool]:
        who, what = _uid("User", "ana"), _uid("Action", "see")
        requests = [
            {"principal": who, "action": what, "resource": _uid("Dag", dag_id), "context": {}} for dag_id in requested
        ]
        return [answer.allowed for answer in cedarpy.is_authorized_batch(requests, rules, entities)]

    return decide


def _uid(kind: str, name: str) -> dict[str, str]:
    return {"type": kind, "id": name}


def _tags_in_cedar(names: Iterable[str]) -> str:
    return ", ".join(f'Tag::"{name}"' for name in names)


_CASBIN_MODEL = """
[request_definition]
r = role, dag
[policy_definition]
p = role, tag
[policy_effect]
e = some(where (p.eft == allow))
[matchers]
m = r.role == p.role && carries(r.dag, p.tag)
"""


def _casbin(tags: dict[str, frozenset[str]]) -> Decide:
    import casbin  # noqa: PLC0415 - only where it is installed
    from casbin.model import FastModel  # noqa: PLC0415 - as above

    model = FastModel([0])  # finds the rules of a role without walking through those of others
    model.load_model_from_text(_CASBIN_MODEL)
    enforcer = casbin.FastEnforcer(model, cache_key_order=[0])
    enforcer.add_function("carries", lambda dag_id, tag: tag in tags[dag_id])
    enforcer.add_policies([(role, tag) for role, names in _roles() for tag in names])
    return lambda requested: [enforcer.enforce("role0", dag_id) for dag_id in requested]


_MAKERS: dict[str, Callable[[dict[str, frozenset[str]]], Decide]] = {
    "sets": _sets,
    "core": _core,
    "cedar": _cedar,
    "casbin": _casbin,
}
