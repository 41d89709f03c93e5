"""Airflow's own clients, its Python client and `airflowctl`, beside this auth manager, as the pages show them."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from airflow_client.client import ApiClient, Configuration
from airflow_client.client.api import connection_api, dag_api, dag_run_api, pool_api
from airflow_client.client.exceptions import ForbiddenException, UnauthorizedException

from .api_tokens import TokenServer
from .client import Everybody
from .database import Database
from .live import LiveAirflow
from .tables import lists

OWN, FOREIGN = "fin_daily", "ops_sync"
FINANCE_DAGS = set(lists()["sets"]["finance"])
ALL_DAGS = set(lists()["sets"]["parsed"]) | set(lists()["sets"]["unparsed"])
NOT_SEEN = f"There is no Dag `{FOREIGN}`, or you may not see it."
LACKS = "Missing permission `deployment.airflow.{}.get` in this Deployment."
DOCS = Path(__file__).parents[2] / "docs" / "api-tokens.md"
BIN = Path(sys.executable).parent


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TokenServer]:
    """An Airflow of this module's own."""
    home = tmp_path_factory.mktemp("clients")
    live = LiveAirflow(home, database=f"sqlite:///{home}/airflow.db")
    live.prepare()
    live.start()
    try:
        with httpx.Client(base_url=live.url, timeout=180) as http:
            yield TokenServer(live, http)
    finally:
        live.stop()


@pytest.fixture(scope="module")
def secret(server: TokenServer) -> str:
    """The secret of a token that is an Author of the Dags of Team finance, and nothing else."""
    return server.create("ci")


@pytest.fixture(scope="module")
def owner(server: TokenServer) -> str:
    """The JWT of a Workspace Owner."""
    return Everybody(server.http)["workspace.owner"].headers["Authorization"].removeprefix("Bearer ")


@pytest.fixture(scope="module")
def runs(server: TokenServer) -> Callable[[str], int]:
    """How many runs a Dag has."""
    database = Database(server.live.engine)
    return lambda dag_id: database.value("SELECT count(*) FROM dag_run WHERE dag_id = :dag", dag=dag_id)


# -- apache-airflow-client -----------------------------------------------------------------------------------------


@pytest.fixture(params=["secret", "jwt"])
def restricted(request: pytest.FixtureRequest, server: TokenServer, secret: str) -> Iterator[ApiClient]:
    """The Python client with the token's secret, and with the JWT that it is exchanged for."""
    credential = secret if request.param == "secret" else server.exchange(secret)
    with client_with(server, credential) as client:
        yield client


def client_with(server: TokenServer, credential: str) -> ApiClient:
    return ApiClient(Configuration(host=server.live.url, access_token=credential))


def refusal_of(request: Callable[[], object]) -> str:
    """What the client reports where it is refused."""
    with pytest.raises(ForbiddenException) as refused:
        request()
    return json.loads(refused.value.body)["detail"]


def test_client_own_dags(restricted: ApiClient, runs: Callable[[str], int]) -> None:
    """Lists are cut to the Dags of the token's roles; these are read, paused and triggered in the token's name."""
    dags = dag_api.DAGApi(restricted)
    listed = dags.get_dags(limit=100)
    assert {dag.dag_id for dag in listed.dags} == FINANCE_DAGS
    assert listed.total_entries == len(FINANCE_DAGS)
    assert dags.get_dag(OWN).dag_id == OWN
    before = runs(OWN)
    run = dag_run_api.DagRunApi(restricted).trigger_dag_run(OWN, {"logical_date": None, "note": "by a client"})
    assert (run.dag_id, run.note, run.triggering_user_name) == (OWN, "by a client", "token ci")
    assert runs(OWN) == before + 1
    of_all = dag_run_api.DagRunApi(restricted).get_dag_runs("~", limit=100)
    assert {run.dag_id for run in of_all.dag_runs} <= FINANCE_DAGS
    assert run.dag_run_id in {run.dag_run_id for run in of_all.dag_runs}


def test_client_other_dags(restricted: ApiClient, runs: Callable[[str], int]) -> None:
    """Every request about another Dag is a `ForbiddenException` with the reason, and has no effect."""
    dags, dag_runs = dag_api.DAGApi(restricted), dag_run_api.DagRunApi(restricted)
    before = runs(FOREIGN)
    assert refusal_of(lambda: dags.get_dag(FOREIGN)) == NOT_SEEN
    assert refusal_of(lambda: dag_runs.get_dag_runs(FOREIGN)) == NOT_SEEN
    assert refusal_of(lambda: dag_runs.trigger_dag_run(FOREIGN, {"logical_date": None})) == NOT_SEEN
    assert refusal_of(lambda: dags.patch_dag(FOREIGN, {"is_paused": True})) == NOT_SEEN
    assert refusal_of(lambda: dags.delete_dag(FOREIGN)) == NOT_SEEN
    assert runs(FOREIGN) == before > 0


def test_client_objects(restricted: ApiClient, server: TokenServer, owner: str) -> None:
    """Pools and connections are for roles of the Deployment; a refusal names the permission."""
    assert refusal_of(pool_api.PoolApi(restricted).get_pools) == LACKS.format("pool")
    assert refusal_of(connection_api.ConnectionApi(restricted).get_connections) == LACKS.format("connection")
    with client_with(server, owner) as client:
        assert "e2e" in {pool.name for pool in pool_api.PoolApi(client).get_pools().pools}
        listed = connection_api.ConnectionApi(client).get_connections().connections
        assert "e2e" in {each.connection_id for each in listed}
        assert {dag.dag_id for dag in dag_api.DAGApi(client).get_dags(limit=100).dags} == ALL_DAGS


def test_client_without_a_token(server: TokenServer, secret: str) -> None:
    """No token, and one with a changed character, are a `UnauthorizedException`."""
    for credential in ("", secret[:-1] + ("a" if secret[-1] != "a" else "b")):
        with client_with(server, credential) as client, pytest.raises(UnauthorizedException):
            dag_api.DAGApi(client).get_dags()


# -- airflowctl ----------------------------------------------------------------------------------------------------


class Shell:
    """A shell in a folder of its own, where `airflowctl` keeps the server's address."""

    def __init__(self, server: TokenServer, home: Path) -> None:
        self._server = server
        self.home = home
        environment = server.live.environment()
        self._environment = {
            **{name: value for name, value in environment.items() if not name.startswith("AIRFLOW")},
            "PATH": f"{BIN}:{environment['PATH']}",
            "AIRFLOW_HOME": str(home),
            "AIRFLOW_URL": server.live.url,
            "COLUMNS": "1000",
        }

    def run(self, script: str, credential: str = "", *, code: int = 0, typed: str = "") -> str:
        """What a script prints to standard output."""
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", script],
            env=self._environment | ({"AIRFLOW_CLI_TOKEN": credential} if credential else {}),
            cwd=self.home,
            input=typed,
            start_new_session=True,  # without a terminal, passwords are read from standard input
            capture_output=True,
            text=True,
            timeout=180,
            check=False,
        )
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout

    def listed(self, words: str, credential: str, key: str) -> set[str]:
        """One field of all that a command lists."""
        return {row[key] for row in json.loads(self.run(f"airflowctl {words} --output json", credential))}

    def refused(self, words: str, credential: str) -> str:
        """What a command that fails says."""
        return self.run(f"airflowctl {words}", credential, code=1)


@pytest.fixture(scope="module")
def shell(server: TokenServer, secret: str, tmp_path_factory: pytest.TempPathFactory) -> Shell:
    """A shell with the secret in a file, as the page has it."""
    home = tmp_path_factory.mktemp("shell")
    (home / "ci.token").write_text(secret)
    return Shell(server, home)


def example(about: str) -> str:
    """The page's example with these words."""
    blocks = re.findall(r"^```sh\n(.*?)^```$", DOCS.read_text(), re.DOTALL | re.MULTILINE)
    (found,) = [block for block in blocks if about in block]
    return found.replace("invoice_totals", OWN)


@pytest.fixture(scope="module")
def logged_in(shell: Shell, secret: str) -> tuple[Shell, str]:
    """The shell after the page's example, and what that printed."""
    printed = shell.run(example("--skip-keyring"))
    assert secret not in "".join(file.read_text() for file in shell.home.glob("*.json"))
    assert secret not in printed
    return shell, printed


def test_airflowctl_example(logged_in: tuple[Shell, str], runs: Callable[[str], int]) -> None:
    """The page's example lists the token's Dags alone, and triggers one of them in the token's name."""
    _, printed = logged_in
    listed, triggered = (json.loads(line) for line in printed.splitlines() if line.startswith("["))
    assert {dag["dag_id"] for dag in listed} == FINANCE_DAGS
    assert [(run["dag_id"], run["triggering_user_name"]) for run in triggered] == [(OWN, "token ci")]
    assert runs(OWN) > 0


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (f"dags get {FOREIGN}", NOT_SEEN),
        (f"dags trigger {FOREIGN}", NOT_SEEN),
        (f"dags pause {FOREIGN}", NOT_SEEN),
        ("pools list", LACKS.format("pool")),
        ("connections list", LACKS.format("connection")),
    ],
)
def test_airflowctl_refusals(
    words: str, reason: str, logged_in: tuple[Shell, str], secret: str, runs: Callable[[str], int]
) -> None:
    """A refused command ends with 1, prints the reason, and has no effect."""
    shell, _ = logged_in
    before = runs(FOREIGN)
    assert reason in shell.refused(words, secret)
    assert runs(FOREIGN) == before


def test_airflowctl_of_an_owner(logged_in: tuple[Shell, str]) -> None:
    """With the password of an Owner, as the page shows it, the same commands list everything."""
    shell, _ = logged_in
    script = example("airflowctl auth token").replace("--username ana", "--username workspace.owner")
    credential = shell.run(f'{script}\necho "$AIRFLOW_CLI_TOKEN"', typed="pw-2\n").strip()
    assert shell.listed("dags list", credential, "dag_id") == ALL_DAGS
    assert "e2e" in shell.listed("pools list", credential, "name")
    assert "e2e" in shell.listed("connections list", credential, "connection_id")


def test_airflowctl_without_a_token(logged_in: tuple[Shell, str], secret: str) -> None:
    """A token that is not valid lists nothing."""
    shell, _ = logged_in
    printed = shell.refused("dags list", secret[:-1] + ("a" if secret[-1] != "a" else "b"))
    assert "Invalid API token" in printed
    assert OWN not in printed
