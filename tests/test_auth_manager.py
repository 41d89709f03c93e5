"""Airflow's hooks: every one answers from Astro roles, with nothing for strangers, and none raises."""

from __future__ import annotations

import asyncio
import logging
import os
import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from airflow import settings
from airflow.api_fastapi.auth.managers.models.resource_details import (
    ConnectionDetails,
    DagAccessEntity,
    DagDetails,
    PoolDetails,
    VariableDetails,
)
from airflow.api_fastapi.common.types import MenuItem
from airflow.exceptions import AirflowConfigException
from airflow.models.team import dag_bundle_team_association_table
from anyio import to_thread
from fastapi import HTTPException
from sqlalchemy import create_engine

from astro_auth_plugin.accounts import sign_ins
from astro_auth_plugin.accounts.accounts import note_emails
from astro_auth_plugin.accounts.identity_cache import IdentityCache
from astro_auth_plugin.auth_manager import AstroAuthManager
from astro_auth_plugin.authorization import dag_lookup, route_rules, route_table
from astro_auth_plugin.rbac.engine.engine import Engine
from astro_auth_plugin.rbac.policy import loader
from astro_auth_plugin.runtime import state
from astro_auth_plugin.runtime.identity import AstroIdentity
from tests.conftest import CountStatements
from tests.dag_fixtures import DAGS, PEOPLE
from tests.in_request import HEAD, facts_of, person, serving
from tests.process_state import start

pytestmark = pytest.mark.usefixtures("dags")

# Every hook, with arguments as Airflow gives them, and what it answers to nobody.
HOOKS: list[tuple[str, tuple[Any, ...], dict[str, Any], Any]] = [
    ("is_authorized_dag", (), {"method": "GET", "details": DagDetails(id="fin_daily")}, False),
    ("is_authorized_dag", (), {"method": "GET", "access_entity": DagAccessEntity.RUN, "details": None}, False),
    ("batch_is_authorized_dag", ([{"method": "GET", "details": DagDetails(id="fin_daily")}],), {}, False),
    ("get_authorized_dag_ids", (), {"method": "GET"}, set()),
    ("get_authorized_dag_ids", (), {}, set()),
    ("filter_authorized_dag_ids", (), {"dag_ids": {"fin_daily"}, "method": "GET"}, set()),
    ("is_authorized_backfill", (), {"method": "GET"}, False),
    ("is_authorized_hitl_task", (), {"assigned_users": {"7", "nobody"}}, False),
    ("is_authorized_configuration", (), {"method": "GET"}, False),
    ("is_authorized_connection", (), {"method": "GET", "details": ConnectionDetails(conn_id="c")}, False),
    ("is_authorized_pool", (), {"method": "GET", "details": PoolDetails(name="p")}, False),
    ("is_authorized_variable", (), {"method": "GET", "details": VariableDetails(key="v")}, False),
    ("batch_is_authorized_connection", ([{"method": "GET"}],), {}, False),
    ("batch_is_authorized_pool", ([{"method": "GET"}],), {}, False),
    ("batch_is_authorized_variable", ([{"method": "GET"}],), {}, False),
    ("get_authorized_connections", (), {"method": "GET"}, set()),
    ("get_authorized_pools", (), {"method": "GET"}, set()),
    ("get_authorized_variables", (), {"method": "GET"}, set()),
    ("filter_authorized_connections", (), {"conn_ids": {"c"}, "method": "GET"}, set()),
    ("filter_authorized_pools", (), {"pool_names": {"p"}, "method": "GET"}, set()),
    ("filter_authorized_variables", (), {"variable_keys": {"v"}, "method": "GET"}, set()),
    ("is_authorized_asset", (), {"method": "GET"}, False),
    ("is_authorized_asset_alias", (), {"method": "GET"}, False),
    ("get_authorized_assets", (), {"method": "GET"}, set()),
    ("is_authorized_team", (), {"method": "GET", "details": SimpleNamespace(name="ops")}, False),
    ("get_authorized_teams", (), {"method": "GET"}, set()),
    ("filter_authorized_teams", (), {"teams_names": {"ops"}, "method": "GET"}, set()),
    ("is_authorized_view", (), {"access_view": "WEBSITE"}, False),
    ("is_authorized_custom_view", (), {"method": "GET", "resource_name": "Users"}, False),
    ("is_authorized_custom_view", (), {"method": "GET", "resource_name": "A plugin's page"}, False),
    ("filter_authorized_menu_items", (list(MenuItem),), {}, []),
    ("get_authorized_menu_items", (), {}, []),
]
IDS = [f"{name}-{number}" for number, (name, *_) in enumerate(HOOKS)]


@pytest.fixture
def manager(tmp_path: Path) -> AstroAuthManager:
    """The auth manager with the policy of PEOPLE, as after `init`."""
    (tmp_path / "policy.yaml").write_text(HEAD + PEOPLE)
    start(tmp_path / "policy.yaml")
    return AstroAuthManager()


def test_before_init() -> None:
    """Without `init` there is no policy to answer from."""
    with pytest.raises(RuntimeError, match="has not been initialized"):
        AstroAuthManager().deserialize_user({"sub": "1"})


@pytest.mark.parametrize(("name", "args", "kwargs", "nothing"), HOOKS, ids=IDS)
def test_nobody_gets_nothing(
    manager: AstroAuthManager, engine: Engine, name: str, args: Any, kwargs: Any, nothing: Any
) -> None:
    """Whoever the policy does not name gets nothing from any hook, and neither does who is not signed in."""
    hook = getattr(manager, name)
    for user in (person(engine, "nobody"), None, SimpleNamespace(is_anonymous=True)):
        answer = hook(*args, user=user, **kwargs)
        assert answer == nothing
        assert type(answer) is type(nothing)


@pytest.mark.parametrize(("name", "args", "kwargs", "nothing"), HOOKS, ids=IDS)
def test_owner_gets_all(
    manager: AstroAuthManager, engine: Engine, name: str, args: Any, kwargs: Any, nothing: Any
) -> None:
    """The same questions are answered with something to an Organization Owner, where there is something."""
    answer = getattr(manager, name)(*args, user=person(engine, "olga", account_id=7), **kwargs)
    empty_here = {
        "get_authorized_connections",
        "get_authorized_variables",
        "get_authorized_assets",
        "get_authorized_pools",
    }
    if "team_name" not in dag_bundle_team_association_table.c:  # Airflow 3.1 has no use for teams
        empty_here.add("get_authorized_teams")
    assert bool(answer) or name in empty_here


@pytest.mark.parametrize(("name", "args", "kwargs", "nothing"), HOOKS, ids=IDS)
def test_no_hook_raises(
    manager: AstroAuthManager,
    engine: Engine,
    name: str,
    args: Any,
    kwargs: Any,
    nothing: Any,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """When the engine fails, every hook answers with nothing, and the failure is in the log."""

    def fail(*_: Any, **__: Any) -> None:
        raise RuntimeError("the engine is broken")

    for method in ("access", "check", "allowed_dags", "holds_anywhere"):
        monkeypatch.setattr(Engine, method, fail)
    assert getattr(manager, name)(*args, user=person(engine, "olga"), **kwargs) == nothing
    errors = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert errors
    assert all(record.getMessage().startswith("Denied, because ") for record in errors)
    assert "the engine is broken" in caplog.text


def test_database_that_does_not_answer(
    manager: AstroAuthManager, engine: Engine, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """When tags cannot be read, Dag roles give nothing, and Deployment-wide roles what they always give."""
    monkeypatch.setattr(dag_lookup, "read_dags", lambda *_, **__: 1 / 0)
    ask = {"method": "GET", "details": DagDetails(id="fin_daily")}
    assert manager.is_authorized_dag(user=person(engine, "vera"), **ask) is False
    assert "Denied, because is_authorized_dag failed" in caplog.text
    assert manager.is_authorized_dag(user=person(engine, "olga"), **ask) is True


@pytest.mark.parametrize("arguments", [{"team_name": "ops"}, {"something_new": 1}])
def test_newer_arguments(manager: AstroAuthManager, engine: Engine, arguments: dict[str, Any]) -> None:
    """What a newer Airflow tells besides, and teams above all, never changes an answer."""
    vera = person(engine, "vera")
    assert manager.get_authorized_dag_ids(user=vera, **arguments) == {"fin_daily", "fin_report"}
    assert manager.filter_authorized_dag_ids(dag_ids=set(DAGS), user=vera, **arguments) == {"fin_daily", "fin_report"}
    assert manager.is_authorized_view(access_view="WEBSITE", user=vera, **arguments)
    assert not manager.is_authorized_view(access_view="JOBS", user=vera, **arguments)


def test_old_question_about_backfills(manager: AstroAuthManager, engine: Engine) -> None:
    """The question that names no Dag is a list for GET, and for every Dag otherwise."""
    assert manager.is_authorized_backfill(method="GET", user=person(engine, "mix"))
    assert not manager.is_authorized_backfill(method="POST", user=person(engine, "mix"))
    assert manager.is_authorized_backfill(method="POST", user=person(engine, "olga"))


# -- custom views --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "resource", "allowed"),
    [
        ("olga", "Users", True),
        ("mel", "Users", False),
        ("olga", "Roles", False),
        ("olga", "Permissions", False),
        ("olga", "View Menus", False),
        ("nobody", "My Password", True),
        ("nobody", "My Profile", True),
        ("vera", "A plugin's page", False),
    ],
)
@pytest.mark.parametrize("method", ["GET", "PATCH", "MENU", "can_this_and_that"])
def test_custom_views(
    manager: AstroAuthManager, engine: Engine, name: str, resource: str, allowed: bool, method: str
) -> None:
    """Accounts are for who may change them, FAB's roles for nobody, other pages for customMenu.get."""
    ask = {"method": method, "resource_name": resource}
    assert manager.is_authorized_custom_view(user=person(engine, name), **ask) is allowed
    assert manager._is_authorized(method=method, resource_type=resource, user=person(engine, name)) is allowed


@pytest.mark.parametrize(
    ("name", "method", "request_method", "allowed"),
    [
        ("mel", "GET", "GET", True),
        ("mel", "MENU", "GET", True),
        ("mel", "can_this_and_that", "GET", True),
        ("mel", "can_this_and_that", "POST", False),
        ("mel", "GET", "POST", False),
        *(("mel", method, "GET", False) for method in ("POST", "PUT", "PATCH", "DELETE")),
        ("olga", "can_this_and_that", "POST", True),
        ("olga", "DELETE", "DELETE", True),
        ("vera", "GET", "GET", False),
    ],
)
def test_custom_views_by_method(
    manager: AstroAuthManager, engine: Engine, name: str, method: str, request_method: str, allowed: bool
) -> None:
    """To change something on a page of another plugin takes everything there is in the Deployment."""
    with serving(facts_of(f"{request_method} /pluginsv2/page")) as context:
        requested = {"method": method, "resource_name": "A plugin's page"}
        assert manager.is_authorized_custom_view(user=person(engine, name), **requested) is allowed
        assert bool(context.denial_reason) is (not allowed and (name, method, request_method) != ("vera", "GET", "GET"))


# -- FAB's own accounts --------------------------------------------------------------------------------------------


def fab_user(account_id: int) -> SimpleNamespace:
    return SimpleNamespace(id=account_id, is_anonymous=False)


def may_see(manager: AstroAuthManager, user: Any) -> bool:
    return manager.is_authorized_dag(method="GET", details=DagDetails(id="fin_daily"), user=user)


@pytest.mark.parametrize(
    ("anonymous", "active", "there"), [(False, True, True), (False, False, False), (True, True, False)]
)
def test_who_is_signed_in(
    anonymous: bool, active: bool, there: bool, manager: AstroAuthManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody is signed in who has an active account; a visitor is not, whatever FAB's public role is."""
    monkeypatch.setattr(manager, "get_user", lambda: SimpleNamespace(is_anonymous=anonymous, is_active=active))
    monkeypatch.setenv("AIRFLOW__FAB__AUTH_ROLE_PUBLIC", "Admin")
    assert manager.is_logged_in() is there


def test_fabs_accounts(manager: AstroAuthManager, accounts: Any) -> None:
    """FAB's pages bring FAB's account; it is the person whose e-mail it has."""
    assert may_see(manager, fab_user(accounts("vera", "Vera@Example.com")))
    assert not may_see(manager, fab_user(accounts("zoe", "zoe@example.com")))
    assert not may_see(manager, fab_user(999_999))


def test_tokens_name_accounts(manager: AstroAuthManager, accounts: Any) -> None:
    """A token says which account it is, and the account is read afresh, whatever else the token says."""
    account_id = accounts("vera", "vera@example.com")
    first, second = (manager.deserialize_user({"sub": str(account_id), "role": "Admin"}) for _ in range(2))
    assert isinstance(first, AstroIdentity)
    assert first is not second
    assert (first.get_id(), first.get_name(), first.subject) == (str(account_id), "vera", "vera@example.com")
    assert manager.serialize_user(first)["sub"] == str(account_id)


def test_tokens_of_no_account(manager: AstroAuthManager, accounts: Any) -> None:
    """A token of an account that is gone or not active is worth nothing."""
    idle = accounts("idle", "idle@example.com", active=False)
    for account_id in (idle, 999_999):
        with pytest.raises(ValueError, match="does not exist or is not active"):
            manager.deserialize_user({"sub": str(account_id)})
    assert not may_see(manager, fab_user(idle))


def test_tokens_from_before_the_end(manager: AstroAuthManager, accounts: Any, metadata_database: Any) -> None:
    """A token from before a change of the password, or of unknown age, is worth nothing; a newer one is."""
    account_id = accounts("vera", "vera@example.com")
    with metadata_database.begin() as connection:
        sign_ins.end_all(connection, account_id)
    end = sign_ins.tokens_valid_after(account_id)
    for token in ({"iat": end - 1}, {}):
        with pytest.raises(ValueError, match="is from before account"):
            manager.deserialize_user({"sub": str(account_id), **token})
    assert manager.deserialize_user({"sub": str(account_id), "iat": end}).email == "vera@example.com"
    assert may_see(manager, fab_user(account_id))


def test_groups_of_the_last_sign_in(manager: AstroAuthManager, accounts: Any) -> None:
    """The groups of the last sign-in count at each hook, for a token and on FAB's pages."""
    account_id = accounts("new", "new@example.com")
    assert not may_see(manager, fab_user(account_id))
    sign_ins.keep(account_id, "new@example.com", ["okta-finance"])
    identity = manager.deserialize_user({"sub": str(account_id)})
    assert identity.groups == {"okta-finance"}
    assert may_see(manager, identity)
    assert may_see(manager, fab_user(account_id))
    assert manager.get_authorized_dag_ids(user=identity) == {"fin_daily", "fin_report"}


def test_without_the_table(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, metadata_database: Any) -> None:
    """Without the plugin's table the server does not start, and says what makes it."""
    (tmp_path / "policy.yaml").write_text(HEAD + PEOPLE)
    monkeypatch.setenv("AIRFLOW__ASTRO_AUTH__POLICY_FILE", str(tmp_path / "policy.yaml"))
    monkeypatch.setenv("AIRFLOW__ASTRO_AUTH__DEPLOYMENT_ID", "dep")
    monkeypatch.setattr("astro_auth_plugin.startup.registration.is_installed", lambda: True)
    monkeypatch.setattr(settings, "engine", create_engine("sqlite://"))
    with pytest.raises(AirflowConfigException, match="run `airflow db migrate`"):
        AstroAuthManager().init()


def test_with_a_bad_table_of_routes(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """With a row of the routes that cannot be used the server does not start, and says which it is."""
    table = tmp_path / "routes.yaml"
    table.write_text("Dags:\n  GET /api/v2/dags: {needs: dagg.get, where: list}\n")
    monkeypatch.setattr(route_table, "_TABLE", table)
    monkeypatch.setattr(route_table, "table", route_table.table.__wrapped__)
    monkeypatch.setattr(route_rules, "rules", route_rules.rules.__wrapped__)
    with pytest.raises(
        AirflowConfigException, match=r"routes\.yaml: `GET /api/v2/dags`: unknown permission `dagg\.get`"
    ):
        AstroAuthManager().init()


def test_two_accounts_with_one_email(
    manager: AstroAuthManager, accounts: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """Two active accounts of one person hold nothing, neither of them, and the log names both."""
    first = accounts("olga", "olga@example.com")
    assert may_see(manager, fab_user(first))
    second = accounts("climber", "OLGA@example.com")
    assert not may_see(manager, fab_user(first))
    assert not may_see(manager, fab_user(second))
    assert f"Duplicate active accounts for one e-mail ({first}, {second})" in caplog.text


def test_one_identity_for_a_request(manager: AstroAuthManager, accounts: Any, statements: CountStatements) -> None:
    """FAB's account is looked up once in a request, and what was asked is remembered over all its questions."""
    user = fab_user(accounts("mix", "mix@example.com"))
    note_emails()
    with serving(facts_of("GET /somewhere")) as context, statements() as sent:
        manager.is_authorized_dag(method="GET", access_entity=DagAccessEntity.XCOM, user=user)
        assert manager.get_authorized_dag_ids(user=user) == {"ops_sync"}
        assert context.actor is context.identities[user.id]
    assert len(sent) == 2


def test_accounts_are_read_beside_the_event_loop(
    manager: AstroAuthManager, accounts: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The event loop does not wait for the account behind a JWT; one of nobody is answered with 401 all the same."""
    threads, read = [], IdentityCache.read_account
    monkeypatch.setattr(
        IdentityCache,
        "read_account",
        lambda *args: (threads.append(threading.current_thread()), read(*args))[1],
    )
    vera, idle = accounts("vera", "vera@example.com"), accounts("idle", "idle@example.com", active=False)
    tokens = {
        number: manager.generate_jwt(
            AstroIdentity(id=number, username="x", email="", subject="", engine=state.current().policy_store.engine())
        )
        for number in (vera, idle, 999_999)
    }
    assert asyncio.run(manager.get_user_from_token(tokens[vera])).email == "vera@example.com"
    for nobody in (idle, 999_999):
        with pytest.raises(HTTPException) as refused:
            asyncio.run(manager.get_user_from_token(tokens[nobody]))
        assert refused.value.status_code == 401
    assert len(threads) == 3
    assert threading.current_thread() not in threads


def test_a_new_policy_is_loaded_beside_the_event_loop(
    manager: AstroAuthManager, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While a new version of the policy is checked, the event loop serves others; who asks then waits for it."""
    store = state.current().policy_store
    before = store.engine()
    load = loader.load
    loading, go_on = threading.Event(), threading.Event()

    def slowly(*args: Any) -> Any:
        loading.set()
        assert go_on.wait(60)
        return load(*args)

    async def serve() -> list[Any]:
        waiting = [asyncio.create_task(manager.get_user_from_token("astroauth_unknown")) for _ in range(6)]
        assert await asyncio.to_thread(loading.wait, 10)
        assert store.has_changed()
        authenticator = state.current().authenticator
        while authenticator._load_threads.statistics().tasks_waiting < 2:  # noqa: ASYNC110 - anyio has no event
            await asyncio.sleep(0.01)
        # A look whether there is a new version does not wait for those that load it.
        assert authenticator._look_threads.borrowed_tokens == 0
        assert not any(requested.done() for requested in waiting)
        go_on.set()
        return await asyncio.gather(*waiting, return_exceptions=True)

    monkeypatch.setattr(loader, "load", slowly)
    (tmp_path / "policy.yaml").write_text(HEAD + PEOPLE + "  - email: more@example.com\n")
    found = asyncio.run(asyncio.wait_for(serve(), 50))
    assert [error.status_code for error in found] == [401] * 6
    assert not store.has_changed()
    assert store.engine() is not before


def test_a_mount_that_hangs_stops_nobody_else(
    manager: AstroAuthManager, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While the mount of the policy does not answer, credentials are refused with 503; loop and threads serve others."""
    stat, requested, answers = os.stat, threading.Event(), threading.Event()

    def hang(path: Any, *args: Any, **kwargs: Any) -> os.stat_result:
        if path == tmp_path / "policy.yaml":
            requested.set()
            assert answers.wait(60)
        return stat(path, *args, **kwargs)

    async def serve() -> list[Any]:
        waiting = [asyncio.create_task(manager.get_user_from_token("astroauth_unknown")) for _ in range(60)]
        assert await asyncio.to_thread(requested.wait, 30)
        threads = to_thread.current_default_thread_limiter()
        assert threads.borrowed_tokens == 0
        return await asyncio.gather(*waiting, return_exceptions=True)

    monkeypatch.setattr("astro_auth_plugin.authentication.authenticator.LOOK_SECONDS", 1)
    monkeypatch.setattr(os, "stat", hang)
    try:
        found = asyncio.run(asyncio.wait_for(serve(), 50))
    finally:
        answers.set()
    assert [error.status_code for error in found] == [503] * 60
