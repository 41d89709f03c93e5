"""Every route, asked by everybody: who is answered, which Dags the answer names, and what has changed afterwards.

What is expected comes from routes.yaml and the reference engine alone.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version
from typing import Any

import httpx
import pytest
import yaml

from tests.reference_engine import Dag

from .client import ASKED, Caller, Everybody
from .conftest import names_of
from .crowd import (
    BUILT_IN,
    DAG_ROLES,
    FAR,
    NEWCOMERS,
    OTHER,
    OWN,
    SEE,
    TREES,
    UNEVEN,
    Crowd,
    concerned,
    invite,
    person,
    with_newcomers,
)
from .database import Database
from .live import LiveAirflow
from .route_answers import (
    ANSWERED,
    MARKER,
    NO_LIST,
    count,
    deployment_wide,
    listed,
    may,
    named,
    opens,
    shown,
    shows_error,
)
from .route_requests import is_read, list_path_of, path_of
from .route_writes import CHANGES, NOT_TRIED, Change, queue_event
from .routes import Route, table, without_dag
from .writes import filled, perform

pytestmark = pytest.mark.e2e

HERE = ".".join(version("apache-airflow-core").split(".")[:2])
ROUTES = [route for route in table().values() if route.is_of(HERE)]
READS = [route for route in ROUTES if is_read(route)]
OF_ONE_DAG = [route for route in READS if route.where.split(" ")[0] in ("path", "query", "row")]
OF_MANY = [route for route in READS if route.where.endswith("list") and route.name not in NO_LIST]
OF_DEPLOYMENT = [route for route in READS if without_dag(route)]


class World:
    """The server, everybody who asks it, and what is where in its database."""

    def __init__(self, airflow: LiveAirflow, database: Database, everybody: Everybody) -> None:
        self.database = database
        # After a 500 the server closes the connection: as in conftest.
        fresh = httpx.Limits(max_keepalive_connections=0)
        self.client = httpx.Client(base_url=airflow.url, timeout=120, limits=fresh)
        self.crowd = Crowd(yaml.safe_load(airflow.policy.read_bytes()), dags(database))
        self.names = {dag_id: tree_names(dag_id, database, everybody) for dag_id in TREES}
        for dag_id in TREES:
            queue_event(database, {"dag": dag_id})
        self._callers: dict[str, Caller] = {}
        self._everybody = everybody

    def caller(self, user: str) -> Caller:
        """Somebody, signed in."""
        if user not in self._callers:
            known = user not in NEWCOMERS
            self._callers[user] = self._everybody[user] if known else Caller(self.client, person(user))
        return self._callers[user]

    def ask(self, user: str, method: str, path: str, **kwargs: Any) -> httpx.Response:
        """One answer to somebody."""
        ASKED[user] += 1
        caller = self.caller(user)
        return self.client.request(method, path, headers=caller.headers, **kwargs)


def dags(database: Database) -> list[Dag]:
    """Every Dag with its tags."""
    tags = database.rows("SELECT dag_id, name FROM dag_tag")
    ids = [dag_id for (dag_id,) in database.rows("SELECT dag_id FROM dag")]
    return [Dag(dag_id, frozenset(name for of, name in tags if of == dag_id)) for dag_id in ids]


def tree_names(dag_id: str, database: Database, everybody: Everybody) -> dict[str, Any]:
    """What stands in the places of templates for one of the Dags of these tests."""
    made = database.value("SELECT id FROM asset WHERE name = :name", name=f"timber-{TREES.index(dag_id)}")
    awaited = database.value("SELECT id FROM asset WHERE name = :name", name=f"timber-{(TREES.index(dag_id) - 1) % 4}")
    alias = database.value("SELECT id FROM asset_alias")
    error = database.value("SELECT id FROM import_error WHERE filename = 'grove.py'")
    ids = names_of(dag_id, dag_id, database, everybody)
    more = {"asset": made, "awaited": awaited, "alias": alias, "import_error": error, "gone_dag": f"{dag_id}-gone"}
    return ids | more


@pytest.fixture(scope="module")
def world(airflow: LiveAirflow, database: Database, everybody: Everybody) -> Iterator[World]:
    """The newcomers have accounts and roles while this module runs."""
    before = airflow.policy.read_bytes()
    invite(database)
    airflow.put_policy(yaml.safe_dump(with_newcomers(yaml.safe_load(before))).encode())
    world = World(airflow, database, everybody)
    yield world
    world.client.close()
    airflow.put_policy(before)
    everybody["nobody"].get("/api/v2/dags")


def people_for(route: Route) -> list[str]:
    """Who asks a route: every built-in role, everybody whom its permissions concern."""
    requested = set().union(*route.needs, route.deployment_wide, *(names.split() for names in route.also.values()))
    return [*BUILT_IN, *DAG_ROLES, *concerned(requested, on_dags=not without_dag(route))]


def everywhere(world: World, users: list[str], check: Callable[[str], list[str]]) -> None:
    """Checks everybody, several at once, and fails with all that is wrong."""
    for user in users:
        world.caller(user)
    with ThreadPoolExecutor(3) as pool:
        wrong = [line for lines in pool.map(check, users) for line in lines]
    assert not wrong, "\n".join(["", *wrong])


# -- reads ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("route", OF_ONE_DAG, ids=lambda route: route.name)
def test_read_of_one_dag(route: Route, world: World) -> None:
    """Who holds what is needed on the Dag is answered with it, and with no other; nobody else is."""

    def check(user: str) -> list[str]:
        wrong = []
        for dag_id in (OWN, UNEVEN, OTHER) if user in NEWCOMERS else (OWN,):
            answer = world.ask(user, "GET", path_of(route, places_for(route, world, dag_id)))
            wrong += judge(route, world, user, dag_id, answer)
        return wrong

    everywhere(world, people_for(route), check)


def places_for(route: Route, world: World, dag_id: str) -> dict[str, Any]:
    """The names of a Dag; the asset of its own pages is the one that it waits for."""
    names = world.names[dag_id]
    return names | {"asset": names["awaited"]} if "{dag_id}/assets/" in route.path else names


def judge(route: Route, world: World, user: str, dag_id: str, answer: httpx.Response) -> list[str]:
    """What is wrong with an answer about a Dag."""
    allowed = may(route, world.crowd, user, dag_id)
    expected = {ANSWERED.get(route.name, 200)} if allowed else {403, 404}
    found = set(MARKER.findall(answer.text))
    wanted = named(route, world.crowd, user, dag_id) if allowed else set()
    # A refusal may repeat what was asked for, and name a Dag beside it that the person sees.
    sayable = {dag_id, *world.crowd.dags_of(user, SEE)}
    if answer.status_code in expected and (found == wanted if allowed else found <= sayable):
        return []
    got = f"{answer.status_code} {sorted(found)} {answer.text[:200]}"
    return [f"{user} on {dag_id}: expected {sorted(expected)} {sorted(wanted)}, got {got}"]


@pytest.mark.parametrize("route", OF_MANY, ids=lambda route: route.name)
def test_list(route: Route, world: World) -> None:
    """A list has the rows of exactly the Dags on which all that is needed is held, and counts no others."""

    def check(user: str) -> list[str]:
        status, found, total = read_list(route, world, user)
        if not opens(route, world.crowd, user):
            return [] if (status, found) == (403, set()) else [f"{user}: expected 403, got {status} {sorted(found)}"]
        expected = listed(route, world.crowd, user)
        wanted = set() if not route_names(route) else shown(route, expected)
        number = count(route, world.database, expected)
        if (status, found) == (200, wanted) and number in (None, total):
            return []
        return [f"{user}: expected 200 {sorted(wanted)} {number}, got {status} {sorted(found)} {total}"]

    everywhere(world, people_for(route), check)


def route_names(route: Route) -> bool:
    """Whether a list names its Dags, and does not only count them."""
    return "/dashboard/" not in route.path


def read_list(route: Route, world: World, user: str) -> tuple[int, set[str], Any]:
    """The status of a list, the Dags that it names on all its pages, and how many rows it says to have."""
    found: set[str] = set()
    offset = 0
    while True:
        path, body = list_path_of(route, world.names[OWN], offset)
        answer = world.ask(user, route.method, path, json=body)
        found |= set(MARKER.findall(answer.text))
        total = total_of(answer)
        offset += 100
        if not isinstance(total, int) or offset >= total:
            return answer.status_code, found, total


def total_of(answer: httpx.Response) -> Any:
    """How many rows an answer says that there are."""
    if answer.status_code != 200:
        return None
    body = answer.json()
    if "dag_run_states" in body:
        return sum(body["dag_run_states"].values())
    return next((body[key] for key in ("total_entries", "total", "active_dag_count") if key in body), None)


@pytest.mark.parametrize("route", OF_DEPLOYMENT, ids=lambda route: route.name)
def test_read_of_the_deployment(route: Route, world: World) -> None:
    """Only who holds what is needed in the whole Deployment is answered, whatever is held on Dags."""
    headers = {"Airflow-Connection-Test-Token": "e2e"}

    def check(user: str) -> list[str]:
        names = world.names[OWN]
        caller = world.caller(user)
        ASKED[user] += 1
        answer = world.client.get(path_of(route, names), headers=caller.headers | headers)
        allowed = may(route, world.crowd, user, None)
        if route.path.endswith("/importErrors/{import_error_id}"):
            allowed = shows_error(world.crowd, user, {OTHER, FAR})
        # To ask after a test of a connection that there is not tells nothing either way.
        expected = {404} if "enqueue-test" in route.path else {200} if allowed else {403}
        found = set(MARKER.findall(answer.text))
        if answer.status_code in expected and (allowed or not found):
            return []
        return [f"{user}: expected {expected}, got {answer.status_code} {sorted(found)} {answer.text[:200]}"]

    everywhere(world, people_for(route), check)


def test_import_errors(world: World) -> None:
    """The text of an import error is read by who may see all Dags of its file."""

    def check(user: str) -> list[str]:
        answer = world.ask(user, "GET", "/api/v2/importErrors?limit=100")
        found = set(MARKER.findall(re.sub(r"\w+\.py", "", answer.text)))
        # To delete a Dag deletes its file's errors, so those of the Dags that others delete are left out.
        found &= {OTHER, FAR}
        wanted = {OTHER, FAR} if shows_error(world.crowd, user, {OTHER, FAR}) else set()
        return [] if found == wanted else [f"{user}: expected {sorted(wanted)}, got {sorted(found)}"]

    everywhere(world, [*BUILT_IN, *DAG_ROLES, *concerned({"importError.get", "dag.get"})], check)


# -- writes --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", CHANGES)
def test_write(name: str, world: World) -> None:
    """Who holds what is needed changes what the route changes, looked up in the database; nobody else does."""
    route = table()[name]
    if not route.is_of(HERE):
        pytest.skip(f"Airflow {HERE} has no {name}")
    wrong = [line for change in CHANGES[name] for line in wrongly_changed(route, change, world)]
    assert not wrong, "\n".join(["", *wrong])


def wrongly_changed(route: Route, change: Change, world: World) -> list[str]:
    """Who is answered or changes something other than the words of the table say."""
    wrong = []
    of_dag = not without_dag(route)
    for user in writers(route, change):
        for dag_id in (OWN, UNEVEN) if of_dag and user in NEWCOMERS else (OWN,):
            allowed = may_change(route, change, world.crowd, user, dag_id)
            status, changed = attempt(route, change, world, user, dag_id)
            answered = 200 <= status < 300 and (allowed or not change.refused_inside)
            if (answered, changed) != (allowed, allowed and bool(change.write.shows)):
                wrong.append(f"{change.name}: {user} on {dag_id}: expected {allowed}, got {status}, changed: {changed}")
    return wrong


def needed(route: Route, change: Change) -> frozenset[str]:
    """What one change needs on its Dag."""
    return frozenset(change.needs.split()) or route.needs[0]


def writers(route: Route, change: Change) -> list[str]:
    """Who tries a change: every built-in role, and everybody whom its permissions concern."""
    requested = needed(route, change) | route.deployment_wide
    return [*BUILT_IN[:-4], *DAG_ROLES, *concerned(requested, on_dags=not without_dag(route))]


def may_change(route: Route, change: Change, crowd: Crowd, user: str, dag_id: str) -> bool:
    """Whether somebody may make a change."""
    place = None if without_dag(route) else dag_id
    return deployment_wide(route) <= crowd.held(user) and crowd.may(user, needed(route, change), place)


def attempt(
    route: Route, change: Change, world: World, user: str, dag_id: str, query: str | None = None, **places: str
) -> tuple[int, bool]:
    """The status of the answer to a change, and whether it shows in the database."""
    names, write = places_for(route, world, dag_id), change.write
    places = {place: value.format(**names) for place, value in {**change.places, **places}.items()}
    perform(write.ready, world.database, names)
    before = world.database.rows(write.shows, **names) if write.shows else []
    try:
        path = path_of(route, names, query, **places)
        answer = world.ask(user, route.method, path, json=filled(write.body, names))
        changed = bool(write.shows) and world.database.rows(write.shows, **names) != before
    finally:
        perform(write.after, world.database, names)
    return answer.status_code, changed


def test_every_change_is_tried() -> None:
    """Each route that changes something with a permission has changes that are tried, or is known to have none."""
    changing = {route.name for route in table().values() if not route.people and not is_read(route)}
    assert changing == {*CHANGES, *NOT_TRIED}


@pytest.mark.parametrize("name", NOT_TRIED)
def test_refused_change(name: str, world: World) -> None:
    """Who does not hold what is needed is refused, whatever the body says."""
    route = table()[name]
    if not route.is_of(HERE):
        pytest.skip(f"Airflow {HERE} has no {name}")
    wrong = []
    # One of them looks at the body before it looks at who asks.
    body = {"connection_id": "e2e", "conn_type": "http"} if "/connections/" in route.path else {}
    for user in people_for(route):
        if not may(route, world.crowd, user, OWN):
            answer = world.ask(user, route.method, path_of(route, world.names[OWN]), json=body)
            if answer.status_code != 403:
                wrong.append(f"{user}: {answer.status_code} {answer.text[:200]}")
    assert not wrong, "\n".join(["", *wrong])
