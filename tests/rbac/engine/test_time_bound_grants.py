"""Grants that end: until when they count, and what says so."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from astro_auth_plugin.rbac.engine.engine import Dag, Engine
from astro_auth_plugin.rbac.model.permissions import mask
from astro_auth_plugin.rbac.policy import loader
from astro_auth_plugin.rbac.policy.loader import Policy

END = datetime(2027, 6, 1, 12, 0, 0, tzinfo=UTC)
SECOND = timedelta(seconds=1)
ORDERS = Dag("orders", frozenset(["sales"]))
SEE, HOME, POOLS = mask("dag.get"), mask("website.get"), mask("pool.get")
ANA, BO = "ana@example.com", "bo@example.com"


def policy(**of_ana: Any) -> Policy:
    """A policy in which ana has these grants, and bo what a Team has."""
    values: dict[str, Any] = {
        "version": 1,
        "organization_id": "org",
        "workspaces": [{"id": "ws"}],
        "deployments": [{"id": "dep", "workspace_id": "ws"}, {"id": "other", "workspace_id": "ws"}],
        "users": [{"email": ANA, **of_ana}],
        "teams": [{"name": "sales", "members": [BO], "dag_roles": [dag_role(tag="sales")]}],
    }
    found = loader.from_values(values)
    assert found.policy, [str(problem) for problem in found.errors]
    return found.policy


def dag_role(end: datetime | None = END, where: str = "dep", **on: str) -> dict[str, Any]:
    return {"deployment_id": where, "role": "DAG_VIEWER", **on, **({"expires_at": end.isoformat()} if end else {})}


GIVEN = {
    "organization_role": {"role": "ORGANIZATION_OWNER", "expires_at": END.isoformat()},
    "workspace_roles": [{"workspace_id": "ws", "role": "WORKSPACE_AUTHOR", "expires_at": END.isoformat()}],
    "deployment_roles": [{"deployment_id": "dep", "role": "DEPLOYMENT_ADMIN", "expires_at": END.isoformat()}],
    "dag_roles": [dag_role(dag_id="orders")],
}


@pytest.mark.parametrize("key", GIVEN)
@pytest.mark.parametrize(("at", "counts"), [(END - SECOND, True), (END, False), (END + SECOND, False)])
def test_until_its_end(key: str, at: datetime, counts: bool) -> None:
    """A grant counts up to the second of its end, on a Dag, in lists, and for the page around."""
    engine = Engine(policy(**{key: GIVEN[key]}), "dep", at)
    for subject in (ANA, BO):
        assert engine.check(subject, SEE, ORDERS).allowed is counts
        assert engine.check(subject, HOME).allowed is counts
        assert engine.allowed_dags(subject, SEE).matches(ORDERS) is counts
        assert (subject in engine.who_can(SEE, ORDERS)) is counts
        assert bool([*engine.all_grants(subject)]) is counts


def test_other_time_zone() -> None:
    """The end is a moment, in whatever time zone it is written."""
    role = {**dag_role(dag_id="orders"), "expires_at": "2027-06-01T14:00:00+02:00"}
    for at, counts in ((END - SECOND, True), (END, False)):
        assert Engine(policy(dag_roles=[role]), "dep", at).check(ANA, SEE, ORDERS).allowed is counts


def test_page_stays_open() -> None:
    """The page stays open as long as one of the Dag roles lasts."""
    given = [dag_role(dag_id="orders"), dag_role(END + SECOND, tag="x"), dag_role(END - SECOND, tag="y")]
    for at, counts in ((END - SECOND, True), (END, True), (END + SECOND, False)):
        assert Engine(policy(dag_roles=given), "dep", at).check(ANA, HOME).allowed is counts
    (accessor,) = Engine(policy(dag_roles=given), "dep", END - SECOND).check(ANA, HOME).grants
    assert accessor.expires_at == END + SECOND


@pytest.mark.parametrize(
    ("at", "ends_at"),
    [(END - 2 * SECOND, END - SECOND), (END - SECOND, END), (END, END + SECOND), (END + SECOND, None)],
)
def test_when_another_engine_is_needed(at: datetime, ends_at: datetime | None) -> None:
    """The answers are the same until the next end of any grant, of users and of Teams."""
    made = policy(
        workspace_roles=[{"workspace_id": "ws", "role": "WORKSPACE_MEMBER", "expires_at": (END - SECOND).isoformat()}],
        dag_roles=[dag_role(END + SECOND, "other", tag="x"), dag_role(None, tag="y")],
    )
    assert Engine(made, "dep", at).ends_at == ends_at
    organization = policy(
        organization_role={"role": "ORGANIZATION_OWNER", "expires_at": (END + 2 * SECOND).isoformat()}
    )
    assert Engine(organization, "dep", at).ends_at == (END if at < END else END + 2 * SECOND)


def test_reason() -> None:
    """What a grant gives is said with its end."""
    decision = Engine(policy(dag_roles=[dag_role(dag_id="orders")]), "dep", END - SECOND).check(ANA, SEE, ORDERS)
    words = "role `DAG_VIEWER` given to user `ana@example.com` on Dag `orders` until 2027-06-01 12:00:00 UTC"
    assert decision.reason == f"allowed by {words}"


def test_reason_of_an_organization_role() -> None:
    """So is an Organization role."""
    decision = Engine(policy(organization_role=GIVEN["organization_role"]), "dep", END - SECOND).check(ANA, SEE, ORDERS)
    words = (
        "role `ORGANIZATION_OWNER` given to user `ana@example.com` on the Organization until 2027-06-01 12:00:00 UTC"
    )
    assert decision.reason == f"allowed by {words}"


@pytest.mark.parametrize("end", ["2027-06-01", "2027-06-01T00:00:00", "never", "soon", 7, None, True])
def test_ends_that_are_none(end: Any) -> None:
    """An end is a time with a time zone; a grant that never ends has none."""
    found = loader.from_values(
        {
            "version": 1,
            "organization_id": "org",
            "workspaces": [{"id": "ws"}],
            "users": [
                {
                    "email": ANA,
                    "workspace_roles": [{"workspace_id": "ws", "role": "WORKSPACE_MEMBER", "expires_at": end}],
                }
            ],
        }
    )
    (problem,) = found.errors
    assert problem.where == "users[0].workspace_roles[0].expires_at"
    assert "time zone" in problem.message or "expected a date with time" in problem.message


# -- memberships ---------------------------------------------------------------------------------------------------

GROUP = frozenset({"on-call"})


def member_policy(*members: Any, end: datetime | None = None) -> Policy:
    """A policy in which a Team has these members, and a role that lasts until an end."""
    values: dict[str, Any] = {
        "version": 1,
        "organization_id": "org",
        "workspaces": [{"id": "ws"}],
        "deployments": [{"id": "dep", "workspace_id": "ws"}],
        "teams": [
            {"name": "sales", "members": [*members], "idp_groups": [*GROUP], "dag_roles": [dag_role(end, tag="sales")]}
        ],
    }
    found = loader.from_values(values)
    assert found.policy, [str(problem) for problem in found.errors]
    return found.policy


def member(end: datetime | None = END, email: str = ANA, **more: str) -> dict[str, str]:
    return {"email": email, **({"expires_at": end.isoformat()} if end else {}), **more}


@pytest.mark.parametrize(("at", "counts"), [(END - SECOND, True), (END, False), (END + SECOND, False)])
def test_membership_until_its_end(at: datetime, counts: bool) -> None:
    """A membership counts up to the second of its end, everywhere; the others stay in the Team."""
    engine = Engine(member_policy(member(), BO), "dep", at)
    for subject, holds in ((ANA, counts), (BO, True)):
        assert engine.check(subject, SEE, ORDERS).allowed is holds
        assert engine.check(subject, HOME).allowed is holds
        assert engine.allowed_dags(subject, SEE).matches(ORDERS) is holds
        assert (subject in engine.who_can(SEE, ORDERS)) is holds
        assert bool([*engine.all_grants(subject)]) is holds
        assert bool(engine.teams_of(subject)) is holds
    assert set(engine.subjects()) == {ANA, BO}


@pytest.mark.parametrize("members", [(member(), member(END + SECOND)), (member(END + SECOND, ANA.upper()), member())])
def test_two_memberships(members: tuple[Any, ...]) -> None:
    """Of two entries for one person the one that ends last counts; one without an end never ends."""
    for at, counts in ((END - SECOND, True), (END, True), (END + SECOND, False)):
        assert Engine(member_policy(*members), "dep", at).check(ANA, SEE, ORDERS).allowed is counts
        for lasting in (ANA, member(None)):
            engine = Engine(member_policy(*members, lasting), "dep", at)
            assert engine.check(ANA, SEE, ORDERS).allowed
            assert {grant.expires_at for grant in engine.access(ANA).grants} == {None}


@pytest.mark.parametrize(("at", "ends_at"), [(END - SECOND, END), (END, END + SECOND), (END + SECOND, None)])
def test_when_memberships_need_another_engine(at: datetime, ends_at: datetime | None) -> None:
    """The answers are the same until the next end of a membership, too."""
    made = member_policy(member(), member(END + SECOND, BO), "cy@example.com")
    assert Engine(made, "dep", at).ends_at == ends_at
    organization = policy(
        organization_role={"role": "ORGANIZATION_OWNER", "expires_at": (END + 2 * SECOND).isoformat()}
    )
    assert Engine(organization, "dep", at).ends_at == (END if at < END else END + 2 * SECOND)


@pytest.mark.parametrize(
    ("of_grant", "said"),
    [
        (None, " until 2027-06-01 12:00:00 UTC (end of the membership)"),
        (END + SECOND, " until 2027-06-01 12:00:00 UTC (end of the membership)"),
        (END, " until 2027-06-01 12:00:00 UTC"),
        (END - SECOND, " until 2027-06-01 11:59:59 UTC"),
    ],
)
def test_reason_of_a_member(of_grant: datetime | None, said: str) -> None:
    """What a member has ends with the grant or with the membership, whichever is first, and the reason says so."""
    engine = Engine(member_policy(member(), BO, end=of_grant), "dep", END - 2 * SECOND)
    words = "allowed by role `DAG_VIEWER` given to Team `sales` on tag `sales`"
    assert engine.check(ANA, SEE, ORDERS).reason == f"{words}{said}"
    end = f" until {of_grant:%Y-%m-%d %H:%M:%S} UTC" if of_grant else ""
    assert engine.check(BO, SEE, ORDERS).reason == f"{words}{end}"


def test_group_outlasts_the_membership() -> None:
    """A person who is in the Team through a group, too, has it from the group, before and after the membership ends."""
    for at in (END - SECOND, END):
        (grant, _) = Engine(member_policy(member()), "dep", at).access(ANA, GROUP).grants
        assert (grant.holder, grant.expires_at) == ("Team `sales` (group `on-call`)", None)
    (grant, _) = Engine(member_policy(ANA), "dep", END).access(ANA, GROUP).grants
    assert grant.holder == "Team `sales`"


@pytest.mark.parametrize("end", ["2027-06-01", "2027-06-01T00:00:00", "never", "soon", 7, None, True])
def test_ends_of_memberships_that_are_none(end: Any) -> None:
    """An end is a time with a time zone."""
    found = loader.from_values(
        {
            "version": 1,
            "organization_id": "org",
            "teams": [{"name": "t", "members": [{"email": ANA, "expires_at": end}]}],
        }
    )
    (problem,) = found.errors
    assert problem.where == "teams[0].members[0].expires_at"
    assert "time zone" in problem.message or "expected a date with time" in problem.message
