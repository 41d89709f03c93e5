"""What two versions of a policy let people do differently: laws on random policies, then stories."""

from __future__ import annotations

import copy
import itertools
from collections.abc import Iterable
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from astro_auth_plugin.rbac.engine.engine import Dag
from astro_auth_plugin.rbac.model.permissions import names
from astro_auth_plugin.rbac.model.scopes import DagFile, labels
from astro_auth_plugin.rbac.review.declared_changes import declared_changes
from astro_auth_plugin.rbac.review.policy_diff import Difference, Plan, compare
from astro_auth_plugin.rbac.review.policy_snapshot import SEE_DAG, PermissionSets, Side, words
from tests import reference_engine as reference
from tests.rbac.helpers import checked, engine_of, real_dag
from tests.strategies import WORKSPACES, Case, Pool, cases, dags, policies, pools

NO_DIFFERENCE = Difference(0, 0, {})


def union(many: Iterable[int]) -> int:
    found = 0
    for each in many:
        found |= each
    return found


class Change:
    """Two policies of one pool of names, and Dags whose tags may differ before and after."""

    def __init__(
        self,
        pool: Pool,
        old: dict[str, Any],
        new: dict[str, Any],
        before: list[reference.Dag],
        after: list[reference.Dag],
    ) -> None:
        self.deployment_id = pool.deployment_id
        self.old, self.new = old, new
        self.before = {dag.id: dag for dag in before}
        self.after = {dag.id: dag for dag in after}

    def plan(self, *, moved: bool = True) -> Plan:
        """Compare the two, with the Dags as they are afterwards or as they stay."""
        after = [real_dag(dag) for dag in self.after.values()] if moved else None
        return compare(
            self.deployment_id,
            engine_of(self.old, self.deployment_id),
            engine_of(self.new, self.deployment_id),
            [real_dag(dag) for dag in self.before.values()],
            after,
        )

    def __repr__(self) -> str:
        return f"{self.deployment_id}\n{self.old}\n{self.new}\n{self.before}\n{self.after}"


@st.composite
def changes(draw: st.DrawFn) -> Change:
    """Draw a policy and another one: of the same names, or the same one with a holder's grants exchanged."""
    pool = draw(pools())
    old, new = draw(policies(pool)), draw(policies(pool))
    if draw(st.booleans()):
        kept, (key, other) = (
            copy.deepcopy(old),
            draw(st.sampled_from([("teams", "users"), ("users", "teams"), ("roles", "")])),
        )
        new = {**kept, key: old[key]} if other else {**kept, "users": []}
    if draw(st.booleans()):
        # To see all Dags at once wakes what was given and counted for nothing.
        new = copy.deepcopy(new)
        for holder in [*new["teams"], *new["users"]][:1]:
            holder["workspace_roles"] = [{"workspace_id": where, "role": "WORKSPACE_MEMBER"} for where in WORKSPACES]
    some = st.lists(dags(pool), max_size=4, unique_by=lambda dag: dag.id)
    return Change(pool, old, new, draw(some), draw(some))


def held(values: dict[str, Any], deployment_id: str, subject: str, dag: reference.Dag | None) -> set[str]:
    """Return all that a subject holds in a place, asked one by one of the slow engine."""
    known = reference.DEPLOYMENT_PERMISSIONS if dag is None else reference.DAG_PERMISSIONS
    return {name for name in known if reference.check(values, deployment_id, subject, [name], dag).allowed}


@given(changes())
@settings(checked, max_examples=70)
def test_differences_are_those_of_the_answers(change: Change) -> None:
    """Who gains and who loses what is what the slow engine answers differently, for everybody and everywhere."""
    plan = change.plan()
    for subject in reference.subjects(change.old) | reference.subjects(change.new):
        found = plan.differences.get(subject)
        had = held(change.old, change.deployment_id, subject, None)
        has = held(change.new, change.deployment_id, subject, None)
        gained, lost = has - had, had - has
        assert set(names(found.gained if found else 0)) == gained
        assert set(names(found.lost if found else 0)) == lost
        on = {spot.name: both for spot, both in found.on.items()} if found else {}
        for dag_id in {**change.before, **change.after}:
            untagged = reference.Dag(dag_id, frozenset())
            had = held(change.old, change.deployment_id, subject, change.before.get(dag_id, untagged))
            has = held(change.new, change.deployment_id, subject, change.after.get(dag_id, untagged))
            more, less = on.get(dag_id, (0, 0))
            assert (set(names(more)), set(names(less))) == (has - had - gained, had - has - lost)


@given(changes())
@settings(checked, max_examples=70)
def test_lines_tell_all_differences(change: Change) -> None:
    """What the lines of each subject say together is exactly what that subject gains and loses."""
    plan = change.plan()
    for index in (0, 1):
        listed: dict[Any, int] = {}
        for line in plan.lines:
            for permissions, places in (line.gains, line.losses)[index].items():
                for where in itertools.product(line.subjects, places):
                    listed[where] = listed.get(where, 0) | permissions
        expected: dict[Any, int] = {}
        for subject, difference in plan.differences.items():
            deployment_wide = (difference.gained, difference.lost)[index]
            for place, permissions in [
                (None, deployment_wide),
                *((spot, both[index]) for spot, both in difference.on.items()),
            ]:
                if permissions:
                    expected[subject, place] = expected.get((subject, place), 0) | permissions
        assert listed == expected
    assert {subject for line in plan.lines for subject in line.subjects} == set(plan.differences)
    assert plan.widens == any(
        each.gained or any(more for more, _ in each.on.values()) for each in plan.differences.values()
    )


@given(cases())
@checked
def test_nothing_changes_between_a_policy_and_itself(case: Case) -> None:
    """A policy compared with itself is an empty plan, with Dags and without."""
    engine, again = (engine_of(case.values, case.deployment_id) for _ in range(2))
    for known in (None, [real_dag(dag) for dag in case.dags]):
        assert compare(case.deployment_id, engine, again, known) == Plan(case.deployment_id, {}, (), known is None)


@given(changes())
@checked
def test_the_way_back(change: Change) -> None:
    """Going back takes what the change gave, and gives what it took."""
    back = Change.__new__(Change)
    back.deployment_id = change.deployment_id
    back.old, back.new, back.before, back.after = change.new, change.old, change.after, change.before
    there = {
        (subject, each.gained, each.lost, frozenset((spot.name, both) for spot, both in each.on.items()))
        for subject, each in change.plan().differences.items()
    }
    here = {
        (subject, each.lost, each.gained, frozenset((spot.name, both[::-1]) for spot, both in each.on.items()))
        for subject, each in back.plan().differences.items()
    }
    assert there == here


@given(changes())
@checked
def test_without_dags(change: Change) -> None:
    """Without Dags a plan has tags, ids and objects: a subject that gains something on any Dag or object does so there.

    Or the tag is told, if it is one that more files may carry.
    """
    old, new = (engine_of(values, change.deployment_id) for values in (change.old, change.new))
    by_scope = compare(change.deployment_id, old, new)
    assert by_scope.by_scope
    reported = {each.name for each in declared_changes(old.policy, new.policy) if each.what == "tag"}
    for subject, difference in change.plan(moved=False).differences.items():
        found = by_scope.differences.get(subject, NO_DIFFERENCE)
        assert found.gained == difference.gained
        sides = [(engine, PermissionSets.sum(Side(engine).held(subject).values())) for engine in (old, new)]
        for spot, (more, less) in difference.on.items():
            if spot.kind != "Dag":
                # Objects are known by the grants alone. Two plans have no spot in common, so they are compared as text.
                assert {str(each): both for each, both in found.on.items()}[str(spot)] == (more, less)
                continue
            dag = real_dag(change.before[spot.name])
            scopes = [other for other in found.on if is_around(other, dag)]
            # What is granted there before and after begins and ends to count with the right to see the Dag.
            granted = [held.on(engine.with_effective_tags(dag)) for engine, held in sides]
            changed = found.gained | found.lost | union(one | other for one, other in map(found.on.get, scopes))
            kept = granted[0] & granted[1] if changed & SEE_DAG else 0
            if not reported & dag.tags:
                assert not more & ~kept & ~union(found.on[other][0] for other in scopes)
            if old.tag_rules.effective_tags(dag) == new.tag_rules.effective_tags(dag):
                assert not less & ~kept & ~found.lost & ~union(found.on[other][1] for other in scopes)


def is_around(spot: Any, dag: Dag) -> bool:
    """Whether a place of a plan without Dags is a Dag, or a tag, bundle or folder of it."""
    name = (spot.name, spot.folder) if spot.kind == "bundle" else spot.name
    return (spot.kind == "Dag" and name == dag.id) or (spot.kind in ("tag", "bundle") and name in labels(dag))


# -- stories -------------------------------------------------------------------------------------------------------

HEAD = {
    "version": 1,
    "organization_id": "org",
    "workspaces": [{"id": "ws"}],
    "deployments": [{"id": "dep", "workspace_id": "ws"}],
}
SALES = {"deployment_id": "dep", "tag": "sales", "role": "DAG_AUTHOR"}
VIEW = {**SALES, "role": "DAG_VIEWER"}
MEMBER = {"workspace_id": "ws", "role": "WORKSPACE_MEMBER"}
DAGS = [Dag("orders", frozenset({"sales"})), Dag("ledger", frozenset({"finance"}))]
FOUR = ["a@b", "b@b", "c@b", "d@b"]


def team(name: str = "sales", members: Iterable[str] = ("a@b", "b@b"), **more: Any) -> dict[str, Any]:
    return {"name": name, "members": list(members), **more}


def made(old: dict[str, Any], new: dict[str, Any], *dag_lists: list[Dag] | None) -> list[Any]:
    """Return each line of a plan: its cause, for whom, of how many nothing changes, and where what is gained and lost."""
    engines = [engine_of({**HEAD, **each}, "dep") for each in (old, new)]
    found = compare("dep", *engines, *(dag_lists or [DAGS]))
    return [
        (
            (line.cause.kind, line.cause.name, *line.subjects),
            line.unaffected,
            {(len(words(permissions)), *map(str, places)) for permissions, places in line.gains.items()},
            {(len(words(permissions)), *map(str, places)) for permissions, places in line.losses.items()},
        )
        for line in found.lines
    ]


PAGE = (2, "None")
"""Accessor's two permissions in the whole Deployment, which come with a Dag role."""


def test_a_team_is_one_line() -> None:
    """What changes for a Team is one line, however many are in it, and says of how many nothing changes."""
    users = [{"email": "d@b", "organization_role": "ORGANIZATION_OWNER"}]
    old = {"teams": [team(members=FOUR, dag_roles=[VIEW])], "users": users}
    new = {"teams": [team(members=FOUR, dag_roles=[SALES])], "users": users}
    assert made(old, new) == [(("Team", "sales", "a@b", "b@b", "c@b"), 1, {(9, "Dag `orders`")}, set())]
    assert made(new, old) == [(("Team", "sales", "a@b", "b@b", "c@b"), 1, set(), {(9, "Dag `orders`")})]


def test_people_who_join_and_leave() -> None:
    """Who joins or leaves a Team has lines of their own, beside what changes for those who stay."""
    old = {"teams": [team(members=FOUR[:3], dag_roles=[VIEW])]}
    new = {"teams": [team(members=FOUR[1:], dag_roles=[SALES])]}
    assert made(old, new) == [
        (("Team", "sales", "b@b", "c@b"), 0, {(9, "Dag `orders`")}, set()),
        (("joins", "sales", "d@b"), 0, {PAGE, (20, "Dag `orders`")}, set()),
        (("leaves", "sales", "a@b"), 0, set(), {PAGE, (11, "Dag `orders`")}),
    ]


def test_new_and_renamed_teams() -> None:
    """A new Team is a line; another name alone changes nothing, nor does the order of anything."""
    here = {"teams": [team(dag_roles=[SALES, {**VIEW, "tag": "finance"}])]}
    renamed = {"teams": [team("other", FOUR[1::-1], dag_roles=here["teams"][0]["dag_roles"][::-1])]}
    assert made({}, here)[0][0] == ("Team", "sales", "a@b", "b@b")
    assert made(here, {})[0][0] == ("Team", "sales", "a@b", "b@b")
    assert made(here, renamed) == []


def test_groups_join() -> None:
    """A group of the identity provider that is added to a Team is people who join, though nobody knows which."""
    old, new = ({"teams": [team(idp_groups=groups, dag_roles=[VIEW])]} for groups in ([], ["okta"]))
    assert made(old, new) == [(("joins", "sales", "group okta"), 0, {PAGE, (11, "Dag `orders`")}, set())]


def test_what_is_held_otherwise() -> None:
    """Who has the same power in another way gains and loses nothing."""
    owner = {"email": "a@b", "workspace_roles": [{"workspace_id": "ws", "role": "WORKSPACE_OWNER"}]}
    assert made({"users": [owner]}, {"users": [owner], "teams": [team(members=["a@b"], dag_roles=[SALES])]}) == []
    moved = {"teams": [team(members=["A@b"], workspace_roles=owner["workspace_roles"])]}
    assert made({"users": [owner]}, moved) == []


def test_who_may_give_roles() -> None:
    """A role that holds the same in Airflow, but may be given on, is a gain."""
    users = [
        [{"email": "a@b", "workspace_roles": [{"workspace_id": "ws", "role": role}]}]
        for role in ("WORKSPACE_OPERATOR", "WORKSPACE_OWNER")
    ]
    assert gained_by(users[0], users[1]) == [
        "changeAccounts",
        "apiTokens.create",
        "apiTokens.rotate",
        "apiTokens.delete",
        "giveRoles.deployment",
        "giveRoles.workspace",
    ]
    assert gained_by(users[1], users[0]) == []
    (owner,) = users[1]
    assert gained_by(users[1], [{**owner, "organization_role": "ORGANIZATION_OWNER"}]) == ["giveRoles.organization"]


def gained_by(old: list[Any], new: list[Any], **same: Any) -> list[str]:
    """Return what the users of one policy gain in the whole Deployment by another one."""
    engines = [engine_of({**HEAD, "users": users, **same}, "dep") for users in (old, new)]
    (line,) = compare("dep", *engines, DAGS).lines
    return [word for permissions, places in line.gains.items() if None in places for word in words(permissions)]


def test_who_may_make_api_tokens() -> None:
    """A permission to create, rotate or delete API tokens, and a role that makes them, is a gain."""
    admin = {"email": "a@b", "deployment_roles": [{"deployment_id": "dep", "role": "DEPLOYMENT_ADMIN"}]}
    operator = {**admin, "workspace_roles": [{"workspace_id": "ws", "role": "WORKSPACE_OPERATOR"}]}
    assert gained_by([admin], [operator]) == ["makeApiTokens.workspace"]
    user = {"email": "a@b", "deployment_roles": [{"deployment_id": "dep", "role": "tokens"}]}
    for verb in ("create", "rotate", "delete"):
        old, new = (
            {"roles": [{"name": "tokens", "scope": "DEPLOYMENT", "permissions": permissions}], "users": [user]}
            for permissions in (
                ["deployment.airflow.dag.get"],
                ["deployment.airflow.dag.get", f"deployment.apiTokens.{verb}"],
            )
        )
        plan = compare("dep", *(engine_of({**HEAD, **each}, "dep") for each in (old, new)), DAGS)
        (line,) = plan.lines
        assert (plan.widens, [words(permissions) for permissions in line.gains]) == (True, [(f"apiTokens.{verb}",)])
        assert [(reason.sign, reason.grant.role) for reason in line.reasons] == [("~", "tokens")]
        assert gained_by(new["users"], [admin], roles=new["roles"])[-1] == "giveRoles.deployment"
        assert (
            made(
                {**new, "users": [admin]},
                {
                    **new,
                    "users": [
                        {**admin, **user, "deployment_roles": [*admin["deployment_roles"], *user["deployment_roles"]]}
                    ],
                },
            )
            == []
        )


def test_the_right_to_see_wakes_what_was_given() -> None:
    """Roles that counted for nothing, for want of the right to see the Dag, count as gained with that right."""
    role = {"name": "blind", "scope": "DAG", "permissions": ["dag.airflow.dagRun.create"]}
    users = [{"email": "a@b", "dag_roles": [{**SALES, "role": "blind"}]}]
    teams = [team(members=["a@b", "c@b"], workspace_roles=[MEMBER])]
    lines = made({"roles": [role], "users": users}, {"roles": [role], "users": users, "teams": teams})
    assert lines == [
        (("Team", "sales", "a@b"), 0, {(1, "Dag `orders`"), (15, "None")}, set()),
        (("Team", "sales", "c@b"), 0, {(17, "None")}, set()),
    ]


def test_what_is_held_everywhere_wakes_on_every_dag() -> None:
    """Who holds something in the whole Deployment, and sees all Dags at last, gains it on the Dags that no grant names."""
    role = {"name": "watch", "scope": "DEPLOYMENT", "permissions": ["deployment.airflow.auditLog.get"]}
    user = {"email": "a@b", "deployment_roles": [{"deployment_id": "dep", "role": "watch"}]}
    lines = made(
        {"roles": [role], "users": [user]}, {"roles": [role], "users": [{**user, "workspace_roles": [MEMBER]}]}
    )
    ((_, _, gains, losses),) = lines
    assert (1, "Dag `ledger`", "Dag `orders`") in {(each[0], *sorted(each[1:])) for each in gains}
    assert losses == set()


def test_custom_roles_and_tokens() -> None:
    """A custom role that holds more is a line for each Team, person and token that has it, with the role as reason."""
    token = {"id": "ci", "name": "ci", "secret_sha256": "0" * 64, "expires_at": "never"}
    on_tag = {"role": "run", "entity_type": "DAG_TAG", "entity_id": "sales", "deployment_id": "dep"}
    words_of = ["dag.airflow.dag.get", "dag.airflow.dagRun.create"]
    old, new = (
        {
            "roles": [{"name": "run", "scope": "DAG", "permissions": permissions}],
            "teams": [team(dag_roles=[{**SALES, "role": "run"}])],
            "api_tokens": [{**token, "roles": [on_tag]}],
        }
        for permissions in (words_of[:1], words_of)
    )
    gains = {(1, "Dag `orders`")}
    assert made(old, new) == [
        (("Team", "sales", "a@b", "b@b"), 0, gains, set()),
        (("token", "ci", "token:ci"), 0, gains, set()),
    ]
    (line, _) = compare("dep", *(engine_of({**HEAD, **each}, "dep") for each in (old, new)), DAGS).lines
    assert [(reason.sign, reason.grant.role, str(reason.grant.scope)) for reason in line.reasons] == [
        ("~", "run", "tag `sales`")
    ]


def test_reasons_are_the_grants() -> None:
    """A line names the grants that were added and removed, and not the Accessor role that comes along."""

    def reasons(*of_sides: list[Any]) -> list[tuple[str, str]]:
        sides = [engine_of({**HEAD, "users": [{"email": "a@b", "dag_roles": grants}]}, "dep") for grants in of_sides]
        (line,) = compare("dep", *sides, DAGS).lines
        return [(reason.sign, reason.grant.role) for reason in line.reasons]

    assert reasons([VIEW], [SALES]) == [("-", "DAG_VIEWER"), ("+", "DAG_AUTHOR")]
    assert reasons([VIEW], [VIEW, SALES]) == [("+", "DAG_AUTHOR")]
    assert reasons([], [VIEW]) == [("+", "DAG_VIEWER")]


def test_tags_that_change() -> None:
    """A Dag that gets a tag is a line: its people gain it. A new Dag counts as one that had no tags."""
    same = {"teams": [team(dag_roles=[VIEW])], "users": [{"email": "c@b", "workspace_roles": [MEMBER]}]}
    after = [Dag("ledger", frozenset({"sales"})), Dag("fresh", frozenset({"sales"}))]
    assert made(same, same, DAGS, after) == [
        (("tags", "fresh", "a@b", "b@b"), 0, {(11, "Dag `fresh`")}, set()),
        (("tags", "ledger", "a@b", "b@b"), 0, {(11, "Dag `ledger`")}, set()),
        (("tags", "orders", "a@b", "b@b"), 0, set(), {(11, "Dag `orders`")}),
    ]


def test_deployments_of_one_side_only() -> None:
    """In a Deployment that the version before does not list, everybody gains what they hold."""
    engine = engine_of({**HEAD, "users": [{"email": "a@b", "workspace_roles": [MEMBER]}]}, "dep")
    assert compare("dep", None, engine, DAGS).widens
    assert not compare("dep", engine, None, DAGS).widens
    assert compare("dep", engine, None).lines[0].losses


def test_a_tag_without_dags() -> None:
    """Where the Dags are not known, a line names the tag."""
    old, new = {"teams": [team(dag_roles=[VIEW])]}, {"teams": [team(dag_roles=[SALES])]}
    assert made(old, new, None) == [(("Team", "sales", "a@b", "b@b"), 0, {(9, "tag `sales`")}, set())]


def test_a_folder_without_dags() -> None:
    """Where the Dags are not known, a line names the folder."""
    in_folder = {"deployment_id": "dep", "bundle": "b", "folder": "x/", "role": "DAG_VIEWER"}
    old, new = {"teams": [team(dag_roles=[VIEW])]}, {"teams": [team(dag_roles=[VIEW, in_folder])]}
    assert made(old, new, None) == [(("Team", "sales", "a@b", "b@b"), 0, {(11, "folder `x/` of bundle `b`")}, set())]


def test_a_tag_that_becomes_protected() -> None:
    """A tag that counts no more in a file is lost there, with its tag as the cause; what an id gives stays."""
    users = [{"email": "c@b", "dag_roles": [{"deployment_id": "dep", "dag_id": "orders", "role": "DAG_VIEWER"}]}]
    old = {"teams": [team(members=FOUR[:3], dag_roles=[SALES])], "users": users}
    rule = {"deployment_id": "dep", "tag": "sales", "only_in": [{"bundle": "b", "files": ["sales/**"]}]}
    dags = [Dag("orders", frozenset({"sales"}), DagFile("b", "elsewhere.py"))]
    assert made(old, {**old, "protected_tags": [rule]}, dags) == [
        (("tags", "orders", "a@b", "b@b"), 0, set(), {(20, "Dag `orders`")}),
        (("tags", "orders", "c@b"), 0, set(), {(9, "Dag `orders`")}),
    ]


def objects_of(grants: list[dict[str, str]], **more: Any) -> dict[str, Any]:
    """A policy with one user with these grants on objects."""
    return {
        "version": 1,
        "organization_id": "org",
        "workspaces": [{"id": "ws"}],
        "deployments": [{"id": "dep", "workspace_id": "ws"}],
        "users": [
            {"email": "ana@example.com", "object_roles": [{"deployment_id": "dep", **each} for each in grants], **more}
        ],
    }


def object_changes(old: dict[str, Any], new: dict[str, Any], dags: list[Dag] | None) -> dict[str, tuple[str, str]]:
    """What somebody gains and loses, by place; '' is the Deployment."""
    plan = compare("dep", engine_of(old, "dep"), engine_of(new, "dep"), dags)
    found = plan.differences.get("ana@example.com", NO_DIFFERENCE)
    by_place = {str(spot): (" ".join(words(more)), " ".join(words(less))) for spot, (more, less) in found.on.items()}
    assert {
        str(place)
        for line in plan.lines
        for places in (*line.gains.values(), *line.losses.values())
        for place in places
        if place
    } == set(by_place)
    return by_place | (
        {"": (" ".join(words(found.gained)), " ".join(words(found.lost)))} if found.gained or found.lost else {}
    )


def test_objects() -> None:
    """What is gained and lost on objects is by object and prefix, whether Dags are known or not."""
    prefix, one = {"pool_prefix": "fin_", "role": "OBJECT_VIEWER"}, {"pool": "fin_a", "role": "OBJECT_EDITOR"}
    other = {"variable_key": "fin_a", "role": "OBJECT_VIEWER"}
    for known in (None, [Dag("fin_a", frozenset({"fin_"}))]):
        opens = ("docs.get website.get", "")
        assert object_changes(objects_of([]), objects_of([one]), known) == {
            "pool `fin_a`": ("pool.get pool.update", ""),
            "": opens,
        }
        assert object_changes(objects_of([prefix]), objects_of([prefix, one]), known) == {
            "pool `fin_a`": ("pool.update", "")
        }
        assert object_changes(objects_of([one]), objects_of([prefix]), known) == {
            "pool prefix `fin_`": ("pool.get", ""),
            "pool `fin_a`": ("", "pool.update"),
        }
        assert object_changes(objects_of([one]), objects_of([other]), known) == {
            "pool `fin_a`": ("", "pool.get pool.update"),
            "Variable `fin_a`": ("variable.get", ""),
        }
        assert object_changes(objects_of([one]), objects_of([one]), known) == {}
        admin = {"deployment_roles": [{"deployment_id": "dep", "role": "DEPLOYMENT_ADMIN"}]}
        assert object_changes(objects_of([], **admin), objects_of([one], **admin), known) == {}
