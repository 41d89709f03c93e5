"""How the tests ask the engine: every question of a random case, in a form that can be compared."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from hypothesis import HealthCheck, settings

from astro_auth_plugin.rbac.engine.decision import Decision
from astro_auth_plugin.rbac.engine.engine import Dag, Engine
from astro_auth_plugin.rbac.model.permissions import mask
from astro_auth_plugin.rbac.model.scopes import DagFile
from astro_auth_plugin.rbac.policy import loader
from tests import reference_engine as reference
from tests.strategies import Case

Question = tuple[str, frozenset[str], reference.Dag | None]

AT = datetime.fromisoformat(reference.AT)
"""The time for which the engines answer."""
STRANGER = "nobody@example.com"
GRANTS = ("workspace_roles", "deployment_roles", "dag_roles", "object_roles", "roles")
"""The keys behind which users, Teams and tokens have their grants, besides `organization_role`."""

# The same examples on every run and every machine: what fails in CI fails at the desk.
checked = settings(
    derandomize=True,
    deadline=None,
    database=None,
    max_examples=40,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much],
)


def engine_of(values: dict[str, Any], deployment_id: str) -> Engine:
    """Compile a policy that has to be valid."""
    found = loader.from_values(values)
    assert found.policy is not None, [str(problem) for problem in found.errors]
    return Engine(found.policy, deployment_id, AT)


def real(dag: reference.Dag | None) -> Dag | None:
    """Return the engine's Dag for the reference's."""
    return None if dag is None else real_dag(dag)


def real_dag(dag: reference.Dag) -> Dag:
    """Return the engine's Dag for one of the reference's."""
    return Dag(dag.id, dag.tags, DagFile(*dag.file) if dag.file else None)


def places(case: Case) -> list[reference.Dag | None]:
    """List the places to ask about: the whole Deployment, each Dag, and a Dag that no grant can reach."""
    return [None, *case.dags, reference.Dag("a Dag of nobody", frozenset())]


def everybody(values: dict[str, Any]) -> list[str]:
    """List every subject to ask about: all that the policy names, and one whom it does not."""
    return [*sorted(reference.subjects(values)), STRANGER]


def required_of(case: Case) -> list[set[str]]:
    """List the questions of a case: all it requires at once, and each permission alone."""
    return [set(case.required), *({name} for name in sorted(case.required))]


def questions(case: Case) -> Iterator[tuple[str, set[str], reference.Dag | None]]:
    """Yield who is asked about, for what, and where."""
    for subject in everybody(case.values):
        for required in required_of(case):
            for dag in places(case):
                yield subject, required, dag


def answers(values: dict[str, Any], case: Case) -> dict[Question, bool]:
    """Ask a policy every question of a case, and return only the plain answers."""
    engine = engine_of(values, case.deployment_id)
    return {
        (subject, frozenset(required), dag): engine.check(subject, mask(*required), real(dag)).allowed
        for subject, required, dag in questions(case)
    }


def why(decision: Decision) -> set[tuple[str, str, str]]:
    """Return the reasons of a decision in the form in which the reference gives them."""
    return {(grant.role, grant.holder, str(grant.scope)) for grant in decision.grants}


def holders(values: dict[str, Any]) -> list[dict[str, Any]]:
    """List everything that grants stand on."""
    return [*values["users"], *values["teams"], *values["api_tokens"]]
