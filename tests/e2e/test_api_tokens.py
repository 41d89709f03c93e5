"""API tokens from their making to their end, on a running server that logs all it can."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import airflow_client.client
import httpx
import jwt
import pytest
from airflow_client.client.api import dag_api, dag_run_api
from airflow_client.client.exceptions import ForbiddenException, UnauthorizedException

from astro_auth_plugin.authentication.token_use import EVENT
from astro_auth_plugin.rbac.model import token_secrets

from .api_tokens import TokenServer, assert_refused
from .database import Database
from .live import in_a_file
from .tables import BEFORE_3_2, lists

DAG, OTHER = "/api/v2/dags/fin_daily", "/api/v2/dags/ops_sync"
FINANCE_DAGS = set(lists()["sets"]["finance"])
DOCS = Path(__file__).parents[2] / "docs" / "api-tokens.md"
ADMIN = ("--deployment-role", "dep-prod", "DEPLOYMENT_ADMIN")


@pytest.fixture
def secret(token_server: TokenServer, request: pytest.FixtureRequest) -> str:
    """The secret of a new token on the Dags of Team finance, named after the test."""
    return token_server.create(request.node.name)


@pytest.fixture
def database(token_server: TokenServer) -> Database:
    """The server's metadata database."""
    return Database(token_server.live.engine)


@pytest.fixture
def admin(token_server: TokenServer, request: pytest.FixtureRequest) -> str:
    """The secret of a new token that may do everything in the Deployment."""
    return token_server.create(request.node.name, *ADMIN)


def claims(token: str) -> dict[str, Any]:
    return jwt.decode(token, options={"verify_signature": False})


# -- use -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/api/v2/dags?limit=100", "/ui/dags?limit=100"])
def test_lists(path: str, token_server: TokenServer, secret: str) -> None:
    """Secret and JWT see the Dags of their roles, and no other."""
    for credential in (secret, token_server.exchange(secret), token_server.exchange(secret, "/auth/token/cli")):
        answer = token_server.get(path, credential)
        assert {dag["dag_id"] for dag in answer.json()["dags"]} == FINANCE_DAGS


def test_two_kinds_of_no(token_server: TokenServer, secret: str) -> None:
    """What a good token may not do is 403, and what no good token asks is 401."""
    assert token_server.get(DAG, secret).status_code == 200
    assert token_server.get(OTHER, secret).status_code == 403
    answer = token_server.request("PATCH", OTHER, secret, json={"is_paused": True})
    assert answer.status_code == 403
    assert answer.json()["detail"] == "There is no Dag `ops_sync`, or you may not see it."
    assert_refused(token_server.http.get(DAG), "")


def test_a_write_names_the_token(token_server: TokenServer, secret: str, database: Database) -> None:
    """What a token does is in Airflow's audit log under its name, and so is what it is refused."""
    body = {"logical_date": None, "note": "by a token"}
    answer = token_server.request("POST", f"{DAG}/dagRuns", secret, json=body)
    assert answer.status_code == 200, answer.text
    name = "token test_a_write_names_the_token"
    if not BEFORE_3_2:
        assert answer.json()["triggering_user_name"] == name
    found = "SELECT count(*) FROM log WHERE event = 'trigger_dag_run' AND owner = :name"
    assert database.value(found, name=name) == 1
    run = answer.json()["dag_run_id"]
    noted = token_server.request("PATCH", f"{DAG}/dagRuns/{run}", secret, json={"note": "again"})
    assert noted.status_code == 200, noted.text
    user_id = database.value("SELECT user_id FROM dag_run_note WHERE content = 'again'")
    assert user_id == f"token:{token_secrets.token_id_of(secret)}"
    assert token_server.request("DELETE", f"{OTHER}", secret).status_code == 403
    assert database.value("SELECT count(*) FROM log WHERE event = 'astro_auth.refused' AND owner = :name", name=name)


def eventually(condition: Any) -> None:
    """Waits until something holds that the clock brings."""
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_favorite(token_server: TokenServer, secret: str) -> None:
    """A route that keeps something for the user keeps it for the token."""
    assert token_server.request("POST", f"{DAG}/favorite", secret).status_code == 204
    assert token_server.get("/api/v2/dags?is_favorite=true", secret).json()["total_entries"] == 1


@pytest.mark.parametrize("path", ["/ui/auth/menus", "/api/v2/connections"])
def test_admin_routes(path: str, token_server: TokenServer, secret: str, admin: str) -> None:
    """Routes are open to tokens whose role opens them, and to no other."""
    assert token_server.get(path, admin).status_code == 200
    if path != "/ui/auth/menus":
        assert token_server.get(path, secret).status_code == 403


@pytest.mark.parametrize("path", ["/auth/fab/v1/users", "/auth/users/list/", "/auth/users/show/1"])
def test_no_accounts_for_tokens(path: str, token_server: TokenServer, admin: str) -> None:
    """Accounts are for people: whatever a token's role is, it does not see them."""
    assert token_server.get(path, admin).status_code in (302, 403)


def test_who_it_is(token_server: TokenServer, admin: str) -> None:
    """A token is nobody's account."""
    token_id = token_secrets.token_id_of(admin)
    if not BEFORE_3_2:
        reported = token_server.get("/ui/auth/me", admin).json()
        assert reported == {"id": f"token:{token_id}", "username": "token test_who_it_is"}
    for path in ("/auth/users/userinfo/", "/auth/resetmypassword/form", "/auth/userinfoeditview/form"):
        answer = token_server.get(path, admin)
        assert (answer.status_code, "/auth/login/" in answer.headers.get("location", "")) == (302, True)


def test_no_session(token_server: TokenServer, admin: str, database: Database) -> None:
    """Pages that a token opens keep no session of it, which nobody would ever come back with."""
    before = database.value("SELECT count(*) FROM session")
    for path in ("/auth/users/list/", "/auth/users/userinfo/", "/auth/login/", "/auth/"):
        assert "session=" not in token_server.get(path, admin).headers.get("set-cookie", ""), path
    assert database.value("SELECT count(*) FROM session") == before


def test_no_changes_of_accounts(token_server: TokenServer, admin: str, database: Database) -> None:
    """A token changes no account on any way: through FAB's API, a JWT that it was exchanged for, or a form."""
    before = database.rows("SELECT id, username, email, password, active FROM ab_user ORDER BY id")
    body = {"username": "made", "email": "made@example.com", "first_name": "M", "last_name": "D", "password": "pw"}
    body |= {"roles": [{"name": "Public"}]}
    for credential in (admin, token_server.exchange(admin)):
        for method, path in (
            ("POST", "/auth/fab/v1/users"),
            ("PATCH", "/auth/fab/v1/users/nobody"),
            ("DELETE", "/auth/fab/v1/users/nobody"),
        ):
            answer = token_server.request(method, path, credential, json=body)
            assert answer.status_code == 403, answer.text
            assert "API tokens cannot create, change or delete accounts" in answer.json()["detail"]
        assert token_server.request("POST", "/auth/users/delete/1", credential).status_code in (302, 400)
    with httpx.Client(base_url=token_server.live.url, headers={"Authorization": f"Bearer {admin}"}) as browser:
        form = {"username": "formed", "email": "formed@example.com"}
        assert browser.post("/auth/users/add", data=form).status_code in (302, 400)
    assert database.rows("SELECT id, username, email, password, active FROM ab_user ORDER BY id") == before


def test_not_for_workers(token_server: TokenServer, admin: str) -> None:
    """The execution API takes the tokens of workers only."""
    for credential in (admin, token_server.exchange(admin)):
        answer = token_server.get("/execution/variables/e2e", credential)
        assert answer.status_code in (401, 403)
        assert "seed" not in answer.text


# -- JWTs ----------------------------------------------------------------------------------------------------------


def test_cookie(token_server: TokenServer, secret: str) -> None:
    """The JWT works in the cookie that Airflow's pages use, and dies there with the token."""
    cookies = {"_token": token_server.exchange(secret)}
    assert token_server.http.get(DAG, headers=cookie(cookies)).status_code == 200
    assert token_server.http.get(OTHER, headers=cookie(cookies)).status_code == 403
    token_server.cli("revoke", "test_cookie")
    answer = token_server.http.get(DAG, headers=cookie(cookies))
    assert_refused(answer, cookies["_token"])


def cookie(cookies: dict[str, str]) -> dict[str, str]:
    return {"Cookie": "; ".join(f"{name}={value}" for name, value in cookies.items())}


@pytest.mark.skipif(BEFORE_3_2, reason="Airflow 3.1 has no route that makes a JWT of a JWT")
@pytest.mark.parametrize("kind", ["api", "cli"])
def test_no_laundering(kind: str, token_server: TokenServer, request: pytest.FixtureRequest) -> None:
    """POST /ui/auth/token makes no JWT that lives longer than its token, or is bound to less."""
    name = request.node.name
    secret = token_server.create(name, expires_in="2h")
    end = (datetime.now(UTC) + timedelta(hours=2)).timestamp()
    first = token_server.exchange(secret)
    credentials = [first]
    for parent in (secret, first):
        answer = token_server.request("POST", "/ui/auth/token", parent, json={"token_type": kind})
        assert answer.status_code == 200, answer.text
        credentials.append(token_server.remember(answer.json()["access_token"]))
    again = token_server.request("POST", "/ui/auth/token", credentials[-1], json={"token_type": "cli"})
    credentials.append(token_server.remember(again.json()["access_token"]))
    assert all(claims(made)["exp"] <= end for made in credentials)
    assert len({(claims(made)["sub"], claims(made)["astro_token_key"]) for made in credentials}) == 1
    assert {token_server.get(DAG, made).status_code for made in credentials} == {200}
    token_server.change(name, roles=[])
    assert {token_server.get(DAG, made).status_code for made in (*credentials, secret)} == {403}
    token_server.cli("revoke", name)
    for made in (*credentials, secret):
        assert_refused(token_server.get(DAG, made), made)


def test_sign_out(token_server: TokenServer, secret: str) -> None:
    """Sign-out ends a JWT where Airflow ends those of people; the secret works on, and nothing fails."""
    made = token_server.exchange(secret)
    for credential in (secret, made):
        assert token_server.get("/api/v2/auth/logout", credential).status_code == 307
        headers = cookie({"_token": credential})
        assert token_server.http.get("/api/v2/auth/logout", headers=headers).status_code == 307
    assert token_server.get(DAG, secret).status_code == 200
    assert (token_server.get(DAG, made).status_code == 401) is not BEFORE_3_2


def test_page_for_a_token_without_access(token_server: TokenServer, request: pytest.FixtureRequest) -> None:
    """A browser with the JWT of a token that holds nothing is told whose it is."""
    secret = token_server.create(request.node.name, "--organization-role", "ORGANIZATION_MEMBER")
    headers = {"Accept": "text/html", **cookie({"_token": token_server.exchange(secret)})}
    page = token_server.http.get("/", headers=headers)
    assert page.status_code == 403
    assert f"token {request.node.name}" in page.text


# -- the life of a token -------------------------------------------------------------------------------------------


def dag_ids(url: str, credential: str) -> set[str]:
    """The Dags that Airflow's own client is told of."""
    configuration = airflow_client.client.Configuration(host=url, access_token=credential)
    with airflow_client.client.ApiClient(configuration) as client:
        return {dag.dag_id for dag in dag_api.DAGApi(client).get_dags(limit=100).dags}


def test_life(token_server: TokenServer) -> None:
    """Create, use, exchange, narrow, rotate with and without overlap, expire, revoke: all through Airflow's client."""
    url = token_server.live.url
    first = token_server.create("life")
    jwt_of_first = token_server.exchange(first)
    assert dag_ids(url, first) == dag_ids(url, jwt_of_first) == FINANCE_DAGS

    one_dag = {"role": "DAG_VIEWER", "entity_type": "DAG", "entity_id": "fin_daily", "deployment_id": "dep-prod"}
    token_server.change("life", roles=[one_dag])
    assert dag_ids(url, first) == dag_ids(url, jwt_of_first) == {"fin_daily"}
    configuration = airflow_client.client.Configuration(host=url, access_token=first)
    with airflow_client.client.ApiClient(configuration) as client, pytest.raises(ForbiddenException):
        dag_run_api.DagRunApi(client).trigger_dag_run("fin_daily", {"logical_date": None})

    second = token_server.cli("rotate", "life", "--overlap", "1h", "--write")
    jwt_of_second = token_server.exchange(second)
    for credential in (first, jwt_of_first, second, jwt_of_second):
        assert dag_ids(url, credential) == {"fin_daily"}
    assert claims(token_server.exchange(first))["exp"] <= (datetime.now(UTC) + timedelta(hours=1)).timestamp()
    token_server.change("life", previous_secret_expires_at=datetime.now(UTC) - timedelta(seconds=1))
    all_refused(url, first, jwt_of_first)
    assert dag_ids(url, jwt_of_second) == {"fin_daily"}

    third = token_server.cli("rotate", "life", "--write")
    jwt_of_third = token_server.exchange(third)
    all_refused(url, first, jwt_of_first, second, jwt_of_second)
    assert dag_ids(url, third) == dag_ids(url, jwt_of_third) == {"fin_daily"}

    token_server.change("life", expires_at=datetime.now(UTC) + timedelta(seconds=2))
    eventually(lambda: token_server.get(DAG, third).status_code == 401)
    all_refused(url, third, jwt_of_third)
    token_server.change("life", expires_at="never")
    assert dag_ids(url, third) == dag_ids(url, jwt_of_third) == {"fin_daily"}

    token_server.cli("revoke", "life")
    all_refused(url, third, jwt_of_third)
    assert token_server.http.post("/auth/token", json={"token": third}).status_code == 401


def all_refused(url: str, *credentials: str) -> None:
    for credential in credentials:
        with pytest.raises(UnauthorizedException):
            dag_ids(url, credential)


@pytest.fixture
def examples(token_server: TokenServer, tmp_path: Path) -> Iterator[Any]:
    """A function that runs the example of the page in a language, for this server and Deployment."""
    (tmp_path / "policy.yaml").symlink_to(token_server.live.policy)

    def run(language: str, *command: str, about: str) -> str:
        blocks = re.findall(rf"^```{language}\n(.*?)^```$", DOCS.read_text(), re.DOTALL | re.MULTILINE)
        (block,) = [block for block in blocks if about in block]
        script = block.replace("cldep0prod", "dep-prod").replace("policy.yaml", str(token_server.live.policy))
        environment = {**token_server.live.environment(), "AIRFLOW_URL": token_server.live.url}
        environment["PATH"] = f"{Path(sys.executable).parent}:{environment['PATH']}"
        done = subprocess.run(
            [*command, script], capture_output=True, text=True, cwd=tmp_path, env=environment, timeout=120, check=False
        )
        if (tmp_path / "ci.token").exists():
            token_server.remember((tmp_path / "ci.token").read_text().strip())
        assert done.returncode == 0, done.stderr
        return done.stdout

    yield run
    for secret in list(token_server.seen):
        assert secret not in (tmp_path / "policy.yaml").read_text()


@in_a_file
def test_examples_of_the_page(examples: Any, token_server: TokenServer) -> None:
    """What the page about API tokens shows for curl and for Airflow's client works as it stands there."""
    listed = examples("sh", "bash", "-euo", "pipefail", "-c", about="curl")
    assert '"dag_id":"fin_daily"' in listed
    assert "ops_sync" not in listed
    token_server.remember(re.findall(r'"access_token":"([^"]+)"', listed)[0])
    assert set(examples("python", sys.executable, "-c", about="airflow_client").split()) == FINANCE_DAGS


# -- last use, and what is written down ----------------------------------------------------------------------------


def test_last_use(token_server: TokenServer, secret: str, database: Database) -> None:
    """Many requests leave one row, which tells the list when the token was last used."""
    for _ in range(5):
        assert token_server.get(DAG, secret).status_code == 200
    jwt_of_it = token_server.exchange(secret)
    assert token_server.get(DAG, jwt_of_it).status_code == 200
    counted = "SELECT count(*) FROM log WHERE event = :event AND owner = 'token test_last_use'"
    assert database.value(counted, event=EVENT) == 1


def test_exchange_counts_as_use(token_server: TokenServer, secret: str, database: Database) -> None:
    """A token that is only ever exchanged is in use."""
    token_server.exchange(secret)
    counted = "SELECT count(*) FROM log WHERE event = :event AND owner = 'token test_exchange_counts_as_use'"
    assert database.value(counted, event=EVENT) == 1


def test_nothing_secret_is_written_down(token_server: TokenServer, database: Database) -> None:
    """After all of this no secret and no JWT of a token is in the server's log at level debug, or in the audit log."""
    log = token_server.log()
    assert "debug" in log.lower()
    secret = token_server.create("scanned")
    tail = secret[-token_secrets.RANDOM_LENGTH :]
    assert token_server.get(DAG, secret).status_code == 200
    assert len(token_server.seen) > 20
    rows = " ".join(str(row) for row in database.rows("SELECT owner, owner_display_name, event, extra FROM log"))
    assert "token test_last_use" in rows
    policy = token_server.live.policy.read_text()
    for text in (token_server.log(), rows, policy):
        assert tail not in text
        assert [found for found in token_server.seen if found in text or found.rsplit(".", 1)[-1] in text] == []
        assert re.findall(token_secrets.PATTERN, text) == []
        assert re.findall(r"eyJ[\w-]+\.eyJ[\w-]+\.[\w-]+", text) == []
