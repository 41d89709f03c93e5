"""Requests that name several Dags, or one thing in odd spellings: the Dag acted on is the Dag decided on.

Whoever asks holds a Dag role on one Dag, and twists requests towards another.
"""

from __future__ import annotations

from urllib.parse import quote

import httpx
import pytest

from .crowd import OTHER, OWN, TREES
from .route_answers import MARKER, named, shown
from .route_requests import list_path_of, path_of
from .route_writes import CHANGES
from .routes import Route, table
from .tables import BEFORE_3_2, BEFORE_3_3
from .test_routes import HERE, OF_DEPLOYMENT, OF_MANY, OF_ONE_DAG, World, attempt, places_for, world

__all__ = ["world"]
pytestmark = pytest.mark.e2e

ASKS, CHANGES_THINGS = "dag.viewer", "dag.author"
TWISTS = (
    f"dag_id={OWN}",
    f"dag_id={OWN}&dag_id={OTHER}",
    f"dag_id={OTHER}&dag_id={OWN}",
    f"dag_id={OWN}&dag_id={OWN}",
    f"dag_ids={OWN}&dag_ids={OTHER}",
    f"DAG_ID={OWN}&dag_id%00={OWN}&dag_id={OTHER}",
)
BODIES = ({"dag_id": OWN}, {"dag_id": OTHER}, {"dag_id": [OWN, OTHER]}, [OWN])
if BEFORE_3_2:
    # Airflow 3.1 itself fails on a list.
    BODIES = BODIES[:2]
FAILS_ANYWAY = {"GET /ui/dags/{dag_id}/latest_run"} if BEFORE_3_3 else set()
"""Routes on which Airflow itself fails for odd ids, whoever asks."""
NUMBERS = ("backfill_id", "event_log_id", "asset_id", "import_error_id", "asset_alias_id")


def joined(path: str, query: str) -> str:
    """A path with more query."""
    return f"{path}{'&' if '?' in path else '?'}{query}"


def spelled(number: object) -> list[str]:
    """Other ways to write a number, which some readers of numbers take for it; then what is no number."""
    text = str(number)
    arabic = "".join(chr(0x660 + int(digit)) for digit in text)
    hexadecimal = "".join(f"%{ord(digit):02x}" for digit in text)
    odd = [f"{text}.0", f"+{text}", f" {text}", f"{text} ", f"0{text}", f"{text}e0", arabic, f"{text}\t", f"-{text}"]
    return [*(quote(one) for one in odd), f"{text[0]}_{text[1:]}", hexadecimal, "~", "%7E", "%20", "", "0", "NaN"]


def foreign(answer: httpx.Response) -> set[str]:
    """The other Dags that an answer tells of; one that refuses may repeat what it was asked."""
    return set() if 400 <= answer.status_code < 500 else set(MARKER.findall(answer.text)) - {OWN}


@pytest.mark.parametrize("route", OF_ONE_DAG, ids=lambda route: route.name)
def test_read_of_another_dag(route: Route, world: World) -> None:
    """Neither query nor body opens another Dag's path, row or query."""
    path = path_of(route, places_for(route, world, OTHER))
    requested = [(joined(path, query), None) for query in TWISTS] + [(path, body) for body in BODIES]
    if route.where.startswith("query"):
        # Here the query is what names the Dag: it may name one's own, and then tells of that.
        requested = [(path, body) for body in BODIES] + [(joined(path.split("?")[0], query), None) for query in TWISTS]
    wrong = []
    for target, body in requested:
        answer = world.ask(ASKS, "GET", target, json=body)
        may_answer = route.where.startswith("query") and not foreign(answer)
        if not (400 <= answer.status_code < 500 or may_answer):
            wrong.append(f"{target} {body}: {answer.status_code} {answer.text[:200]}")
    assert not wrong, "\n".join(["", *wrong])


@pytest.mark.parametrize(
    "route", [route for route in OF_ONE_DAG if "path" in route.where], ids=lambda route: route.name
)
def test_read_of_own_dag(route: Route, world: World) -> None:
    """On one's own Dag a query or body that names another adds nothing of it to the answer."""
    path = path_of(route, places_for(route, world, OWN))
    wrong = []
    for target, body in [(joined(path, query), None) for query in TWISTS] + [(path, body) for body in BODIES]:
        answer = world.ask(ASKS, "GET", target, json=body)
        found = set(MARKER.findall(answer.text)) if answer.status_code < 400 else set()
        if answer.status_code >= 500 or not found <= named(route, world.crowd, ASKS, OWN) | {OWN}:
            wrong.append(f"{target} {body}: {answer.status_code} {sorted(found)} {answer.text[:200]}")
    assert not wrong, "\n".join(["", *wrong])


@pytest.mark.parametrize("route", OF_MANY, ids=lambda route: route.name)
def test_list(route: Route, world: World) -> None:
    """No query makes a list tell of other Dags."""
    path, body = list_path_of(route, world.names[OWN], 0)
    # A list in the place of an id fails in Airflow's own audit log.
    bodies = [body | one for one in BODIES[:2]] if body else list(BODIES)
    bodies += [body | {"dag_ids": [OTHER]}, body | {"dag_ids": [OWN, OTHER]}] if body else []
    wrong = []
    for target, sent in [(joined(path, query), body) for query in TWISTS] + [(path, one) for one in bodies]:
        answer = world.ask(ASKS, route.method, target, json=sent)
        if answer.status_code >= 500 or foreign(answer) - shown(route, {OWN}):
            wrong.append(f"{target} {sent}: {answer.status_code} {answer.text[:200]}")
    assert not wrong, "\n".join(["", *wrong])


# What opens for all who open Airflow's pages opens for this user, too.
CLOSED_HERE = [route for route in OF_DEPLOYMENT if frozenset({"website.get"}) not in route.needs]


@pytest.mark.parametrize("route", CLOSED_HERE, ids=lambda route: route.name)
def test_read_of_the_deployment(route: Route, world: World) -> None:
    """What concerns the whole Deployment is not opened by the name of a Dag."""
    path = path_of(route, world.names[OWN])
    wrong = []
    for target, body in [(joined(path, query), None) for query in TWISTS] + [(path, body) for body in BODIES]:
        answer = world.ask(ASKS, "GET", target, json=body)
        if not 400 <= answer.status_code < 500:
            wrong.append(f"{target} {body}: {answer.status_code} {answer.text[:200]}")
    assert not wrong, "\n".join(["", *wrong])


@pytest.mark.parametrize("name", CHANGES)
def test_change(name: str, world: World) -> None:
    """No query opens another Dag, or the whole Deployment, to a change."""
    route = table()[name]
    if not route.is_of(HERE):
        pytest.skip(f"Airflow {HERE} has no {name}")
    wrong = []
    for change in CHANGES[name]:
        for query in TWISTS[:3]:
            status, changed = attempt(route, change, world, CHANGES_THINGS, OTHER, query)
            if changed or status >= 500 or not (status >= 400 or change.refused_inside):
                wrong.append(f"{change.name} {query}: {status}, changed: {changed}")
    assert not wrong, "\n".join(["", *wrong])


@pytest.mark.parametrize(
    "route",
    [route for route in table().values() if any(f"{{{name}}}" in route.path for name in NUMBERS) and route.is_of(HERE)],
    ids=lambda route: route.name,
)
def test_odd_number(route: Route, world: World) -> None:
    """However the number of another Dag's row is written, with one's own Dag in the query, it stays closed."""
    names = world.names[OTHER]
    plain = path_of(route, names)
    place = next(name for name in NUMBERS if f"{{{name}}}" in route.path)
    number = {"backfill_id": "backfill", "event_log_id": "audit", "asset_alias_id": "alias"}.get(place, place[:-3])
    wrong = []
    for odd in spelled(names[number]):
        target = path_of(route, names, **{place: odd})
        for query in ("", f"dag_id={OWN}"):
            if route.path.startswith("/api") and target.split("?")[0] == plain:
                continue
            state = world.database.rows("SELECT id, is_paused, completed_at FROM backfill")
            answer = world.ask(CHANGES_THINGS, route.method, joined(target, query) if query else target)
            changed = world.database.rows("SELECT id, is_paused, completed_at FROM backfill") != state
            if changed or answer.status_code >= 500 or foreign(answer):
                wrong.append(f"{target} {query}: {answer.status_code} {changed} {answer.text[:200]}")
    assert not wrong, "\n".join(["", *wrong])


@pytest.mark.parametrize(
    "route", [route for route in OF_ONE_DAG if "{dag_id}" in route.path], ids=lambda route: route.name
)
def test_odd_dag(route: Route, world: World) -> None:
    """However a Dag is written in the path, no other Dag is told of."""
    names = world.names[OWN]
    wrong = []
    odd_ids = (
        "~",
        "%7E",
        "%20",
        "%00",
        f"{OTHER}%20",
        f"%20{OTHER}",
        f"{OTHER}%2F..%2F{OWN}",
        f"..%2F{OTHER}",
        OTHER.upper(),
    )
    for odd in (*odd_ids, f"%{ord(OTHER[0]):02x}{OTHER[1:]}", f"{OWN},{OTHER}", "*", "%25"):
        for query in ("", f"dag_id={OWN}"):
            answer = world.ask(ASKS, "GET", joined(path_of(route, names, dag_id=odd), query).rstrip("?"))
            # PostgreSQL takes no such character, and Airflow itself asks it first.
            fails_anyway = route.name in FAILS_ANYWAY or (odd == "%00" and world.database.dialect == "postgresql")
            if (answer.status_code >= 500 and not fails_anyway) or foreign(answer):
                wrong.append(f"{odd} {query}: {answer.status_code} {answer.text[:200]}")
    assert not wrong, "\n".join(["", *wrong])


def test_trees_differ() -> None:
    """The markers of the Dags are no parts of each other, or a leak would not show."""
    assert not [(one, other) for one in TREES for other in TREES if one != other and one in other]
