"""What somebody can ask of the policy in words: an action, or a request to Airflow."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, NamedTuple

from astro_auth_plugin.rbac.actions import meant
from astro_auth_plugin.rbac.permissions import mask
from astro_auth_plugin.rbac.routes import Found

Where = Literal["Deployment", "Dag", "Dags", "some Dag"]
Query = Mapping[str, list[str]]

SEE_DAG = mask("dag.get")
EVERY_DAG = "~"
"""Airflow's word for any Dag; no Dag has this id."""


class Question(NamedTuple):
    """What is asked.

    Attributes:
        words: the question as it was put.
        needs: permissions, one set for each alternative.
        where: on what they have to be held: the whole Deployment, one Dag, each Dag of a list, or a Dag that the
            question does not name.
        dag_id: the Dag, where it is one.
        wide: what has to be held in the whole Deployment besides.
        opens: what has to be held on some Dag for a list to be shown at all.
        cases: what differs by the body, which is not known: a case in words, and what that needs besides.
        people: who may, on routes where no permission says it; '' elsewhere.
        hidden: what is needed to be told more than that there is nothing.
        refused: why nobody is answered; '' elsewhere.
        unnamed: what would name the Dag that the question does not.
        note: anything else, for the reader.
    """

    words: str
    needs: tuple[int, ...]
    where: Where = "Deployment"
    dag_id: str | None = None
    wide: int = 0
    opens: int = 0
    cases: tuple[tuple[str, int], ...] = (("", 0),)
    people: str = ""
    hidden: int = 0
    refused: str = ""
    unnamed: str = ""
    note: str = ""


def of_action(word: str, thing: str | None = None) -> Question | None:
    """Return the question about an action; None for a word that names none.

    Args:
        word: a plain name or a permission.
        thing: what it is done with: a Dag, where the action can be about one; None asks for every Dag.
    """
    action = meant(word)
    if action is None:
        return None
    if not action.needs:
        return Question(word, (), refused=f"Airflow asks nothing about `{word}`, so nobody can do more with it")
    if not action.on_dag:
        note = f"A role reaches all such things alike: `{thing}` is not looked at." if thing else ""
        return Question(word, (action.needs,), note=note)
    if thing is None or thing in ("", EVERY_DAG):
        return Question(word, (action.needs | SEE_DAG,))
    return Question(word, (action.needs | SEE_DAG,), "Dag", thing)


def of_request(words: str, found: Found, query: Query, dag_id: str | None = None) -> Question:
    """Return the question that a request to Airflow is.

    Args:
        words: method and path.
        found: the route of the request.
        query: every value of each name in the query.
        dag_id: the Dag that the body names, or that an id in the path leads to; None when that is not known.
    """
    route = found.route
    if route.people:
        return Question(words, (), people=route.people, note=route.note)
    also = mask(*(name for case, name in route.also.items() if _is_asked(case, query)))
    plain = Question(words, tuple(mask(*one) | also for one in route.needs) or (also,), wide=mask(*route.wide))
    plain = plain._replace(cases=_cases(found), hidden=mask(*route.hidden), note=route.note)
    return _placed(plain, found, query, dag_id)


def _placed(plain: Question, found: Found, query: Query, given: str | None) -> Question:
    """Return the question with the place that it is about."""
    route = found.route
    if route.where == "Deployment":
        return plain
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


def _on_dag(on_dag: Question, found: Found, query: Query) -> Question:
    route = found.route
    if route.named:
        return on_dag._replace(needs=(mask(*route.named) | SEE_DAG,), wide=0)
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


# What the query alone tells; other cases are told by the body.
_IN_QUERY = {
    "with result in the query": lambda query: "result" in query,
    "filtered or ordered by runs": lambda query: (
        any("dag_run_" in name for name in query) or any("last_run_" in value for value in query.get("order_by", ()))
    ),
}


def _is_asked(case: str, query: Query) -> bool:
    return case in _IN_QUERY and _IN_QUERY[case](query)


def _cases(found: Found) -> tuple[tuple[str, int], ...]:
    route = found.route
    if route.items:
        return tuple((f"an item to {action}", mask(name)) for action, name in route.items.items())
    by_body = [(case, mask(name)) for case, name in route.also.items() if case not in _IN_QUERY]
    return (*by_body, ("otherwise", 0)) if by_body else (("", 0),)
