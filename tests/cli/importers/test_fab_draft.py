"""`import fab`: what FAB gave, told as a policy, and never more than that."""

from __future__ import annotations

import re
import subprocess
import sys
from argparse import Namespace
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import airflow
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from astro_auth_plugin.authorization.action_map import DAG_ENTITIES, OBJECTS, VIEWS
from astro_auth_plugin.cli.importers import commands, fab_roles
from astro_auth_plugin.cli.importers.fab_draft import Ids, draft_of
from astro_auth_plugin.cli.importers.fab_questions import NEVER_CHECKED, Pair
from astro_auth_plugin.cli.importers.fab_questions import Person as Holder
from astro_auth_plugin.cli.importers.fab_roles import Account, Tables
from astro_auth_plugin.cli.importers.policy_draft import Draft, render
from astro_auth_plugin.rbac.engine.engine import Engine
from astro_auth_plugin.rbac.model.permissions import EVERYTHING, mask, names
from astro_auth_plugin.rbac.model.scopes import Dag
from astro_auth_plugin.rbac.model.subjects import user_subject
from astro_auth_plugin.rbac.policy import loader

IDS = Ids("org", "ws", "dep")
DAGS = ("a", "b", "c")


def stock_roles() -> dict[str, frozenset[Pair]]:
    from airflow.providers.fab.auth_manager.security_manager.override import FabAirflowSecurityManagerOverride

    return {role["role"]: frozenset(role["perms"]) for role in FabAirflowSecurityManagerOverride.ROLE_CONFIGS}


STOCK = stock_roles()
ALL_PAIRS = STOCK["Admin"] | {("can_read", "My View"), ("can_create", "Users"), ("can_create", "HITL Detail")}
ON_DAGS = sorted(
    {(f"can_{verb}", f"DAG:{dag_id}") for verb in ("read", "edit", "delete") for dag_id in DAGS}
    | {(f"can_{verb}", f"DAG Run:{dag_id}") for verb in ("read", "create", "delete") for dag_id in DAGS}
)
WITHOUT_DAGS = frozenset(pair for pair in STOCK["User"] if pair[1] != "DAGs")


def tables(roles: dict[str, frozenset[Pair]], **people: str) -> Tables:
    """FAB's tables with these roles; each person is name="role|role"."""
    accounts = [
        Account(number, f"{name}@example.com", True, frozenset(held.split("|")))
        for number, (name, held) in enumerate(people.items(), 1)
    ]
    return Tables(roles, ALL_PAIRS, tuple(accounts))


def engine_of(draft: Draft) -> Engine:
    found = loader.load(render(draft).encode())
    assert found.policy is not None, found.errors
    return Engine(found.policy, "dep", datetime.now(UTC))


def deployment_wide(engine: Engine, email: str) -> set[str]:
    return set(names(engine.access(user_subject(email)).deployment_wide))


# -- never more ----------------------------------------------------------------------------------------------------


def more_than_fab(engine: Engine, email: str, user: Any) -> list[str]:
    """Return every question of Airflow to which the policy says yes about somebody, and FAB's own auth manager no."""
    from airflow.providers.fab.auth_manager.fab_auth_manager import FabAuthManager

    requested = [
        *about_dags(engine, FabAuthManager(), email, user),
        *about_the_rest(engine, FabAuthManager(), email, user),
    ]
    return [question for question, here, in_fab in requested if here and not in_fab]


def about_dags(engine: Engine, fab: Any, email: str, user: Any) -> Iterator[tuple[str, bool, bool]]:
    """Yield every question about Dags, with what the policy and what FAB says."""
    from airflow.api_fastapi.auth.managers.models.resource_details import DagAccessEntity, DagDetails

    for dag in (Dag(dag_id, frozenset()) for dag_id in (*DAGS, "other")):
        for entity, row in DAG_ENTITIES.items():
            question: Any = {
                "access_entity": DagAccessEntity[entity] if entity else None,
                "details": DagDetails(id=dag.id),
            }
            for method, needed in row.items():
                if (entity, method) not in NEVER_CHECKED:
                    here = engine.check(user_subject(email), needed, dag).allowed
                    yield (
                        f"{dag.id} {entity} {method}",
                        here,
                        fab.is_authorized_dag(method=method, user=user, **question),
                    )
        here = engine.check(user_subject(email), mask("datasets.get"), dag).allowed
        yield f"{dag.id} asset", here, fab.is_authorized_asset(method="GET", user=user)


def about_the_rest(engine: Engine, fab: Any, email: str, user: Any) -> Iterator[tuple[str, bool, bool]]:
    """Yield every other question, with what the policy and what FAB says."""
    from airflow.api_fastapi.auth.managers.models.resource_details import AccessView

    for name, row in OBJECTS.items():
        for method, needed in row.items():
            if (name, method) not in NEVER_CHECKED:
                here = engine.check(user_subject(email), needed).allowed
                yield f"{name} {method}", here, getattr(fab, f"is_authorized_{name}")(method=method, user=user)
    for view, alternatives in VIEWS.items():
        if view in AccessView.__members__:
            here = any(engine.check(user_subject(email), each).allowed for each in alternatives)
            yield view, here, fab.is_authorized_view(access_view=AccessView[view], user=user)


pairs_of_a_role = st.builds(
    lambda base, less, more, dags: frozenset((base - less) | more | dags),
    st.sampled_from([frozenset(), WITHOUT_DAGS, *STOCK.values()]),
    st.frozensets(st.sampled_from(sorted(ALL_PAIRS)), max_size=4),
    st.frozensets(st.sampled_from(sorted(ALL_PAIRS)), max_size=4),
    st.frozensets(st.sampled_from(ON_DAGS), max_size=5),
)
tables_of_fab = st.lists(pairs_of_a_role, min_size=3, max_size=3).flatmap(
    lambda roles: st.builds(
        lambda held: Tables(
            {f"r{number}": pairs for number, pairs in enumerate(roles)},
            ALL_PAIRS.union(*roles),
            tuple(Account(number, f"p{number}@example.com", True, of) for number, of in enumerate(held)),
        ),
        st.lists(st.frozensets(st.sampled_from(["r0", "r1", "r2"]), min_size=1), min_size=1, max_size=4),
    )
)


@settings(max_examples=80, deadline=None)
@given(tables_of_fab)
def test_never_more(found: Tables) -> None:
    """Whatever FAB's roles hold and whoever holds them, an exact policy says yes to nothing that FAB says no to."""
    engine = engine_of(draft_of(found, IDS, exact=True))
    for account in found.accounts:
        pairs = frozenset[Pair]().union(*(found.roles[role] for role in account.roles))
        assert more_than_fab(engine, account.email, Holder(pairs)) == []
        held = deployment_wide(engine, account.email)
        if "customMenu.get" in held or "astronomer.get" in held:
            assert {pair for pair in found.pairs if not pair[1].startswith(("DAG:", "DAG Run:"))} <= pairs
        assert "adminMenu.get" not in held or ("menu_access", "Admin") in pairs
        assert "browseMenu.get" not in held or ("menu_access", "Browse") in pairs


def without_dag(question: str) -> str:
    first, _, rest = question.partition(" ")
    return rest if first in (*DAGS, "other") else question


HARMLESS = {"TASK GET", "VERSION GET", "WARNING GET", "HITL_DETAIL GET", "HITL_DETAIL PUT", "asset_alias GET"} | {
    *("WEBSITE", "DOCS")
}


@settings(max_examples=40, deadline=None)
@given(tables_of_fab)
def test_rounded_up(found: Tables) -> None:
    """Without `exact` the policy says yes besides only to questions that are rounded up, and each is listed."""
    draft = draft_of(found, IDS)
    engine = engine_of(draft)
    for account in found.accounts:
        pairs = frozenset[Pair]().union(*(found.roles[role] for role in account.roles))
        more = {without_dag(each) for each in more_than_fab(engine, account.email, Holder(pairs))}
        assert more <= HARMLESS
        assert not more or draft.rounded


def test_airflow_2_roles() -> None:
    """A role made for Airflow 2 keeps what it could do: the words that it never had are rounded up and listed."""
    new = {"DAG Versions", "DAG Warnings", "HITL Detail", "Documentation", "Website", "Asset Aliases"}
    old = frozenset(pair for pair in STOCK["User"] if pair[1] not in new)
    roles = {"analyst": old, "guest": frozenset({("can_read", "Jobs")})}
    draft = draft_of(tables(roles, ana="analyst", bo="guest"), IDS)
    assert deployment_wide(engine_of(draft), "ana@example.com") == set(f"{VIEWER} {USER}".split())
    assert draft.rounded == [
        "dag.get of `analyst`, although FAB gives no `can_read on DAG Versions`, `can_read on DAG Warnings`",
        "datasets.get of `analyst`, although FAB gives no `can_read on Asset Aliases`",
        "docs.get of `analyst`, `guest`, although FAB gives no `menu_access on Documentation`",
        "taskInstance.get of `analyst`, although FAB gives no `can_read on HITL Detail`",
        "taskInstance.update of `analyst`, although FAB gives no `can_edit on HITL Detail`",
        "website.get of `analyst`, `guest`, although FAB gives no `can_read on Website`",
    ]
    exact = engine_of(draft_of(tables({"analyst": old}, ana="analyst"), IDS, exact=True))
    assert not deployment_wide(exact, "ana@example.com") & {"dag.get", "taskInstance.get", "website.get"}


def test_nothing_is_not_rounded_up() -> None:
    """Whoever FAB gives nothing gets nothing, not even the page."""
    roles = {"none": frozenset({("menu_access", "Browse Nothing"), ("can_read", "DAG Versions")})}
    draft = draft_of(tables(roles, ana="none"), IDS)
    assert (draft.lists["teams"], draft.rounded) == ([], [])


def test_questions_that_nobody_asks() -> None:
    """No route of Airflow asks what is left out of the comparison."""
    text = "\n".join(
        file.read_text(encoding="utf-8") for file in (Path(airflow.__file__).parent / "api_fastapi").rglob("*.py")
    )
    assert set(re.findall(r'requires_access_asset_alias\(method="(\w+)"', text)) == {"GET"}
    assert ("PUT" in re.findall(r'requires_access_asset\(method="(\w+)"', text)) is (
        ("asset", "PUT") not in NEVER_CHECKED
    )
    requested = re.findall(r'requires_access_dag\(\s*(?:method=)?"(\w+)"(?:,\s*(?:access_entity=)?([\w.]*))?', text)
    assert ("GET", "DagAccessEntity.RUN") in requested
    assert ("POST", "") not in requested
    assert ("POST", "DagAccessEntity.HITL_DETAIL") not in requested
    assert {name for name, _ in NEVER_CHECKED} - {"asset"} == {"", "HITL_DETAIL", "asset_alias"}


# -- what becomes of the roles -------------------------------------------------------------------------------------

VIEWER = """browseMenu.get clusterActivity.get dag.get dagCode.get dagDependencies.get dagRun.get datasets.get docs.get
importError.get job.get pool.get slaMiss.get taskInstance.get taskLog.get website.get xcom.get"""
USER = """dag.update dag.delete dagRun.create dagRun.update dagRun.delete taskInstance.create taskInstance.update
taskInstance.delete datasets.create"""
OP = """adminMenu.get config.get connection.get connection.create connection.update connection.delete plugin.get pool.create
pool.update pool.delete provider.get variable.get variable.create variable.update variable.delete datasets.update
datasets.delete xcom.create xcom.update xcom.delete"""


def test_stock_roles() -> None:
    """FAB's own roles become what they gave: Viewer, User and Op custom roles, Admin the Deployment Admin."""
    roles = {**STOCK, "Admin": STOCK["Admin"] | ALL_PAIRS}
    draft = draft_of(tables(roles, vi="Viewer", us="User", op="Op", ad="Admin", pu="Public"), IDS)
    engine = engine_of(draft)
    assert deployment_wide(engine, "vi@example.com") == set(VIEWER.split())
    assert deployment_wide(engine, "us@example.com") == set((VIEWER + " " + USER).split())
    # Airflow asks nothing about changing an asset before 3.3, so FAB had nothing to say about it.
    unasked = {"datasets.update"} if ("asset", "PUT") in NEVER_CHECKED else set()
    assert deployment_wide(engine, "op@example.com") == set(f"{VIEWER} {USER} {OP}".split()) - unasked
    assert engine.access(user_subject("ad@example.com")).deployment_wide == EVERYTHING
    assert deployment_wide(engine, "pu@example.com") == set()
    assert [team.values["name"] for team in draft.lists["teams"]] == ["Admin", "Op", "User", "Viewer"]
    (admin, *_) = draft.lists["teams"]
    assert admin.values["deployment_roles"] == [{"deployment_id": "dep", "role": "DEPLOYMENT_ADMIN"}]
    assert "role `Public`: it has no permissions in FAB" in draft.left_out


def test_nearest_role_is_told() -> None:
    """Beside each custom role stands how the nearest of Astro's roles differs."""
    draft = draft_of(tables(STOCK, vi="Viewer", us="User", op="Op"), IDS)
    remarks = {entry.values["name"]: entry.remarks[0] for entry in draft.lists["roles"]}
    assert remarks["User"] == (
        "The nearest of Astro's roles is WORKSPACE_AUTHOR: it would also give adminMenu.get "
        "astronomer.get connection.get customMenu.get plugin.get provider.get taskReschedule.get variable.get."
    )
    assert remarks["Viewer"] == (
        "The nearest of Astro's roles is WORKSPACE_MEMBER: it would also give astronomer.get "
        "customMenu.get taskReschedule.get, and it would not give pool.get xcom.get."
    )
    assert "The nearest of Astro's roles is WORKSPACE_OPERATOR: it would also give" in remarks["Op"]


@pytest.mark.parametrize("less", [("can_create", "Users"), ("can_read", "My View"), ("can_read", "Audit Logs")])
def test_admin_with_less(less: Pair) -> None:
    """Who lacks anything that FAB has, a page of a plugin or the accounts included, is no Deployment Admin."""
    draft = draft_of(tables({"Admin": (STOCK["Admin"] | ALL_PAIRS) - {less}}, ad="Admin"), IDS)
    (team,) = draft.lists["teams"]
    assert team.values["deployment_roles"] == [{"deployment_id": "dep", "role": "Admin"}]
    assert not deployment_wide(engine_of(draft), "ad@example.com") & {"customMenu.get", "astronomer.get"}


def test_single_dags() -> None:
    """What a role has on single Dags becomes grants on their ids, and counts only there."""
    roles = {"team": WITHOUT_DAGS | {("can_read", "DAG:a"), ("can_edit", "DAG:a"), ("can_read", "DAG:b")}}
    draft = draft_of(tables(roles, ana="team"), IDS)
    engine = engine_of(draft)
    trigger, see = mask("dagRun.create"), mask("dag.get", "taskLog.get", "xcom.get")
    allowed = {
        dag_id: (
            engine.check("ana@example.com", trigger, Dag(dag_id, frozenset())).allowed,
            engine.check("ana@example.com", see, Dag(dag_id, frozenset())).allowed,
        )
        for dag_id in DAGS
    }
    assert allowed == {"a": (True, True), "b": (False, True), "c": (False, False)}
    assert [grant["dag_id"] for grant in draft.lists["teams"][0].values["dag_roles"]] == ["a", "b"]


def test_runs_of_one_dag() -> None:
    """FAB's older resources of the runs of one Dag count for that Dag, with the edit of it that FAB asks besides."""
    without_runs = frozenset(pair for pair in WITHOUT_DAGS if pair != ("can_create", "DAG Runs"))
    on_a = {("can_read", "DAG:a"), ("can_edit", "DAG:a"), ("can_read", "DAG:b")}
    runs = {("can_create", "DAG Run:a"), ("can_create", "DAG Run:b")}
    engine = engine_of(draft_of(tables({"team": without_runs | on_a | runs}, ana="team"), IDS))
    checks = [engine.check("ana@example.com", mask("dagRun.create"), Dag(each, frozenset())).allowed for each in DAGS]
    assert checks == [True, False, False]


@pytest.mark.parametrize("less", [("can_read", "Website"), ("menu_access", "Documentation")])
def test_dag_roles_open_the_page(less: Pair) -> None:
    """Every Dag role opens Airflow's pages, so with `exact` who could not open them in FAB gets none, and that is listed."""
    roles = {"team": (WITHOUT_DAGS | {("can_read", "DAG:a")}) - {less}}
    draft = draft_of(tables(roles, ana="team"), IDS, exact=True)
    assert more_than_fab(engine_of(draft), "ana@example.com", SimpleNamespace(perms=roles["team"])) == []
    assert "dag_roles" not in draft.lists["teams"][0].values
    assert (
        f"role `team`: what it has on the Dags `a`, since FAB's role lacks `{less[0]} on {less[1]}`, which is "
        "needed to see a Dag"
    ) in draft.left_out


def test_roles_that_need_each_other() -> None:
    """FAB looks at all roles of somebody together: what two give only together is given as one Team."""
    roles = {
        "base": WITHOUT_DAGS,
        "team": frozenset({("can_read", "DAG:a"), ("can_edit", "DAG:a")}),
        "Viewer": STOCK["Viewer"],
    }
    draft = draft_of(tables(roles, ana="base|team", bo="team", cy="base|Viewer"), IDS, exact=True)
    engine = engine_of(draft)
    see_a = {
        name: engine.check(f"{name}@example.com", mask("dag.get"), Dag("a", frozenset())).allowed
        for name in ("ana", "bo", "cy")
    }
    assert see_a == {"ana": True, "bo": False, "cy": True}
    members = {entry.values["name"]: entry.values["members"] for entry in draft.lists["teams"]}
    assert members["base + team"] == ["ana@example.com"]
    lost = [line for line in draft.left_out if line.startswith("role `team`")]
    assert len(lost) == 1
    assert "what it has on the Dags `a`, since FAB's role lacks `can_read on DAG Versions`" in lost[0]


def test_what_cannot_be_expressed() -> None:
    """What FAB gave and a policy cannot say is listed, with what was missing of a permission that is there in part."""
    roles = {
        "odd": (STOCK["Viewer"] - {("can_read", "DAG Versions")}) | {("can_read", "My View"), ("can_edit", "Users")}
    }
    draft = draft_of(tables(roles, ana="odd"), IDS, exact=True)
    assert draft.left_out == [
        "role `odd`: dag.get, since FAB's role lacks `can_read on DAG Versions`",
        "role `odd`: a policy has no equivalent of `can_edit on Users`, `can_read on My View`",
    ]


def test_names() -> None:
    """A role of FAB that is named like a built-in one, or like what is made of others, gets a name of its own."""
    viewer = STOCK["Viewer"]
    roles = {
        "DEPLOYMENT_ADMIN": viewer,
        "base": WITHOUT_DAGS,
        "team": frozenset({("can_read", "DAG:a")}),
        "base + team": viewer,
    }
    draft = draft_of(tables(roles, ana="DEPLOYMENT_ADMIN", bo="base|team", cy="base + team"), IDS)
    engine = engine_of(draft)
    names_of_teams = [entry.values["name"] for entry in draft.lists["teams"]]
    assert names_of_teams == ["DEPLOYMENT_ADMIN (2)", "base + team", "base + team (2)"]
    assert deployment_wide(engine, "ana@example.com") == set(VIEWER.split())


OBJECTS_OF_DAG = "dag, dagCode, dagDependencies, dagRun, datasets, importError, taskInstance, taskLog, xcom"


def test_names_read_well() -> None:
    """A role on single Dags is named by what it is for and made once; of many roles a name has the first two."""
    on_a = {("can_read", "DAG:a"), ("can_edit", "DAG:a")}
    roles = {
        "base": WITHOUT_DAGS,
        "team_a": frozenset(on_a),
        "team_b": frozenset({("can_read", "DAG:b"), ("can_edit", "DAG:b"), ("can_read", "DAG:c")}),
        "team_c": frozenset({(f"can_{verb}", "DAG:c") for verb in ("read", "edit", "delete")}),
        "editor": frozenset(on_a),
    }
    draft = draft_of(tables(roles, ana="base|team_a", bo="base|team_b|team_c", cy="editor"), IDS)
    teams = {entry.values["name"]: entry.values for entry in draft.lists["teams"]}
    assert list(teams) == ["base + team_a", "base + team_b + 1 more", "editor"]
    assert teams["base + team_b + 1 more"]["members"] == ["bo@example.com"]
    assert {entry.values["name"]: entry.values["description"] for entry in draft.lists["roles"]} == {
        "base + team_a": "What FAB's roles base, team_a gave together on all Dags and in the Deployment",
        "base + team_b + 1 more": "What FAB's roles base, team_b, team_c gave together on all Dags and in the Deployment",
        "FAB Dag Runner": f"See, run and change, as far as FAB allowed: {OBJECTS_OF_DAG}",
        "FAB Dag Author": f"See, run, change and delete, as far as FAB allowed: {OBJECTS_OF_DAG}",
        "FAB Dag Editor": "See and change, but not run, as far as FAB allowed: dag",
    }
    granted = [grant["role"] for team in teams.values() for grant in team["dag_roles"]]
    assert granted == ["FAB Dag Runner", "FAB Dag Runner", "FAB Dag Author", "FAB Dag Editor"]


def test_people() -> None:
    """Who is switched off, is no e-mail, has no role or is one of several with one e-mail is left out and listed."""
    accounts = (
        Account(1, "Ana@example.com", True, frozenset({"Viewer"})),
        Account(2, "off@example.com", False, frozenset({"Viewer"})),
        Account(3, "admin", True, frozenset({"Viewer"})),
        Account(4, "none@example.com", True, frozenset()),
        Account(5, "twin@example.com", True, frozenset({"Viewer"})),
        Account(6, "TWIN@example.com", True, frozenset({"Op"})),
        Account(7, "ANA@example.com", False, frozenset({"Op"})),
    )
    draft = draft_of(Tables(STOCK, ALL_PAIRS, accounts), IDS)
    assert [entry.values["members"] for entry in draft.lists["teams"]] == [["Ana@example.com"]]
    said = [line for line in draft.left_out if line.startswith("account")]
    assert said == [
        "account 3 `admin`: invalid e-mail address",
        "account 7 `ANA@example.com`: it is not active",
        "account 4 `none@example.com`: it has no role",
        "account 2 `off@example.com`: it is not active",
        "accounts 5, 6 `twin@example.com`: duplicate accounts for one e-mail, access is denied for all",
    ]


def test_stable() -> None:
    """The same tables in another order make the same text."""
    roles = {"base": WITHOUT_DAGS, "team": frozenset({("can_read", "DAG:b"), ("can_read", "DAG:a")}), **STOCK}
    found = tables(roles, ana="base|team", bo="Viewer", cy="Op")
    turned = Tables(dict(reversed(roles.items())), ALL_PAIRS, tuple(reversed(found.accounts)))
    assert render(draft_of(found, IDS)) == render(draft_of(turned, IDS))


# -- a real database -----------------------------------------------------------------------------------------------


@pytest.fixture
def seeded(metadata_database: Any, accounts: Any) -> Iterator[None]:
    """FAB's stock roles, two more, and people, in the metadata database."""
    from airflow.providers.fab.auth_manager.models import Action, Permission, Resource, Role, User
    from sqlalchemy import delete, select
    from sqlalchemy.orm import Session

    own = {"base": WITHOUT_DAGS, "team": frozenset({("can_read", "DAG:a"), ("can_edit", "DAG:a")})}
    people = {"vi": ["Viewer"], "us": ["User"], "op": ["Op"], "ad": ["Admin"], "ana": ["base", "team"], "no": []}
    ids = {name: accounts(name, f"{name}@example.com") for name in people}
    with Session(metadata_database) as session:
        pairs = {}
        actions: dict[str, Any] = {}
        resources: dict[str, Any] = {}
        for action, resource in sorted(STOCK["Admin"] | own["team"]):
            actions.setdefault(action, Action(name=action))
            resources.setdefault(resource, Resource(name=resource))
            pairs[action, resource] = Permission(action=actions[action], resource=resources[resource])
        session.add_all(pairs.values())
        roles = {
            name: Role(name=name, permissions=[pairs[pair] for pair in sorted(of)])
            for name, of in {**STOCK, **own}.items()
        }
        session.add_all(roles.values())
        for name, held in people.items():
            session.scalars(select(User).where(User.id == ids[name])).one().roles = [roles[role] for role in held]
        session.commit()
    yield
    with Session(metadata_database) as session:
        for user in session.scalars(select(User)):
            user.roles = []
        for role in session.scalars(select(Role)).unique():
            role.permissions = []
        session.commit()
        for table in (Permission, Role, Action, Resource):
            session.execute(delete(table))
        session.commit()


def imported(tmp_path: Path) -> Engine:
    out = tmp_path / "policy.yaml"
    commands.fab(Namespace(organization="org", workspace="ws", deployment="dep", out=str(out), exact=True))
    found = loader.load(out.read_bytes())
    assert found.policy is not None
    return Engine(found.policy, "dep", datetime.now(UTC))


def test_database(seeded: None, metadata_database: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """From a seeded database everybody gets what FAB gave them, and FAB's own auth manager says no to none of it."""
    from airflow.providers.fab.auth_manager.models import User
    from sqlalchemy import select
    from sqlalchemy.orm import Session

    engine = imported(tmp_path)
    assert "account " in capsys.readouterr().err
    assert deployment_wide(engine, "us@example.com") == set((VIEWER + " " + USER).split())
    assert engine.access("ad@example.com").deployment_wide == EVERYTHING
    assert engine.check("ana@example.com", mask("dagRun.create"), Dag("a", frozenset())).allowed
    with Session(metadata_database) as session:
        users = session.scalars(select(User)).unique().all()
        assert {user.email: more_than_fab(engine, user.email, user) for user in users} == {
            f"{name}@example.com": [] for name in ("vi", "us", "op", "ad", "ana", "no")
        }


@pytest.mark.parametrize("program", [["airflow", "astro-auth"], ["astro_auth_plugin.cli.main"]])
def test_process(seeded: None, program: list[str]) -> None:
    """Both programs print the policy alone, so that it can be sent into a file; the rest is on the error stream."""
    code = "import sys, runpy; sys.argv = sys.argv[1:]; runpy.run_module(sys.argv[0], run_name='__main__')"
    if program == ["astro_auth_plugin.cli.main"]:
        code = "import sys; from astro_auth_plugin.cli.main import main; main(sys.argv[2:])"
    ids = ["--organization", "org", "--workspace", "ws", "--deployment", "dep"]
    done = subprocess.run(
        [sys.executable, "-c", code, *program, "import", "fab", *ids],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found = loader.load(done.stdout.encode())
    assert found.policy is not None
    assert deployment_wide(Engine(found.policy, "dep", datetime.now(UTC)), "vi@example.com") == set(VIEWER.split())
    assert done.stderr.endswith(" left out.\n")


def test_three_statements(seeded: None, statements: Any) -> None:
    """Reading FAB's tables takes three statements, however many roles and people there are."""
    with statements() as sent:
        found = fab_roles.read()
    assert len(sent) == 3
    assert found.roles == {
        **STOCK,
        "base": WITHOUT_DAGS,
        "team": frozenset({("can_read", "DAG:a"), ("can_edit", "DAG:a")}),
    }


def test_no_database(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Without a database nothing is printed, and the failure is told in one line."""
    monkeypatch.setattr(fab_roles, "read", lambda: 1 / 0)
    with pytest.raises(SystemExit) as end:
        commands.fab(Namespace(organization="org", workspace="ws", deployment="dep", out=None, exact=False))
    assert end.value.code == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err == "error: ZeroDivisionError: FAB's roles could not be read from Airflow's metadata database\n"
