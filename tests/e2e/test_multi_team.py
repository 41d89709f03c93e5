"""Multi-team Airflow (`[core] multi_team`): it starts, and its teams open nothing and close nothing.

A Team of the policy and a team of Airflow are two things: who sees a team of Airflow follows from who sees its Dags.
"""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from .client import Everybody
from .database import Database
from .live import LiveAirflow
from .tables import BEFORE_3_2, lists

SETS = lists()["sets"]
TEAMS = "/ui/teams"
SETTINGS = {"AIRFLOW__CORE__MULTI_TEAM": "True"}
pytestmark = pytest.mark.skipif(BEFORE_3_2, reason="Airflow 3.1 has no multi-team mode")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveAirflow]:
    """A multi-team Airflow: `red` has the bundle of most Dags, `blue` that of two Dags of Team ops, `empty` has none."""
    home = tmp_path_factory.mktemp("multi-team")
    live = LiveAirflow(home, database=f"sqlite:///{home}/airflow.db", settings=SETTINGS)
    live.prepare()
    Database(live.engine).run(
        "INSERT INTO dag_bundle (name, active) VALUES ('blue-bundle', true)",
        "UPDATE dag SET bundle_name = 'blue-bundle' WHERE dag_id IN ('ops_sync', 'ops_writes')",
        "INSERT INTO team (name) VALUES ('red'), ('blue'), ('empty')",
        "INSERT INTO dag_bundle_team (dag_bundle_name, team_name)"
        " VALUES ('dags-folder', 'red'), ('blue-bundle', 'blue')",
    )
    live.start()
    yield live
    live.stop()


@pytest.fixture(scope="module")
def members(server: LiveAirflow) -> Iterator[Everybody]:
    """The people of the other tests, signed in here."""
    with httpx.Client(base_url=server.url, timeout=180) as client:
        yield Everybody(client)


@pytest.mark.parametrize(
    ("user", "teams"),
    [
        ("organization.owner", ["blue", "empty", "red"]),
        ("workspace.member", ["blue", "empty", "red"]),
        ("log.auditor", ["blue", "empty", "red"]),
        ("tag.viewer", ["red"]),
        ("id.author", ["red"]),
        ("uneven", ["blue", "red"]),
        ("nobody", []),
        ("fab.admin", []),
    ],
)
def test_teams(user: str, teams: list[str], members: Everybody) -> None:
    """Whoever sees all Dags sees every team; anybody else the teams that have a Dag which they see."""
    body = members[user].json(TEAMS)
    assert [team["name"] for team in body["teams"]] == teams
    assert body["total_entries"] == len(teams)


@pytest.mark.parametrize("path", ["/api/v2/dags", "/ui/dags"])
@pytest.mark.parametrize(
    ("user", "dags"),
    [
        ("organization.owner", SETS["parsed"] + SETS["unparsed"]),
        ("tag.viewer", SETS["finance"]),
        ("id.viewer", SETS["two"]),
    ],
)
def test_dags(path: str, user: str, dags: list[str], members: Everybody) -> None:
    """The lists hold the Dags that roles reach, of whatever team."""
    assert {dag["dag_id"] for dag in members[user].json(f"{path}?limit=100")["dags"]} == set(dags)


@pytest.mark.parametrize(("dag_id", "status"), [("fin_daily", 200), ("asset_producer", 403), ("ops_sync", 403)])
def test_team_opens_no_dag(dag_id: str, status: int, members: Everybody) -> None:
    """Being shown a team does not show its other Dags, and a Dag's team closes no Dag."""
    assert members["tag.viewer"].get(f"/api/v2/dags/{dag_id}").status_code == status
    assert members["organization.owner"].get(f"/api/v2/dags/{dag_id}").status_code == 200


def test_connection_of_a_team(members: Everybody) -> None:
    """A connection of a team needs the same permission as any other."""
    body = {"connection_id": "of-red", "conn_type": "http", "team_name": "red"}
    assert members["tag.author"].request("POST", "/api/v2/connections", json=body).status_code == 403
    assert members["organization.owner"].request("POST", "/api/v2/connections", json=body).status_code == 201
    for user, status in (("organization.owner", 200), ("workspace.author", 200), ("tag.author", 403)):
        assert members[user].get("/api/v2/connections/of-red").status_code == status, user


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/api/v2/connections", {"connection_id": "made", "conn_type": "http"}),
        ("/api/v2/connections/test", {"connection_id": "made", "conn_type": "http"}),
        ("/api/v2/pools", {"name": "made", "slots": 1}),
        ("/api/v2/variables", {"key": "made", "value": "1"}),
    ],
)
@pytest.mark.parametrize("user", ["workspace.author", "tag.viewer", "nobody"])
def test_no_answer_says_which_teams_there_are(user: str, path: str, body: dict, members: Everybody) -> None:
    """Who may not create a connection, pool or Variable gets the same answer for a team that exists and one that does not."""
    answers = {
        (answer.status_code, answer.text)
        for answer in (
            members[user].request("POST", path, json={**body, "team_name": team}) for team in ("red", "none")
        )
    }
    assert {status for status, _ in answers} == {403}
    assert len(answers) == 1
