"""Shadow mode beside Airflow's simple auth manager, whose users have an e-mail for a name: what it finds, and that it
never changes an answer.
"""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.api_fastapi.auth.managers.models.resource_details import (
    AccessView,
    ConnectionDetails,
    DagAccessEntity,
    DagDetails,
)
from airflow.api_fastapi.auth.managers.simple.simple_auth_manager import SimpleAuthManager
from airflow.api_fastapi.auth.managers.simple.user import SimpleAuthManagerUser
from airflow.api_fastapi.common.types import MenuItem
from sqlalchemy import create_engine, event

from astro_auth_plugin.authorization import denials
from astro_auth_plugin.cli.main import main
from astro_auth_plugin.doctor import check_basics, check_shadow
from astro_auth_plugin.doctor.installation import Installation
from astro_auth_plugin.runtime import metrics, shadow_records
from astro_auth_plugin.runtime.shadow_records import Difference, Records, Seen
from astro_auth_plugin.shadow import comparing, middleware, observed
from astro_auth_plugin.shadow.comparing import Comparing, Found, Policy, compare
from astro_auth_plugin.shadow.middleware import ShadowMiddleware
from astro_auth_plugin.shadow.observed import HOOKS, Observed
from astro_auth_plugin.shadow.registration import shadow_middleware
from tests.dag_fixtures import PEOPLE
from tests.doctor.diagnostics import reported
from tests.in_request import HEAD

VERA = SimpleAuthManagerUser(username="vera@example.com", role="viewer")
OLGA = SimpleAuthManagerUser(username="olga@example.com", role="admin")
STRANGER = SimpleAuthManagerUser(username="stranger", role="viewer")
TOKENS = f"""\
api_tokens:
  - id: ci
    name: ci
    secret_sha256: {"ab" * 32}
    expires_at: "{datetime.now(UTC) + timedelta(days=1):%Y-%m-%dT%H:%M:%SZ}"
    roles: [{{role: DEPLOYMENT_ADMIN, entity_type: DEPLOYMENT, entity_id: dep}}]
"""
Ask = Callable[[Any], Any]
Serve = Callable[..., Any]


def about(dag_id: str | None) -> DagDetails:
    return DagDetails(id=dag_id)


def ask_everything(manager: Any, user: Any) -> list[Any]:
    """Every hook, most of them twice: what is answered."""
    on_dag = [{"method": "GET", "details": about(dag_id)} for dag_id in ("fin_daily", "ops_sync")]
    found = [
        manager.is_authorized_dag(method=method, access_entity=entity, details=about(dag_id), user=user)
        for dag_id in ("fin_daily", "ops_sync", "no_such_dag", None)
        for entity in (None, DagAccessEntity.RUN, DagAccessEntity.CODE)
        for method in ("GET", "POST", "PUT", "DELETE")
    ]
    for name in ("connection", "pool", "variable", "configuration", "asset", "asset_alias"):
        hook = getattr(manager, f"is_authorized_{name}")
        found += [hook(method=method, user=user) for method in ("GET", "POST", "DELETE")]
    found += [manager.is_authorized_view(access_view=view, user=user) for view in AccessView]
    found += [
        manager.is_authorized_custom_view(method="GET", resource_name="A page", user=user),
        manager.is_authorized_hitl_task(assigned_users={"vera@example.com"}, user=user),
        manager.batch_is_authorized_dag(on_dag, user=user),
        manager.batch_is_authorized_pool([{"method": "GET"}], user=user),
        manager.get_authorized_dag_ids(user=user),
        manager.filter_authorized_dag_ids(dag_ids={"fin_daily", "ops_sync"}, user=user),
        manager.filter_authorized_menu_items(list(MenuItem), user=user),
        manager.get_authorized_menu_items(user=user),
    ]
    return found


@pytest.fixture
def configured(dags: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The policy of PEOPLE as a file, shadow mode on, and no records."""
    path = tmp_path / "policy.yaml"
    path.write_text(HEAD + PEOPLE)
    monkeypatch.setenv("AIRFLOW__CORE__AUTH_MANAGER", f"{SimpleAuthManager.__module__}.SimpleAuthManager")
    monkeypatch.setenv("AIRFLOW__ASTRO_AUTH__SHADOW", "true")
    monkeypatch.setenv("AIRFLOW__ASTRO_AUTH__POLICY_FILE", str(path))
    monkeypatch.setenv("AIRFLOW__ASTRO_AUTH__DEPLOYMENT_ID", "dep")
    monkeypatch.setattr(comparing, "WRITE_SECONDS", 0.02)
    shadow_records.clear()
    yield path
    shadow_records.clear()


@pytest.fixture
def manager(configured: Path) -> SimpleAuthManager:
    """An auth manager that notes what it answers."""
    made = SimpleAuthManager()
    observed.observe(made)
    return made


@pytest.fixture
def noted(manager: SimpleAuthManager) -> Callable[..., Observed]:
    """A function that asks inside of a request, and returns the request."""

    def ask(questions: Ask, route: str = "GET /api/v2/dags", **scope: Any) -> Observed:
        method, path = route.split(" ")
        at = {"type": "http", "method": method, "path": path, "route": SimpleNamespace(path=path), "headers": []}
        request = Observed({**at, **scope}, None)
        token = observed.current.set(request)
        try:
            questions(manager)
        finally:
            observed.current.reset(token)
        return request

    return ask


@pytest.fixture
def compared(noted: Callable[..., Observed]) -> Callable[..., Records]:
    """A function that asks inside of a request, and returns what was found and written."""
    policy = Policy()

    def ask(questions: Ask, *words: str, **scope: Any) -> Records:
        found = Found()
        compare(noted(questions, *words, **scope), policy, found)
        found.write()
        return shadow_records.read()

    return ask


def found_in(records: Records) -> set[tuple[str, str, bool]]:
    return {(each.question, each.object, each.allowed) for each, _ in records.differences}


# -- what it finds -------------------------------------------------------------------------------------------------


def test_differences(compared: Callable[..., Records]) -> None:
    """What the policy answers otherwise is found, with user, question and object; what it answers alike is counted."""

    def ask(manager: Any) -> None:
        for dag_id in ("fin_daily", "ops_sync"):
            manager.is_authorized_dag(method="GET", details=about(dag_id), user=VERA)
            manager.is_authorized_dag(
                method="POST", access_entity=DagAccessEntity.RUN, details=about(dag_id), user=VERA
            )
        manager.is_authorized_connection(method="GET", details=ConnectionDetails(conn_id="c"), user=OLGA)

    records = compared(ask)
    assert [each for each, _ in records.differences] == [Difference("vera@example.com", "GET DAG", "ops_sync", True)]
    assert (records.compared.answers, records.failed.answers, records.left_out.answers) == (5, 0, 0)
    (_, seen), *_ = compared(ask).differences
    assert seen.answers == 2
    assert 0 < seen.first_at <= seen.last_at


def test_gained(compared: Callable[..., Records]) -> None:
    """A difference may be access that the policy gives and the auth manager does not."""
    viewer = SimpleAuthManagerUser(username="olga@example.com", role="viewer")
    records = compared(lambda manager: manager.is_authorized_variable(method="DELETE", user=viewer))
    assert found_in(records) == {("DELETE variable", "", False)}


def test_lists(compared: Callable[..., Records]) -> None:
    """A list has a difference for each Dag; the next one on the same route is read again a minute later."""
    records = compared(lambda manager: manager.get_authorized_dag_ids(user=VERA))
    lost = {("GET list of Dags", dag_id, True) for dag_id in ("untagged", "FIN_DAILY")}
    # Before Airflow 3.2 the Dag of a team is in the list, too.
    assert found_in(records) - {("GET list of Dags", "ops_sync", True)} == lost
    assert compared(lambda manager: manager.get_authorized_dag_ids(user=VERA)).compared.answers == 1
    assert compared(lambda manager: manager.get_authorized_dag_ids(user=OLGA)).compared.answers == 2
    assert found_in(compared(lambda manager: manager.get_authorized_dag_ids(user=VERA), "GET /ui/dags")) >= lost
    assert shadow_records.read().compared.answers == 3


def test_lists_are_narrowed(compared: Callable[..., Records]) -> None:
    """What a request has checked before narrows the policy's list, as without shadow mode."""

    def ask(manager: Any) -> None:
        art = SimpleAuthManagerUser(username="art@example.com", role="viewer")
        manager.is_authorized_dag(method="GET", access_entity=DagAccessEntity.CODE, details=about(None), user=art)
        manager.filter_authorized_dag_ids(dag_ids={"fin_daily", "ops_sync"}, user=art)

    assert found_in(compared(ask)) == {("GET list of Dags", "ops_sync", True)}


def test_menu_items(compared: Callable[..., Records]) -> None:
    """Menu items are compared one by one."""
    found = found_in(compared(lambda manager: manager.get_authorized_menu_items(user=STRANGER)))
    assert ("GET list of menu items", "DAGS", True) in found


def test_batch(compared: Callable[..., Records]) -> None:
    """A batch is one answer, with the item on which it depends, also where it is made of single checks."""
    items = [{"method": "GET", "details": about(dag_id)} for dag_id in ("fin_daily", "ops_sync")]
    records = compared(lambda manager: manager.batch_is_authorized_dag(items, user=VERA))
    assert found_in(records) == {("batch of GET dag", "ops_sync", True)}
    assert records.compared.answers == 1


def test_plugins(compared: Callable[..., Records]) -> None:
    """Every page asks for the list of plugins, in which users without the permission get this plugin's pages alone."""
    records = compared(
        lambda manager: manager.is_authorized_view(access_view=AccessView.PLUGINS, user=OLGA), "GET /api/v2/plugins"
    )
    assert (records.differences, records.compared.answers) == ((), 1)
    found = compared(lambda manager: manager.is_authorized_view(access_view=AccessView.PLUGINS, user=VERA))
    assert found_in(found) == {("view PLUGINS", "", True)}


@pytest.mark.parametrize("name", ["stranger", "token:ci", "nobody@example.com"])
def test_unknown_users(name: str, compared: Callable[..., Records], configured: Path) -> None:
    """Users whom the policy does not know have no roles, and no user is an API token by the name."""
    configured.write_text(HEAD + PEOPLE + TOKENS)
    user: Any = SimpleAuthManagerUser(username=name, role="viewer")
    # FAB takes any text for an e-mail.
    user.email = name
    records = compared(lambda manager: manager.is_authorized_dag(method="GET", details=about("fin_daily"), user=user))
    assert records.failed.answers == 0
    assert [each for each, _ in records.differences] == [Difference(name, "GET DAG", "fin_daily", True)]


def test_policy_changes(compared: Callable[..., Records], configured: Path) -> None:
    """A new version of the policy counts for the next answer."""

    def ask(manager: Any) -> None:
        manager.is_authorized_dag(method="GET", details=about("ops_sync"), user=VERA)

    assert len(compared(ask).differences) == 1
    configured.write_text(HEAD + PEOPLE.replace("tag: finance, role: DAG_VIEWER", "tag: ops, role: DAG_VIEWER"))
    shadow_records.clear()
    assert compared(ask).differences == ()


def test_no_side_effects(compared: Callable[..., Records], monkeypatch: pytest.MonkeyPatch) -> None:
    """A denial by the policy is no denial: it is not counted as one, and nothing is recorded of it."""
    counted: list[str] = []
    monkeypatch.setattr(metrics, "count", lambda name, **tags: counted.append((name, *tags.values())))
    monkeypatch.setattr(denials, "record", lambda *_: counted.append("recorded"))
    records = compared(lambda manager: ask_everything(manager, STRANGER))
    assert len(records.differences) > 10
    assert set(counted) == {("astro_auth.shadow_difference", "denies")}


# -- what it never does --------------------------------------------------------------------------------------------


def serve(app: Any, method: str = "GET", path: str = "/api/v2/dags", body: bytes = b"") -> list[Any]:
    """One request through the middleware; returns what was sent."""
    sent: list[Any] = []
    rest = [{"type": "http.request", "body": body[:5], "more_body": True}, {"type": "http.request", "body": body[5:]}]

    async def receive() -> Any:
        return rest.pop(0)

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {"type": "http", "method": method, "path": path, "headers": []}
    asyncio.run(app(scope, receive, send))
    return sent


@pytest.fixture
def application(configured: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[Ask], Any]:
    """A function that returns an ASGI application in shadow mode, which sends what it asks."""
    made = SimpleAuthManager()
    monkeypatch.setattr(middleware, "get_auth_manager", lambda: made)
    # Each application limits the lines of the log, and those of the tests before are none of its own.
    monkeypatch.setattr(comparing.log, "filters", [])

    def make(questions: Ask) -> ShadowMiddleware:
        async def app(scope: Any, receive: Any, send: Any) -> None:
            bodies = [await receive(), await receive()]
            await send((questions(made), b"".join(each["body"] for each in bodies)))

        return ShadowMiddleware(app)

    return make


def written(app: ShadowMiddleware) -> Records:
    """What is found, when all of it has been compared and written."""
    deadline = time.monotonic() + 60
    while not app._comparing.is_idle:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    return shadow_records.read()


@pytest.mark.parametrize("user", [VERA, OLGA, STRANGER], ids=lambda user: user.username)
@pytest.mark.parametrize("policy", [HEAD + PEOPLE, "no policy: {", ""], ids=["valid", "broken", "empty"])
def test_answers_stay(user: Any, policy: str, application: Callable[[Ask], Any], configured: Path) -> None:
    """Every hook answers what it answers without shadow mode, whatever the policy is."""
    configured.write_text(policy)
    alone = ask_everything(SimpleAuthManager(), user)
    app = application(lambda manager: ask_everything(manager, user))
    ((answered, _),) = serve(app)
    records = written(app)
    assert answered == alone
    assert [type(each) for each in answered] == [type(each) for each in alone]
    assert records.compared.answers + records.failed.answers >= len(answered)
    assert bool(records.failed.answers) == (policy != HEAD + PEOPLE)
    assert records.failed.answers == 0 or not records.differences


@pytest.mark.parametrize("part", ["_says", "_identity", "_context"])
def test_comparison_fails(
    part: str, application: Callable[[Ask], Any], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """An error in a comparison is counted, and the next request compared; its text may have values and is not logged."""

    def fail(*_: Any, **__: Any) -> None:
        raise ValueError("a value")

    app = application(lambda manager: ask_everything(manager, VERA))
    with monkeypatch.context() as patch:
        patch.setattr(comparing, part, fail)
        ((answered, _),) = serve(app)
        records = written(app)
    assert answered == ask_everything(SimpleAuthManager(), VERA)
    assert (records.differences, records.compared.answers, records.failed.answers) == ((), 0, len(answered))
    assert "ValueError" in caplog.text
    assert "a value" not in caplog.text
    serve(app)
    assert written(app).compared.answers


def test_note_fails(application: Callable[[Ask], Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor does an error in keeping an answer reach it."""
    monkeypatch.setattr(observed, "_asker", lambda user: 1 / 0)
    app = application(lambda manager: ask_everything(manager, VERA))
    ((answered, _),) = serve(app)
    assert answered == ask_everything(SimpleAuthManager(), VERA)
    assert written(app).left_out.answers == len(answered)


def test_hook_fails(manager: SimpleAuthManager, noted: Callable[..., Observed]) -> None:
    """What a hook raises is raised, and is no answer."""

    def ask(manager: Any) -> None:
        with pytest.raises(AttributeError):
            manager.is_authorized_dag(method="GET", details=about("x"), user=None)
        manager.is_authorized_dag(method="GET", details=about("x"), user=VERA)

    assert len(noted(ask).answers) == 1


def test_slow_comparison(application: Callable[[Ask], Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """Requests do not wait for a comparison; what does not fit into the queue is counted."""
    goes_on = threading.Event()

    def wait(*_: Any) -> tuple[Difference, ...]:
        if not goes_on.wait(30):
            goes_on.set()
        return ()

    monkeypatch.setattr(comparing, "_differences", wait)
    monkeypatch.setattr(comparing, "MOST_WAITING", 3)
    app = application(lambda manager: manager.is_authorized_pool(method="GET", user=VERA))
    assert [serve(app)[0][0] for _ in range(20)] == [True] * 20
    goes_on.set()
    records = written(app)
    assert records.compared.answers + records.left_out.answers == 20
    assert 3 <= records.compared.answers <= 5


def test_large_lists_that_wait(application: Callable[[Ask], Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """Lists of all Dags that wait have a limit in ids, and what does not fit is counted; one alone may have more."""
    goes_on = threading.Event()
    monkeypatch.setattr(comparing, "_differences", lambda *_: goes_on.wait(30) and ())
    monkeypatch.setattr(comparing, "MOST_IDS", 10)
    dag_ids = {f"dag{number}" for number in range(8)}
    app = application(lambda manager: manager.filter_authorized_dag_ids(dag_ids=dag_ids, user=OLGA))
    assert [serve(app)[0][0] for _ in range(5)] == [dag_ids] * 5
    goes_on.set()
    records = written(app)
    assert (records.compared.answers, records.left_out.answers) == (1, 4)
    assert serve(app)[0][0] == dag_ids
    assert written(app).compared.answers == 2


def test_characters_that_the_database_lacks(noted: Callable[..., Observed], metadata_database: Any) -> None:
    """A difference with such a character is written in others, and those after it are written, too."""

    def refuse(_connection: Any, _cursor: Any, _statement: str, parameters: Any, *_: Any) -> None:
        if not all(str(value).isascii() for value in parameters):
            raise ValueError("Incorrect string value")

    def ask(manager: Any) -> None:
        for dag_id in ("a\U0001f600", "\u00e9" * 300, "plain"):
            manager.is_authorized_dag(method="GET", details=about(dag_id), user=STRANGER)

    found = Found()
    compare(noted(ask), Policy(), found)
    event.listen(metadata_database, "before_cursor_execute", refuse)
    try:
        found.write()
    finally:
        event.remove(metadata_database, "before_cursor_execute", refuse)
    records = shadow_records.read()
    names = {each.object for each, _ in records.differences}
    assert names == {r"a\U0001f600", (r"\xe9" * 300)[:250], "plain"}
    assert (records.compared.answers, found.has_more) == (3, False)


def test_database_away(noted: Callable[..., Observed], monkeypatch: pytest.MonkeyPatch) -> None:
    """What cannot be written is kept until it can be."""
    now = 1000.0
    found = Found(lambda: now)
    compare(noted(lambda manager: manager.is_authorized_pool(method="GET", user=STRANGER)), Policy(), found)
    with monkeypatch.context() as away:
        away.setattr(shadow_records, "database_engine", lambda: create_engine("sqlite:////no/such/folder/airflow.db"))
        found.write()
    assert shadow_records.read() == Records()
    now += 60
    found.write()
    records = shadow_records.read()
    assert found_in(records) == {("GET pool", "", True)}
    assert records.compared.answers == 1


def test_database_away_for_dags(noted: Callable[..., Observed], monkeypatch: pytest.MonkeyPatch) -> None:
    """A Dag or a list that cannot be looked up is a failure, and no difference."""
    from astro_auth_plugin.runtime import database

    def ask(manager: Any) -> None:
        manager.is_authorized_dag(method="GET", details=about("fin_daily"), user=VERA)
        manager.get_authorized_dag_ids(user=VERA)

    request, policy, found = noted(ask), Policy(), Found()
    assert policy.engine() is not None
    away = create_engine("sqlite:////no/such/folder/airflow.db")
    with monkeypatch.context() as patched:
        patched.setattr(database.settings, "engine", away)
        patched.setattr(database.settings, "Session", None)
        compare(request, policy, found)
    found.write()
    records = shadow_records.read()
    assert records.differences == ()
    assert records.failed.answers == 2


def test_few_records(compared: Callable[..., Records], monkeypatch: pytest.MonkeyPatch, configured: Path) -> None:
    """There are only so many differences, of so many characters, and the rest are counted."""
    monkeypatch.setattr(shadow_records, "MAX_DIFFERENCES", 2)

    def ask(manager: Any) -> None:
        for number in range(5):
            manager.is_authorized_dag(method="GET", details=about(f"{number}\n" * 500), user=STRANGER)

    records = compared(ask)
    assert (len(records.differences), records.left_out.answers, records.compared.answers) == (2, 3, 5)
    assert all(len(each.object) == 250 and each.object.isprintable() for each, _ in records.differences)


def test_few_answers(noted: Callable[..., Observed]) -> None:
    """A request keeps only so many answers."""

    def ask(manager: Any) -> None:
        for _ in range(observed.MOST_ANSWERS + 7):
            manager.is_authorized_pool(method="GET", user=VERA)

    request = noted(ask)
    assert (len(request.answers), request.left_out) == (observed.MOST_ANSWERS, 7)


@pytest.mark.parametrize(
    ("method", "path", "body", "kept"),
    [
        ("POST", "/api/v2/backfills", b'{"dag_id": "x"}', b'{"dag_id": "x"}'),
        ("POST", "/api/v2/variables", b"x" * (middleware.LARGEST_BODY + 1), None),
        ("POST", "/auth/token", b'{"password": "secret"}', None),
        ("POST", "/api/v2/dags/x/dagRuns", b'{"conf": "secret"}', None),
    ],
)
def test_bodies(
    method: str, path: str, body: bytes, kept: bytes | None, application: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bodies come through as they are. Kept are those that a decision depends on, if they are small."""
    handed: list[Observed] = []
    monkeypatch.setattr(Comparing, "hand_over", lambda _, request: handed.append(request))
    app = application(lambda manager: manager.is_authorized_pool(method="GET", user=VERA))
    assert serve(app, method, path, body) == [(True, body)]
    (request,) = handed
    assert request.body == kept


def test_the_manager_stays(manager: SimpleAuthManager) -> None:
    """Only the checks of one object are observed: its class, and all else of it, are as they were."""
    assert type(manager) is SimpleAuthManager
    assert set(vars(manager)) - set(vars(SimpleAuthManager())) <= set(HOOKS)
    assert "is_authorized_dag" not in vars(SimpleAuthManager())
    assert {"is_authorized_dag", "get_authorized_dag_ids", "filter_authorized_menu_items"} <= set(HOOKS)


def test_installed_where_wanted(configured: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """There is a middleware where shadow mode is on and another auth manager decides, and nowhere else."""
    app = object()
    assert isinstance(shadow_middleware(app), ShadowMiddleware)
    monkeypatch.setenv("AIRFLOW__ASTRO_AUTH__SHADOW", "maybe")
    assert shadow_middleware(app) is app
    monkeypatch.setenv("AIRFLOW__ASTRO_AUTH__SHADOW", "")
    assert shadow_middleware(app) is app
    monkeypatch.setenv("AIRFLOW__ASTRO_AUTH__SHADOW", "true")
    monkeypatch.setenv("AIRFLOW__CORE__AUTH_MANAGER", "astro_auth_plugin.auth_manager.AstroAuthManager")
    assert shadow_middleware(app) is app


# -- what is said of it --------------------------------------------------------------------------------------------


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str]]:
    """A function that runs a command of shadow mode, and returns exit code and output."""

    def run_command(*words: str) -> tuple[int, str]:
        code: Any = 0
        try:
            main(["shadow", *words])
        except SystemExit as end:
            code = end.code
        return code, capsys.readouterr().out

    return run_command


def test_report(compared: Callable[..., Records], run: Callable[..., tuple[int, str]]) -> None:
    """The exit code says whether there are differences, and `reset` forgets them."""
    assert run("report") == (1, "No answer has been compared yet.\n")
    compared(lambda manager: manager.is_authorized_pool(method="GET", user=OLGA))
    code, out = run("report")
    assert code == 0
    assert "1 answer compared" in out
    compared(lambda manager: manager.is_authorized_dag(method="GET", details=about("a\x1b[31m"), user=STRANGER))
    code, out = run("report")
    assert code == 2
    assert "\x1b" not in out
    assert out.splitlines()[3].split()[:6] == ["stranger", "GET", "DAG", "a?[31m", "yes", "no"]
    assert "2 answers compared" in out.splitlines()[-1]
    code, out = run("report", "-o", "json")
    said = json.loads(out)
    assert (code, said["compared"], said["differences"][0]["user"]) == (2, 2, "stranger")
    assert run("reset") == (0, "1 difference deleted.\n")
    assert run("report")[0] == 1


def test_doctor(compared: Callable[..., Records], monkeypatch: pytest.MonkeyPatch) -> None:
    """The doctor says for how long there has been no difference."""

    def said() -> tuple[str, str]:
        ((verdict, text),) = reported(check_shadow.shadow_mode, Installation())
        return verdict, text

    assert said()[0] == "hint"
    now = int(time.time())
    shadow_records.add(shadow_records.COMPARED, Seen(40, now - 90_000, now))
    assert said() == (
        "ok",
        "shadow mode: 40 answers compared, the last one 0:00:00 ago; none different in 1 day, 1:00:00.",
    )
    shadow_records.add(Difference("a", "GET DAG", "x", True), Seen(2, now - 80_000, now - 3600))
    verdict, text = said()
    assert verdict == "hint"
    assert "1 different, see `airflow astro-auth shadow report`. None for the last 1:00:00" in text
    shadow_records.add(shadow_records.FAILED, Seen(3, now, now))
    *_, (verdict, text) = reported(check_shadow.shadow_mode, Installation())
    assert (verdict, text) == ("hint", "shadow mode: 3 answers could not be compared and 0 were left out.")
    ((verdict, text),) = reported(check_basics.auth_manager, Installation())
    assert (verdict, "which decides" in text) == ("hint", True)
    monkeypatch.setenv("AIRFLOW__CORE__AUTH_MANAGER", "astro_auth_plugin.auth_manager.AstroAuthManager")
    assert "has no effect" in said()[1]
    monkeypatch.setenv("AIRFLOW__ASTRO_AUTH__SHADOW", "maybe")
    assert said()[0] == "wrong"
    monkeypatch.setenv("AIRFLOW__ASTRO_AUTH__SHADOW", "false")
    assert reported(check_shadow.shadow_mode, Installation()) == []
