"""Random requests about connections, Variables and pools, and what each of them would touch."""

from __future__ import annotations

import random
from typing import Any, NamedTuple
from urllib.parse import quote

KINDS = ("connection", "variable", "pool")
PATHS = {kind: f"/api/v2/{kind}s" for kind in KINDS}
ID_KEYS = {"connection": "connection_id", "variable": "key", "pool": "name"}
# What may be mixed up meets: by case, by how it begins, by an accent. A connection's id has neither blank nor slash.
PLAIN = ("one", "two", "new", "One")
ODD = ("a/b", "blank ", "caf\u00e9", "~", "x%2Fy")


class Touch(NamedTuple):
    """What a request does with one object: a verb of its permissions, and its id."""

    verb: str
    name: str


class Request(NamedTuple):
    """A request, and what it touches; `is_wide` if it names no object, so that it is for who may do it everywhere."""

    kind: str
    method: str
    path: str
    body: Any
    touches: tuple[Touch, ...]
    is_list: bool = False
    is_wide: bool = False
    params: tuple[tuple[str, str], ...] = ()


class Maker:
    """Makes random requests on objects whose ids begin with one of some prefixes."""

    def __init__(self, seed: int, prefixes: tuple[str, ...], release: tuple[int, int]) -> None:
        self.random = random.Random(seed)
        self.prefixes = prefixes
        self.release = release

    def names(self, kind: str) -> list[str]:
        """Every id that there may be."""
        ends = PLAIN if kind == "connection" else PLAIN + ODD
        return [f"{prefix}{end}" for prefix in self.prefixes for end in ends]

    def request(self, own: str) -> Request:
        """A request of somebody whose ids begin with `own`; half of them name only such ids."""
        kind = self.random.choice(KINDS)
        only_own = self.random.random() < 0.5
        names = [name for name in self.names(kind) if not only_own or name.startswith(own)]
        makers = [self._get, self._list, self._create, self._patch, self._delete, self._bulk, self._bulk]
        if kind == "connection":
            makers += [self._test, self._wide]
        return self.random.choice(makers)(kind, names)

    def entity(self, kind: str, name: str) -> dict[str, Any]:
        """The body of an object."""
        number = str(self.random.randrange(1000))
        if kind == "connection":
            return {"connection_id": name, "conn_type": "generic", "host": f"host{number}", "password": f"pw{number}"}
        if kind == "variable":
            return {"key": name, "value": number, "description": number}
        key = self.random.choice(("name", "pool"))
        return {key: name, "slots": int(number) + 1, "description": number, "include_deferred": False}

    def _one(self, kind: str, name: str) -> str:
        return f"{PATHS[kind]}/{quote(name, safe='' if kind == 'connection' else '/')}"

    def _get(self, kind: str, names: list[str]) -> Request:
        name = self.random.choice(names)
        return Request(kind, "GET", self._one(kind, name), None, (Touch("get", name),))

    def _list(self, kind: str, _: list[str]) -> Request:
        order = {"connection": "connection_id", "variable": "key", "pool": "name"}[kind]
        params = (("limit", "200"), ("order_by", self.random.choice((order, f"-{order}"))))
        return Request(kind, "GET", PATHS[kind], None, (), is_list=True, params=params)

    def _create(self, kind: str, names: list[str]) -> Request:
        name = self.random.choice(names)
        return Request(kind, "POST", PATHS[kind], self.entity(kind, name), (Touch("create", name),))

    def _patch(self, kind: str, names: list[str]) -> Request:
        name = self.random.choice(names)
        # Mostly the name of the path; another one is a rename, which Airflow refuses in most ways.
        other = self.random.choice([name, name, name, self.random.choice(self.names(kind))])
        body = self.entity(kind, other)
        if kind == "pool":
            body = {("pool" if key == "name" else key): value for key, value in body.items()}
            if self.random.random() < 0.3:
                other = name
                del body["pool"]
        fields = ["description", "host", "password", "value", "slots", "pool", "name", "key", "connection_id"]
        mask = self.random.sample(fields, self.random.choice((0, 0, 1, 2)))
        params = tuple(("update_mask", field) for field in mask)
        touches = (Touch("update", name), *([Touch("update", other)] if other != name else []))
        return Request(kind, "PATCH", self._one(kind, name), body, touches, params=params)

    def _delete(self, kind: str, names: list[str]) -> Request:
        name = self.random.choice(names)
        return Request(kind, "DELETE", self._one(kind, name), None, (Touch("delete", name),))

    def _bulk(self, kind: str, names: list[str]) -> Request:
        actions, touches = [], []
        for _ in range(self.random.randrange(1, 4)):
            verb = self.random.choice(("create", "update", "delete"))
            some = self.random.sample(names, min(len(names), self.random.randrange(1, 4)))
            action: dict[str, Any] = {"action": verb}
            if verb == "delete":
                action["entities"] = some
                action["action_on_non_existence"] = self.random.choice(("fail", "skip"))
            else:
                action["entities"] = [self._bulk_entity(kind, name) for name in some]
                key, ways = (
                    ("action_on_existence", ("fail", "skip", "overwrite"))
                    if verb == "create"
                    else ("action_on_non_existence", ("fail", "skip"))
                )
                action[key] = self.random.choice(ways)
            touches += [Touch(verb, name) for name in some]
            if action.get("action_on_existence") == "overwrite":
                touches += [Touch("update", name) for name in some]
            actions.append(action)
        return Request(kind, "PATCH", PATHS[kind], {"actions": actions}, tuple(touches))

    def _bulk_entity(self, kind: str, name: str) -> dict[str, Any]:
        return self.entity(kind, name)

    def _test(self, kind: str, names: list[str]) -> Request:
        name = self.random.choice(names)
        touches = [Touch("create", name)]
        if self.release < (3, 3):
            touches += [Touch("get", name), Touch("update", name)]
        elif self.random.random() < 0.5:
            return self._enqueued_test(kind, name)
        return Request(kind, "POST", f"{PATHS[kind]}/test", self.entity(kind, name), tuple(touches))

    def _enqueued_test(self, kind: str, name: str) -> Request:
        body = self.entity(kind, name)
        touches = [Touch("create", name)]
        if self.random.random() < 0.5:
            body["commit_on_success"] = True
            touches += [Touch("update", name)]
        return Request(kind, "POST", f"{PATHS[kind]}/enqueue-test", body, tuple(touches))

    def _wide(self, kind: str, _: list[str]) -> Request:
        return Request(kind, "POST", f"{PATHS[kind]}/defaults", None, (), is_wide=True)
