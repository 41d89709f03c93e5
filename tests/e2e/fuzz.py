"""Requests that schemathesis makes of Airflow's OpenAPI documents, with ids that exist in many of their places."""

from __future__ import annotations

import re
from importlib.resources import files
from typing import Any

import schemathesis
import yaml
from hypothesis import strategies as st
from schemathesis.config import SchemathesisConfig

from .client import ASKED, Caller
from .crowd import FAR, OTHER, OWN, TREES, UNEVEN
from .route_requests import PLACES, ids_of

DOCUMENTS = (
    ("airflow.api_fastapi.core_api.openapi", "v2-rest-api-generated.yaml"),
    ("airflow.api_fastapi.core_api.openapi", "_private_ui.yaml"),
    ("airflow.providers.fab.auth_manager.api_fastapi.openapi", "v2-fab-auth-manager-generated.yaml"),
)
HOOKS = ("before_generate_path_parameters", "before_generate_query", "before_generate_body")
EVERY = "~"
Words = dict[str, tuple[Any, ...]]
"""What may stand in the places of parameters and fields, by their names."""

# Ids that nothing has, or that others read as something else.
ODD = (EVERY, "%", "", "no-such", f"{OWN} ", f"{OWN}/../{TREES[-1]}", OWN.upper(), "\0", "-1", "1.0", "' OR 1=1 --")
# Dags of requests, in proportion: the most can be done with one's own.
ASKED_ABOUT = (OWN, OWN, OWN, OWN, EVERY, EVERY, UNEVEN, UNEVEN, OTHER, FAR)
# Few and near: a backfill from the year 1 to the year 9999 has millions of runs.
DATES = ("2025-12-31T00:00:00Z", "2026-01-01T00:00:00Z", "2026-01-02T12:00:00Z", "2026-01-03T00:00:00+00:00")
_DATE = re.compile(r"\d{4,}-\d\d-\d\d")


def operations(names: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Each operation of Airflow's and FAB's documents by method and template; `names` has what each Dag has."""
    words = {dag_id: words_of(names[dag_id]) for dag_id in TREES}
    words[EVERY] = words[OWN] | dict.fromkeys(("dag_id", "dag_run_id", "run_id", "task_id"), (EVERY,))
    found = {}
    for package, name in DOCUMENTS:
        config = SchemathesisConfig(seed=0)
        # Tokens are not made up.
        config.projects.default.generation.with_security_parameters = False
        document = yaml.load(files(package).joinpath(name).read_bytes(), Loader=yaml.CSafeLoader)
        schema = schemathesis.openapi.from_dict(document, config=config)
        for hook in HOOKS:
            schema.hook(hook)(lambda _, strategy: steered(strategy, words))
        found |= {result.ok().label: result.ok() for result in schema.get_all_operations()}
    return found


def send(case: Any, url: str, caller: Caller) -> Any:
    """The answer to a request of schemathesis."""
    ASKED[caller.user] += 1
    return case.call(base_url=url, headers=caller.headers, timeout=180, allow_redirects=False)


@st.composite
def steered(draw: st.DrawFn, strategy: st.SearchStrategy, words: dict[str, Words]) -> Any:
    """What schemathesis makes, with what exists of one Dag in its places; now and then with something else."""
    here = words[draw(st.sampled_from(ASKED_ABOUT))]
    strays = draw(st.integers(0, 2)) == 2

    def put(value: Any, key: str = "") -> Any:
        if isinstance(value, dict):
            return {name: put(inner, name) for name, inner in value.items()}
        if isinstance(value, list):
            return [put(inner, key) for inner in value]
        if isinstance(value, str) and _DATE.match(value):
            return draw(st.sampled_from(DATES))
        if key not in here or type(value) not in (str, int):  # neither null nor a yes or no
            return value
        if strays:
            there = words[draw(st.sampled_from(TREES))][key]
            return draw(st.sampled_from((*here[key], *there, draw(st.sampled_from(ODD)), value)))
        word = draw(st.sampled_from(here[key]))
        return word if isinstance(value, str) or not str(word).isdigit() else int(word)

    return put(draw(strategy))


def words_of(names: dict[str, Any]) -> Words:
    """What exists of a Dag."""
    dag_id = names["dag"]
    words = {key: (word,) for key, word in (PLACES | ids_of(names)).items()}
    words |= dict.fromkeys(("dag_ids", "dag_id_pattern", "dag_id_prefix_pattern", "source_dag_id"), (dag_id,))
    words |= dict.fromkeys(("run_ids", "run_id_pattern", "run_id_prefix_pattern"), (f"run-of-{dag_id}", "done"))
    words |= dict.fromkeys(("task_id", "task_ids", "node_id", "root"), ("load", "load", "mapped", "ask"))
    return words | {
        "dag_run_id": ("writes", "done", f"run-of-{dag_id}"),
        "map_index": ("-1", "-1", "0"),
        "tags": (f"wood:{dag_id}",),
        "order_by": ("id", "dag_id", "run_after"),
        "limit": ("100",),
        "page_limit": ("100",),
        "offset": ("0",),
        "page_offset": ("0",),
    }
