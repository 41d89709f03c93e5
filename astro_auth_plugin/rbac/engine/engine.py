"""Compiles a policy for one Deployment, and answers questions about it.

Three questions, one truth: `check`, `allowed_dags` and `who_can` all read the same compiled grants of a
subject. A person is in the Teams that list the e-mail, and in those that list one of the groups which the identity
provider named at the last sign-in; groups are opaque, and compared for exact equality. What a subject has is
compiled when the subject is first checked, and kept: an engine belongs to one version of a policy, and to the time
until the next grant or membership ends; then a new engine is made.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator
from datetime import datetime
from functools import cached_property

from astro_auth_plugin.rbac.engine.access import Access, Clause, DagSelection, compile_access
from astro_auth_plugin.rbac.engine.decision import Decision, HeldGrant, Place
from astro_auth_plugin.rbac.engine.objects import ObjectSelection
from astro_auth_plugin.rbac.model.errors import UnknownDeployment
from astro_auth_plugin.rbac.model.permissions import ObjectKind, mask
from astro_auth_plugin.rbac.model.resources import Resource
from astro_auth_plugin.rbac.model.scopes import Dag, GrantScope, enclosing_scopes
from astro_auth_plugin.rbac.model.subjects import group_subject, token_subject, user_subject
from astro_auth_plugin.rbac.policy import protected_tags
from astro_auth_plugin.rbac.policy.diagnostics import spell
from astro_auth_plugin.rbac.policy.document import ApiToken
from astro_auth_plugin.rbac.policy.grants import (
    Entry,
    Grant,
    accessor_grants,
    ends,
    first_end,
    grants,
    grants_of,
    members_of,
    people_of,
    principal_of,
    role_permissions,
)
from astro_auth_plugin.rbac.policy.loader import Policy
from astro_auth_plugin.rbac.policy.protected_ids import IdRules, id_rules
from astro_auth_plugin.rbac.policy.yaml_reader import Path

__all__ = ["NO_GROUPS", "Clause", "Dag", "DagSelection", "Engine"]

_SEE_DAG = mask("dag.get")
NO_GROUPS: frozenset[str] = frozenset()

MAX_COMPILED = 10_000
"""How many subjects are kept at most, each with the groups that matter: groups make more than a policy names."""


class Engine:
    """Answers questions about one Deployment from one version of a policy, as of one time.

    Args:
        policy: a policy without errors.
        deployment_id: the Deployment to answer for; grants that do not reach it have no effect.
        at: the time to answer for, with a time zone; grants and memberships that have ended by then have no effect.

    Attributes:
        ends_at: until when the answers are the same: the next end of a grant or membership; None if there is none.
        groups: those that some Team lists; all other groups are ignored.

    Raises:
        UnknownDeployment: if the policy does not list the Deployment.
    """

    def __init__(self, policy: Policy, deployment_id: str, at: datetime) -> None:
        document = policy.document
        self._workspaces = {entry.id: entry.workspace_id for entry in document.deployments}
        if deployment_id not in self._workspaces:
            raise UnknownDeployment(f"the policy does not list the Deployment `{deployment_id}`")
        self.policy = policy
        self.deployment_id = deployment_id
        self.at = at
        self.ends_at = min((end for end in ends(document) if end > at), default=None)
        self.workspace_id = self._workspaces[deployment_id]
        self.tag_rules = protected_tags.rules(document, deployment_id)
        self._protects_tags = bool(self.tag_rules)
        self._enclosing = frozenset(enclosing_scopes(GrantScope("Deployment", deployment_id), self._workspaces))
        self._permissions = role_permissions(document)
        self._users = {user_subject(user.email): index for index, user in enumerate(document.users)}
        self._tokens = {token_subject(token.id): index for index, token in enumerate(document.api_tokens)}
        self._teams: dict[str, dict[int, datetime | None]] = defaultdict(dict)
        for index, team in enumerate(document.teams):
            for subject, end in members_of(team).items():
                # Also those whose membership has ended are named.
                teams = self._teams[subject]
                if end is None or end > at:
                    teams[index] = end
        self.groups = frozenset(group for team in document.teams for group in team.idp_groups)
        self._support = frozenset(index for index, team in enumerate(document.teams) if team.support)
        self._support_is_off = document.support_access == "disallowed"
        self._compiled: dict[tuple[str, frozenset[str]], Access] = {}
        self._by_team: dict[tuple[int, str, datetime | None], tuple[HeldGrant, ...]] = {}
        self._every_grant: tuple[Grant, ...] | None = None

    # -- the three questions ---------------------------------------------------------------------------------------

    def check(
        self, subject: str, required: int, dag: Dag | None = None, *, groups: frozenset[str] = NO_GROUPS
    ) -> Decision:
        """Decide whether a subject has permissions in one place.

        Args:
            subject: from `subjects.user_subject` or `subjects.token_subject`; an unknown one has no permissions.
            required: the permissions, from `permissions.mask`.
            dag: the checked Dag; None checks Deployment-wide. Anyone who may not see a Dag may do nothing with it, so
                `dag.get` is always required besides.
            groups: the person's groups at the identity provider.
        """
        access = self.access(subject, groups)
        if dag is None:
            return Decision(subject, required, required & ~access.deployment_wide, None, access.grants)
        dag = self.with_effective_tags(dag)
        required |= _SEE_DAG
        return Decision(subject, required, required & ~access.on(dag), dag, access.grants)

    def allows(self, access: Access, required: int, dag: Dag) -> bool:
        """Whether `check` allows a subject with this access permissions on a Dag, without its reasons."""
        if self._protects_tags:
            dag = self.with_effective_tags(dag)
        return not (required | _SEE_DAG) & ~access.on(dag)

    def check_object(
        self, subject: str, required: int, resource: Resource, *, groups: frozenset[str] = NO_GROUPS
    ) -> Decision:
        """Decide whether a subject has permissions on a connection, Variable or pool; arguments as in `check`."""
        access = self.access(subject, groups)
        missing = required & ~access.on_object(*resource)
        return Decision(subject, required, missing, resource, access.grants)

    def allowed_objects(
        self, subject: str, required: int, kind: ObjectKind, *, groups: frozenset[str] = NO_GROUPS
    ) -> ObjectSelection:
        """Return on which objects of a kind `check_object` says yes, whatever objects there are."""
        return self.access(subject, groups).objects_with(kind, required)

    def allowed_dags(self, subject: str, required: int, *, groups: frozenset[str] = NO_GROUPS) -> DagSelection:
        """Return on which Dags `check` says yes, whatever Dags there are."""
        access = self.access(subject, groups)
        missing = (required | _SEE_DAG) & ~access.deployment_wide
        if not missing:
            return DagSelection(True)
        if missing & ~access.anywhere:
            return DagSelection(False)
        return DagSelection(False, access.clauses(missing), self.tag_rules)

    def check_at(
        self, subject: str, required: int, place: Place = None, *, groups: frozenset[str] = NO_GROUPS
    ) -> Decision:
        """Decide as `check` or `check_object`, by what the place is."""
        if isinstance(place, Resource):
            return self.check_object(subject, required, place, groups=groups)
        return self.check(subject, required, place, groups=groups)

    def who_can(self, required: int, place: Place = None) -> dict[str, Decision]:
        """Return everybody whom the policy names and `check_at` allows, with the decision.

        Anyone who is in a Team through a group is not named by the policy, and not among them.
        """
        decisions = {subject: self.check_at(subject, required, place) for subject in self.subjects()}
        return {subject: decision for subject, decision in decisions.items() if decision.allowed}

    def holds_anywhere(self, subject: str, required: int, *, groups: frozenset[str] = NO_GROUPS) -> bool:
        """Whether each permission is granted on some Dag or Deployment-wide; on one Dag together or not.

        An upper bound for questions that name no Dag: it opens a list, and never says what is in it.
        """
        return bool(required) and not required & ~self.access(subject, groups).anywhere

    def with_effective_tags(self, dag: Dag) -> Dag:
        """Return a Dag with only its effective tags: a protected tag in the wrong place gives nothing."""
        return dag._replace(tags=self.tag_rules.effective_tags(dag)) if self.tag_rules else dag

    @cached_property
    def id_rules(self) -> IdRules:
        """Which Dag ids stay in their bundle; only the dag-processor asks."""
        return id_rules(self.policy.document, self.deployment_id)

    # -- what the questions read -----------------------------------------------------------------------------------

    def subjects(self) -> tuple[str, ...]:
        """Return every subject that the policy names."""
        return tuple(dict.fromkeys([*self._users, *self._teams, *self._tokens]))

    def subjects_with(self, fits: Callable[[Grant], bool]) -> frozenset[str]:
        """Return the subjects whom the policy names with a grant that fits, by themselves or through a Team.

        Grants of all Deployments are asked about, also those that have ended.
        """
        document = self.policy.document
        holders = {grant.principal for grant in self.every_grant if fits(grant)}
        found = {user_subject(each.name) for each in holders if each.kind == "user"}
        found |= {token_subject(each.name) for each in holders if each.kind == "token"}
        teams = {each.name for each in holders if each.kind == "Team"}
        return frozenset(found.union(*(people_of(team) for team in document.teams if team.name in teams)))

    @property
    def every_grant(self) -> tuple[Grant, ...]:
        """Every grant that the policy lists, also those that have ended; made once, since a large policy has many."""
        if self._every_grant is None:
            self._every_grant = tuple(grants(self.policy.document))
        return self._every_grant

    def workspace_of(self, deployment_id: str) -> str:
        """Return the Workspace of a Deployment; '' for one that the policy does not list."""
        return self._workspaces.get(deployment_id, "")

    def enclosing(self, scope: GrantScope) -> tuple[GrantScope, ...]:
        """Return a scope and all those around it, the narrowest first."""
        return enclosing_scopes(scope, self._workspaces)

    def all_grants(self, subject: str, groups: frozenset[str] = NO_GROUPS) -> Iterator[Grant]:
        """Yield every grant of a person anywhere in the Organization: the person's own, and those of Teams.

        Those of support Teams that are switched off, too: they may be switched on again.
        """
        document = self.policy.document
        if subject in self._users:
            index = self._users[subject]
            yield from self._lasting(("users", index), document.users[index])
        for index in self.teams_of(subject, groups):
            yield from self._lasting(("teams", index), document.teams[index])

    def entry_of(self, subject: str) -> Path | None:
        """Return where the policy has the entry of a person or an API token; None where it has none."""
        if subject in self._tokens:
            return ("api_tokens", self._tokens[subject])
        return ("users", self._users[subject]) if subject in self._users else None

    def entries_of(self, subjects: Collection[str] | None = None) -> Iterator[tuple[str, int, Entry]]:
        """Yield the entries that give subjects anything: those of users, Teams and API tokens, each with key and index.

        Args:
            subjects: users, API tokens, and groups of the identity provider; None yields every entry.
        """
        document = self.policy.document
        places: dict[str, Iterable[int]] = {
            "users": self._users.values(),
            "teams": range(len(document.teams)),
            "api_tokens": self._tokens.values(),
        }
        if subjects is not None:
            places["users"] = (self._users[each] for each in subjects if each in self._users)
            places["teams"] = self._teams_with(subjects)
            places["api_tokens"] = (self._tokens[each] for each in subjects if each in self._tokens)
        for key, indices in places.items():
            yield from ((key, index, getattr(document, key)[index]) for index in sorted(indices))

    def _teams_with(self, subjects: Collection[str]) -> set[int]:
        found = {index for each in subjects for index in self._teams.get(each, ())}
        for index, team in enumerate(self.policy.document.teams):
            if any(group_subject(group) in subjects for group in team.idp_groups):
                found.add(index)
        return found

    def knows_role(self, role: str) -> bool:
        """Whether a role is a built-in one, or one of the policy's own."""
        return role in self._permissions

    def permissions_of(self, role: str) -> int:
        """Return what a role that the policy knows has where it reaches."""
        return self._permissions[role]

    def api_token(self, token_id: str) -> ApiToken | None:
        """Return an API token of the policy, expired or not; None if there is none with this id."""
        index = self._tokens.get(token_subject(token_id))
        return None if index is None else self.policy.document.api_tokens[index]

    def teams_of(self, subject: str, groups: frozenset[str] = NO_GROUPS) -> dict[int, str]:
        """Return the Teams that a person is in, by their place in the policy.

        With each comes the group through which the person is in it, the first that the Team lists, and '' for a
        member; for a member whose membership ends, the group counts. Only people have groups: API tokens, and anyone
        who has no e-mail, are in no Team through one.
        """
        members = self._teams.get(subject, {})
        found = dict.fromkeys(members, "")
        if "@" in subject and not self.groups.isdisjoint(groups):
            for index, team in enumerate(self.policy.document.teams):
                group = next(filter(groups.__contains__, team.idp_groups), "")
                if group and (index not in members or members[index]):
                    found[index] = group
        return found

    def support_teams(self, subject: str, groups: frozenset[str] = NO_GROUPS) -> list[str]:
        """Return the support Teams that a person is in, switched off or not."""
        # Asked in every request, and most policies have none.
        teams = self.policy.document.teams if self._support else []
        return [
            teams[index].name for index in (self.teams_of(subject, groups) if teams else ()) if index in self._support
        ]

    @property
    def teams_off(self) -> list[str]:
        """The support Teams, if they are switched off: then no user has anything through them."""
        teams = self.policy.document.teams
        return [teams[index].name for index in sorted(self._support)] if self._support_is_off else []

    def access(self, subject: str, groups: frozenset[str] = NO_GROUPS) -> Access:
        """Return what a subject has in the Deployment; nothing for an unknown subject."""
        key = subject, groups & self.groups
        compiled = self._compiled.get(key)
        if compiled is None:
            compiled = compile_access(tuple(self._grants(*key)))
            # Unknown subjects are not kept: anyone who tries many names must not fill the memory.
            if compiled.grants:
                if len(self._compiled) >= MAX_COMPILED:
                    self._compiled.clear()
                self._compiled[key] = compiled
        return compiled

    def own_grants(self, subject: str) -> tuple[HeldGrant, ...]:
        """Return what a subject has by itself, and not through Teams."""
        document = self.policy.document
        if subject in self._tokens:
            index = self._tokens[subject]
            return tuple(self._entry_grants(("api_tokens", index), document.api_tokens[index]))
        if subject in self._users:
            index = self._users[subject]
            return tuple(self._entry_grants(("users", index), document.users[index]))
        return ()

    def team_grants(self, index: int, group: str = "", end: datetime | None = None) -> tuple[HeldGrant, ...]:
        """Return what each person in a Team has through it, as a member or through a group of the identity provider.

        The Team is identified by its place in the policy; `end` is that of the membership.
        """
        if self._support_is_off and index in self._support:
            return ()
        grants = self._by_team.get((index, group, end))
        if grants is None:
            # Made once for a Team, and not again for each of its people.
            team = self.policy.document.teams[index]
            name = f"{principal_of(team)} (group `{group}`)" if group else ""
            grants = tuple(_as_member(grant, end) for grant in self._entry_grants(("teams", index), team, name))
            self._by_team[index, group, end] = grants
        return grants

    def grants_through(self, subject: str, index: int, group: str) -> tuple[HeldGrant, ...]:
        """Return what a person has through a Team of `teams_of`, given with what comes with it there."""
        return self.team_grants(index, group, None if group else self._teams[subject][index])

    def _grants(self, subject: str, groups: frozenset[str]) -> Iterator[HeldGrant]:
        yield from self.own_grants(subject)
        for index, group in self.teams_of(subject, groups).items():
            yield from self.grants_through(subject, index, group)

    def _entry_grants(self, path: Path, entry: Entry, principal: str = "") -> Iterator[HeldGrant]:
        here = [grant for grant in self._lasting(path, entry) if self._is_here(grant.scope)]
        for grant in (*here, *accessor_grants(here)):
            permissions = grant.scope.narrowed(self._permissions[grant.role])
            place = spell(grant.path), self.policy.line(grant.path)
            holder = principal or str(grant.principal)
            yield HeldGrant(grant.role, holder, grant.scope, permissions, *place, grant.derived, grant.expires_at)

    def _lasting(self, path: Path, entry: Entry) -> Iterator[Grant]:
        return (grant for grant in grants_of(path, entry) if not grant.has_ended(self.at))

    def _is_here(self, scope: GrantScope) -> bool:
        return scope.deployment_id == self.deployment_id if scope.deployment_id else scope in self._enclosing


def _as_member(grant: HeldGrant, end: datetime | None) -> HeldGrant:
    """Return a grant of a Team as a member has it whose membership ends."""
    first = first_end(grant.expires_at, end)
    return grant if first == grant.expires_at else grant._replace(expires_at=first, leaves=True)
