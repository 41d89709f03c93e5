"""What each person has in FAB and by a policy: every difference is listed, and nobody is missing."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from hypothesis import given, settings

from astro_auth_plugin.cli.importers import fab_report
from astro_auth_plugin.cli.importers.fab_differences import DEPLOYMENT, OTHER_DAGS, Change, Comparison, Row, compare
from astro_auth_plugin.cli.importers.fab_draft import draft_of
from astro_auth_plugin.cli.importers.fab_questions import Pair, Person
from astro_auth_plugin.cli.importers.fab_roles import Account, Tables
from astro_auth_plugin.rbac.engine.engine import Engine
from astro_auth_plugin.rbac.model.permissions import mask, names
from astro_auth_plugin.rbac.model.scopes import Dag
from astro_auth_plugin.rbac.policy import loader
from tests.cli.importers.test_fab_draft import (
    ALL_PAIRS,
    DAGS,
    IDS,
    STOCK,
    WITHOUT_DAGS,
    about_dags,
    about_the_rest,
    engine_of,
    tables,
    tables_of_fab,
)

POLICY = """\
version: 1
organization_id: org
workspaces: [{id: ws}]
deployments: [{id: dep, workspace_id: ws}]
teams:
  - {name: finance, members: [p0@example.com, p1@example.com, new@example.com], idp_groups: [fin], dag_roles: [
      {deployment_id: dep, tag: finance, role: DAG_AUTHOR}, {deployment_id: dep, dag_id: b, role: DAG_VIEWER}]}
users:
  - {email: p2@example.com, workspace_roles: [{workspace_id: ws, role: WORKSPACE_AUTHOR}]}
"""
TAGGED = [Dag("a", frozenset({"finance"})), Dag("b", frozenset()), Dag("other", frozenset())]


def engine_of_text(text: str = POLICY) -> Engine:
    found = loader.load(text.encode())
    assert found.policy is not None, found.errors
    return Engine(found.policy, "dep", datetime.now(UTC))


def listed(changes: tuple[Change, ...]) -> set[tuple[str, str]]:
    return {(change.permission, place) for change in changes for place in change.places}


def row_of(found: Comparison, subject: str) -> Row:
    (row,) = [row for row in found.rows if row.subject == subject]
    return row


def different(engine: Engine, email: str, pairs: frozenset[Pair]) -> Iterator[tuple[str, bool, bool]]:
    from airflow.providers.fab.auth_manager.fab_auth_manager import FabAuthManager

    user: Any = Person(pairs)
    yield from about_dags(engine, FabAuthManager(), email, user)
    yield from about_the_rest(engine, FabAuthManager(), email, user)


@settings(max_examples=30, deadline=None)
@given(tables_of_fab)
def test_nothing_is_listed_exactly_if_nothing_differs(found: Tables) -> None:
    """A person without losses keeps every answer of FAB, and one without gains gets no other one."""
    engine = engine_of(draft_of(found, IDS))
    rows = compare(found, engine, TAGGED)
    for account in found.accounts:
        row = row_of(rows, account.email)
        pairs = frozenset[Pair]().union(*(found.roles[role] for role in account.roles))
        answers = list(different(engine, account.email, pairs))
        assert any(fab and not here for _, here, fab in answers) == bool(row.losses)
        assert any(here and not fab for _, here, fab in answers) <= bool(row.gains)


def test_nobody_disappears() -> None:
    """Every account has a row with the reason why the policy gives it nothing, and so has who is in the policy alone."""
    accounts = (
        Account(1, "p0@example.com", True, frozenset({"Viewer"})),
        Account(2, "off@example.com", False, frozenset({"Op"})),
        Account(3, "admin", True, frozenset({"Op"})),
        Account(4, "none@example.com", True, frozenset()),
        Account(5, "p1@example.com", True, frozenset({"Viewer"})),
        Account(6, "P1@example.com", True, frozenset({"Op"})),
    )
    found = compare(Tables(STOCK, ALL_PAIRS, accounts), engine_of_text(), TAGGED)
    assert [(row.account, row.note, bool(row.fab), bool(row.policy)) for row in found.rows] == [
        (3, "invalid e-mail address", True, False),
        (4, "it has no role", False, False),
        (2, "it is not active", False, False),
        (1, "", True, True),
        (5, "duplicate accounts for one e-mail, access is denied for all", True, False),
        (6, "duplicate accounts for one e-mail, access is denied for all", True, False),
        (None, "no account in FAB", False, True),
        (None, "no account in FAB", False, True),
    ]
    assert [row.subject for row in found.rows][-2:] == ["p2@example.com", "new@example.com"]
    assert found.groups == ("fin",)


def test_by_dag() -> None:
    """What is lost on some Dags and kept on others is listed with the Dags."""
    pairs = WITHOUT_DAGS | {
        ("can_read", "DAG:a"),
        ("can_read", "DAG:c"),
        ("can_edit", "DAG:c"),
        ("can_read", "My View"),
    }
    row = row_of(compare(tables({"team": pairs}, p0="team"), engine_of_text(), TAGGED), "p0@example.com")
    assert row.fab["dag.get"] == ("a", "c")
    assert row.policy["dag.get"] == ("a", "b")
    losses, gains = listed(row.losses), listed(row.gains)
    assert {place for permission, place in losses if permission == "dag.get"} == {"c"}
    assert {place for permission, place in gains if permission == "dag.get"} == {"b"}
    assert {place for permission, place in gains if permission == "dagRun.create"} == {"a"}
    assert {place for permission, place in losses if permission == "pool.get"} == {DEPLOYMENT}
    assert row.lost_pages == (("can_read", "My View"),)


def test_in_part() -> None:
    """Of a permission that FAB gives in part, the questions are named that the policy adds."""
    pairs = (WITHOUT_DAGS | {("can_read", "DAG:a")}) - {("can_read", "DAG Versions")}
    found = tables({"team": pairs}, ana="team")
    (row,) = compare(found, engine_of(draft_of(found, IDS)), TAGGED).rows
    assert row.gains == (Change("dag.get", ("GET VERSION",), ("a",)),)


def test_whole_deployment_to_some_dags() -> None:
    """Who saw all Dags and has a tag now loses all others, those to come included."""
    row = row_of(compare(tables(STOCK, p0="Viewer"), engine_of_text(), TAGGED), "p0@example.com")
    places = {place for permission, place in listed(row.losses) if permission == "dag.get"}
    assert places == {"other", OTHER_DAGS}


def test_what_fab_does_not_know() -> None:
    """Pages of plugins and this plugin's own are a gain, but not for who has everything in FAB."""
    author = engine_of_text()
    gained = row_of(compare(tables(STOCK, p2="Viewer"), author, ()), "p2@example.com").gains
    assert {("customMenu.get", DEPLOYMENT), ("astronomer.get", DEPLOYMENT)} <= listed(gained)
    admin = {"Admin": STOCK["Admin"] | ALL_PAIRS}
    row = row_of(compare(tables(admin, p2="Admin"), author, ()), "p2@example.com")
    assert not {permission for permission, _ in listed(row.gains)} & {"customMenu.get", "astronomer.get"}
    assert set(names(mask("connection.create"))) <= {permission for permission, _ in listed(row.losses)}
    assert ("can_create", "Users") in row.lost_pages


def test_table(capsys: Any) -> None:
    """A row has the person, FAB's roles, both sides in some words, and what is lost and gained on which Dags."""
    pairs = WITHOUT_DAGS | {("can_read", "DAG:a"), ("can_read", "DAG:c")}
    account = Account(1, "p0@example.com", True, frozenset({"te|am"}))
    found = compare(Tables({"te|am": pairs}, ALL_PAIRS, (account,)), engine_of_text(), TAGGED)
    fab_report.print_comparison(found)
    head, _, line, *_ = capsys.readouterr().out.strip().splitlines()
    assert head.split()[:3] == ["Person", "Roles", "in"]
    assert "see a, c; change" in line
    assert "see a, b; run, change, delete a" in line
    assert "on c" in line
    text = fab_report.markdown(found, "x|`y")
    assert "| `p0@example.com` | `te\\|am` | see `a`, `c`; change " in text
    assert text.startswith("### FAB today and `` x|`y ``: of 4 rows 1 with losses, 4 with gains. Not counted: members")


def test_where() -> None:
    """All Dags are called so, and so are all but some."""
    assert len(DAGS) == 3
    found = compare(tables(STOCK, p0="Viewer"), engine_of_text(), TAGGED)
    line = next(line for line in fab_report.markdown(found, "p").splitlines() if "p0@example" in line)
    assert "| see all Dags | see `a`, `b`; run, change, delete `a` |" in line
    assert "dag.get" in line.split(" | ")[4]
    assert "on all Dags but `a`, `b`" in line.split(" | ")[4]
