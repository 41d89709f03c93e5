"""The questions about a policy, from text: an action, or a request to Airflow."""

from __future__ import annotations

from typing import Literal, NamedTuple

from astro_auth_plugin.rbac.explain.route_rows import CASES_IN_QUERY, OBJECT_KINDS, OBJECT_PLACES, Query
from astro_auth_plugin.rbac.explain.routes import Found
from astro_auth_plugin.rbac.model.actions import meant
from astro_auth_plugin.rbac.model.permissions import ON_OBJECTS, ObjectKind, mask
from astro_auth_plugin.rbac.model.resources import NOUNS, Resource

Where = Literal["Deployment", "Dag", "Dags", "some Dag", "object", "objects", "some object"]

SEE_DAG = mask("dag.get")
EVERY_DAG = "~"
"""Airflow's word for any Dag; no Dag has this id."""


class Question(NamedTuple):
    """A question.

    Attributes:
        words: the question as it was put.
        needs: permissions, one set for each alternative.
        where: on what they are needed: the whole Deployment, one Dag, each Dag of a list, or a Dag that the
            question does not name; and the same of connections, Variables and pools.
        dag_id: the Dag, where it is one.
        object_kind: of which objects, where it is about some.
        object_id: the id of the one object, where it is one.
        deployment_wide: what is needed Deployment-wide besides.
        opens: what is needed on some Dag for a list to be shown at all.
        cases: what differs by the body, which is not known: a case as text, and what that needs besides.
        people: who may, on routes where no permission says it; '' elsewhere.
        hidden: what is needed to see more than that there is nothing.
        refused: why there is no answer; '' elsewhere.
        unnamed: what would name the Dag or object that the question does not.
        note: anything else, for the reader.
    """

    words: str
    needs: tuple[int, ...]
    where: Where = "Deployment"
    dag_id: str | None = None
    deployment_wide: int = 0
    opens: int = 0
    cases: tuple[tuple[str, int], ...] = (("", 0),)
    people: str = ""
    hidden: int = 0
    refused: str = ""
    unnamed: str = ""
    note: str = ""
    object_kind: ObjectKind | None = None
    object_id: str = ""

    @property
    def resource(self) -> Resource | None:
        """The object, where the question is about one."""
        return Resource(self.object_kind, self.object_id) if self.object_kind and self.where == "object" else None

    @property
    def named(self) -> str | None:
        """The id of the Dag or object, where the question is about one."""
        return self.object_id if self.where == "object" else self.dag_id


def of_action(word: str, resource: str | None = None) -> Question | None:
    """Return the question about an action; None for a word that names none.

    Args:
        word: a plain name or a permission.
        resource: what it is done with: a Dag or an object, where the action can be about one; None means every one.
    """
    action = meant(word)
    if action is None:
        return None
    if not action.needs:
        return Question(word, (), refused=f"Airflow never checks `{word}`, so it allows nothing")
    if action.object_kind and resource:
        return Question(word, (action.needs,), "object", object_kind=action.object_kind, object_id=resource)
    if not action.on_dag:
        note = f"Roles apply to all objects of this kind: `{resource}` is ignored." if resource else ""
        return Question(word, (action.needs,), note=note)
    if resource is None or resource in ("", EVERY_DAG):
        return Question(word, (action.needs | SEE_DAG,))
    return Question(word, (action.needs | SEE_DAG,), "Dag", resource)


def of_request(words: str, found: Found, query: Query, dag_id: str | None = None) -> Question:
    """Return the question that a request to Airflow is.

    Args:
        words: method and path.
        found: the route of the request.
        query: every value of each name in the query.
        dag_id: the Dag or object that the body names, or the Dag that an id in the path leads to; None when that is not
            known.
    """
    route = found.route
    if route.people:
        return Question(words, (), people=route.people, note=route.note)
    also = mask(*(name for case, name in route.also.items() if _is_requested(case, query)))
    plain = Question(
        words, tuple(mask(*one) | also for one in route.needs) or (also,), deployment_wide=mask(*route.deployment_wide)
    )
    plain = plain._replace(cases=_cases(found), hidden=mask(*route.hidden), note=route.note)
    return _placed(plain, found, query, dag_id)


def _placed(plain: Question, found: Found, query: Query, given: str | None) -> Question:
    """Return the question with the place that it is about."""
    route = found.route
    if route.where == "Deployment" or route.where in OBJECT_PLACES:
        return plain if route.where == "Deployment" else _on_objects(plain, found, given)
    on_dag = plain._replace(needs=tuple(one | SEE_DAG for one in plain.needs))
    dag_id = _dag_named(found, query, given)
    if dag_id is not None:
        return _on_dag(on_dag, found, query)._replace(where="Dag", dag_id=dag_id)
    if route.where in ("path", "query or Deployment"):
        return on_dag
    if not route.where.endswith("list"):
        return on_dag._replace(where="some Dag", unnamed=_NAMED_BY[route.where])
    if route.items:
        return on_dag._replace(where="some Dag", unnamed="the Dag of each item of the body")
    reads = route.method == "GET" or route.path.endswith("/list")
    return on_dag._replace(where="Dags", opens=SEE_DAG if reads else on_dag.needs[0])


def _on_objects(plain: Question, found: Found, given: str | None) -> Question:
    """Return a question about connections, Variables or pools with the object that it is about."""
    kind = OBJECT_KINDS[found.route.path.split("/")[3 if found.route.path.startswith("/api/") else 2]]
    # Airflow asks for it without an id, and the server requires it on the object.
    more = plain.deployment_wide & ON_OBJECTS[kind]
    about = plain._replace(
        object_kind=kind,
        needs=tuple(one | more for one in plain.needs),
        deployment_wide=plain.deployment_wide & ~more,
    )
    if found.route.where == "objects":
        return about._replace(where="objects")
    named = next(iter(found.places.values())) if found.route.where == "object" else given
    if named:
        return about._replace(where="object", object_id=named)
    return about._replace(where="some object", unnamed=f"the {NOUNS[kind]} that the body names")


def _on_dag(on_dag: Question, found: Found, query: Query) -> Question:
    route = found.route
    if route.named:
        return on_dag._replace(needs=(mask(*route.named) | SEE_DAG,), deployment_wide=0)
    # Airflow decides on one Dag of the query and lists that of another.
    several = route.path.endswith("/backfills") and len(set(query.get("dag_id", ()))) > 1
    return on_dag._replace(refused="the query names several Dags") if several else on_dag


_NAMED_BY = {
    "body": "the Dag that the body names",
    "file": "the Dags of the file",
    "query": "the Dag that `dag_id` in the query names",
    "row": "the Dag that the id belongs to",
    "row or Deployment": "the Dag that the id belongs to, if to any",
}


def _dag_named(found: Found, query: Query, given: str | None) -> str | None:
    """Return the Dag that a request is about, None when it names none."""
    where, in_path = found.route.where, found.places.get("dag_id", EVERY_DAG)
    if ("path" in where or where == "body") and in_path != EVERY_DAG:
        return in_path
    named = [dag_id for dag_id in query.get("dag_id", ()) if dag_id not in ("", EVERY_DAG)]
    in_query = where.startswith("query") or (where == "list" and found.route.method == "GET")
    if in_query and named:
        return named[-1]
    return given if where in _NAMED_BY else None


def _is_requested(case: str, query: Query) -> bool:
    return case in CASES_IN_QUERY and CASES_IN_QUERY[case](query)


def _cases(found: Found) -> tuple[tuple[str, int], ...]:
    route = found.route
    if route.items:
        return tuple((f"an item to {action}", mask(name)) for action, name in route.items.items())
    by_body = [(case, mask(name)) for case, name in route.also.items() if case not in CASES_IN_QUERY]
    return (*by_body, ("otherwise", 0)) if by_body else (("", 0),)
