"""Answers about a policy as plain values with stable keys: what `--output json` and `yaml` print."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from astro_auth_plugin.rbac.engine.decision import HeldGrant
from astro_auth_plugin.rbac.engine.engine import DagSelection, Engine
from astro_auth_plugin.rbac.engine.objects import ObjectSelection
from astro_auth_plugin.rbac.explain.answers import Answer, Case
from astro_auth_plugin.rbac.explain.minimal_grants import Addition, Advice
from astro_auth_plugin.rbac.explain.questions import Question
from astro_auth_plugin.rbac.model.actions import spelled
from astro_auth_plugin.rbac.model.permissions import names
from astro_auth_plugin.rbac.model.resources import Resource
from astro_auth_plugin.rbac.model.scopes import Dag, GrantScope

Values = dict[str, Any]


class Place(NamedTuple):
    """The Dag of a question, as far as it was looked up.

    `exists` is None if not checked; `requested` says whether the metadata database was queried. `hint` names the Dag
    that may be meant where there is none of this id.
    """

    dag: Dag | None = None
    exists: bool | None = None
    requested: bool = False
    hint: str = ""


class Setting(NamedTuple):
    """What an answer was made from: the name of the policy, its engine, the Dag; and notes for the reader.

    `groups` are the effective groups of the user of the question; None if not checked.
    """

    policy: str
    engine: Engine
    place: Place
    notes: list[str]
    groups: frozenset[str] | None = None


def of_setting(setting: Setting) -> Values:
    """Return what all answers begin with."""
    return {"policy": setting.policy, "deployment_id": setting.engine.deployment_id}


def of_question(question: Question, place: Place) -> Values:
    """Return a question, with its Dag or object."""
    dag = of_dag(question.dag_id, place) if question.where == "Dag" else None
    return {"question": question.words, "dag": dag, "object": of_resource(question.resource)}


def of_resource(resource: Resource | None) -> Values | None:
    """Return a connection, Variable or pool."""
    return {"kind": resource.kind, "id": resource.id} if resource else None


def of_scope(scope: GrantScope) -> Values:
    """Return where a grant reaches."""
    return {"kind": scope.kind, "id": scope.id, **({"folder": scope.folder} if scope.folder else {})}


def of_groups(setting: Setting) -> list[str] | None:
    """Return the effective groups of the user of the question."""
    return None if setting.groups is None else sorted(setting.groups)


def of_answer(answer: Answer, dags: list[Dag] | None) -> Values:
    """Return an answer; `dags` are all Dags, where they are available."""
    return {
        "as": answer.subject,
        "answer": answer.verdict,
        "why": answer.why,
        "status": _status(answer),
        "cases": of_cases(answer, dags),
    }


def _status(answer: Answer) -> int | None:
    """Return the status with which Airflow refuses a request; None for what is no request, or not refused."""
    if answer.verdict != "no" or " " not in answer.question.words:
        return None
    return 404 if answer.hidden else 403


def of_cases(answer: Answer, dags: list[Dag] | None = None) -> list[Values]:
    """Return the cases of an answer."""
    return [
        {
            "when": case.when or None,
            "answer": case.verdict,
            "needs": [*names(required(case))],
            "missing": [*names(case.missing)],
            "grants": of_grants(deciding(case)),
            "dags": rows(case, dags),
            "objects": of_objects(case),
        }
        for case in answer.cases
    ]


def rows(case: Case, dags: list[Dag] | None) -> list[str] | None:
    """Return the Dags that the answer is yes for; None where it is not about several, or none are available."""
    selection = case.rows
    if not isinstance(selection, DagSelection) or dags is None:
        return None
    return sorted(dag.id for dag in dags if selection.matches(dag))


def of_objects(case: Case) -> list[Values] | None:
    """Return the conditions, all of them, on the objects that the answer is yes for; None where it is about no list.

    Without any, it is every object.
    """
    if not isinstance(case.rows, ObjectSelection):
        return None
    return [{"ids": sorted(clause.ids), "prefixes": sorted(clause.prefixes)} for clause in case.rows.clauses]


def required(case: Case) -> int:
    """Return all permissions that a case needs, wherever."""
    needs = case.needs
    for decision in case.decisions:
        needs |= decision.required
    return needs


def deciding(case: Case) -> list[HeldGrant]:
    """Return the grants that give something of what a case needs where it needs it, each once."""
    return [*dict.fromkeys(grant for decision in case.decisions for grant in decision.grants)]


def of_grants(grants: Iterable[HeldGrant]) -> list[Values]:
    """Return grants with their places in the policy."""
    return [
        {
            "role": grant.role,
            "holder": grant.holder,
            "on": of_scope(grant.scope),
            "path": grant.path,
            "line": grant.line,
            "expires_at": grant.expires_at.isoformat() if grant.expires_at else None,
        }
        for grant in grants
    ]


def of_permissions(permissions: int, *, on_dag: bool = True) -> Values:
    """Return a set of permissions, in plain names and one by one."""
    return {"may": [*spelled(permissions, on_dag=on_dag)], "permissions": [*names(permissions)]}


def of_dag(dag_id: str | None, place: Place) -> Values:
    """Return a Dag and what is known of it."""
    return {"id": dag_id, "exists": place.exists, "tags": sorted(place.dag.tags) if place.dag else None}


def of_addition(setting: Setting, advised: Sequence[Advice], addition: Addition | None) -> Values | None:
    """Return what to add to the policy file, and what that gives besides."""
    if addition is None:
        return None
    extra = 0
    for one in advised:
        extra |= one.extra
    line = 0 if addition.new else setting.engine.policy.line(addition.path)
    where = {"to": [*addition.path], "line": line, "new": addition.new}
    return {**where, "entry": addition.entry, "extra": [*names(extra)]}
