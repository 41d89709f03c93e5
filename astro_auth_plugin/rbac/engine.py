"""Compiles a policy for one Deployment, and answers questions about it.

Four questions, one truth: `check`, `allowed_dags`, `who_can` and `explain` all read the same compiled grants of a
subject. A person is in the Teams that list the e-mail, and in those that list one of the groups which the identity
provider named at the last sign-in; groups are opaque, and compared for exact equality. What a subject holds is
compiled when the subject is first asked about, and kept: an engine belongs to one version of a policy, and a new
version gets a new engine.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import NamedTuple

from astro_auth_plugin.rbac import policy_tags
from astro_auth_plugin.rbac.decision import Decision, Explanation, HeldGrant, reaches
from astro_auth_plugin.rbac.errors import UnknownDeployment
from astro_auth_plugin.rbac.permissions import DAG_WORDS, DEPLOYMENT_WORDS, mask
from astro_auth_plugin.rbac.policy import Policy, spell
from astro_auth_plugin.rbac.policy_document import ApiToken, Team, User
from astro_auth_plugin.rbac.policy_text import Path
from astro_auth_plugin.rbac.roles import ACCESSOR_POWERS, BUILT_IN
from astro_auth_plugin.rbac.scopes import Dag, Reach
from astro_auth_plugin.rbac.subjects import token_subject, user_subject
from astro_auth_plugin.rbac.tag_rules import NO_RULES, TagRules

__all__ = ["NO_GROUPS", "Clause", "Dag", "DagSelection", "Engine"]

_SEE_DAG = mask("dag.get")
NO_GROUPS: frozenset[str] = frozenset()

MAX_COMPILED = 10_000
"""How many subjects are kept at most, each with the groups that matter: groups make more than a policy names."""


class Clause(NamedTuple):
    """One condition on a Dag: it carries one of these tags, or has one of these ids."""

    tags: frozenset[str]
    dag_ids: frozenset[str]


class DagSelection(NamedTuple):
    """Which Dags a subject may do something with, told without looking at any Dag.

    A Dag is selected when every clause matches it; without clauses, `everything` says whether it is all or none.
    """

    everything: bool
    clauses: tuple[Clause, ...] = ()
    tag_rules: TagRules = NO_RULES

    @property
    def nothing(self) -> bool:
        """Whether no Dag at all can be selected."""
        return not self.everything and not self.clauses

    def matches(self, dag: Dag) -> bool:
        """Whether this Dag is selected."""
        if self.nothing:
            return False
        tags = self.tag_rules.counted(dag)
        return all(dag.id in clause.dag_ids or tags & clause.tags for clause in self.clauses)


class Access(NamedTuple):
    """What one subject holds in the Deployment, compiled.

    `wide` reaches everything; `by_tag` and `by_dag` reach the Dags with that tag or id. `anywhere` is their union.
    """

    grants: tuple[HeldGrant, ...]
    wide: int
    by_tag: dict[str, int]
    by_dag: dict[str, int]
    anywhere: int

    def on(self, dag: Dag) -> int:
        """Return all that is held on a Dag: the grants that reach it add up."""
        held = self.wide | self.by_dag.get(dag.id, 0)
        for tag in dag.tags:
            held |= self.by_tag.get(tag, 0)
        return held


class Engine:
    """Answers questions about one Deployment from one version of a policy.

    Args:
        policy: a policy without errors.
        deployment_id: the Deployment to answer for; grants that do not reach it count for nothing.

    Attributes:
        groups: those that some Team lists; all other groups are as good as none.

    Raises:
        UnknownDeployment: if the policy does not list the Deployment.
    """

    def __init__(self, policy: Policy, deployment_id: str) -> None:
        document = policy.document
        self._workspaces = {entry.id: entry.workspace_id for entry in document.deployments}
        if deployment_id not in self._workspaces:
            raise UnknownDeployment(f"the policy does not list the Deployment `{deployment_id}`")
        self.policy = policy
        self.deployment_id = deployment_id
        self.workspace_id = self._workspaces[deployment_id]
        self.tag_rules = policy_tags.rules(document, deployment_id)
        self._powers = _powers_of_roles(policy)
        self._users = {user_subject(user.email): index for index, user in enumerate(document.users)}
        self._tokens = {token_subject(token.id): index for index, token in enumerate(document.api_tokens)}
        self._teams: dict[str, list[int]] = defaultdict(list)
        for index, team in enumerate(document.teams):
            for member in dict.fromkeys(map(user_subject, team.members)):
                self._teams[member].append(index)
        self.groups = frozenset(group for team in document.teams for group in team.idp_groups)
        self._compiled: dict[tuple[str, frozenset[str]], Access] = {}
        self._by_team: dict[tuple[int, str], tuple[HeldGrant, ...]] = {}

    # -- the four questions ----------------------------------------------------------------------------------------

    def check(
        self, subject: str, required: int, dag: Dag | None = None, *, groups: frozenset[str] = NO_GROUPS
    ) -> Decision:
        """Decide whether a subject holds permissions in one place.

        Args:
            subject: from `subjects.user_subject` or `subjects.token_subject`; an unknown one holds nothing.
            required: the permissions, from `permissions.mask`.
            dag: the Dag asked about; None asks Deployment-wide. Whoever may not see a Dag may do nothing with it, so
                `dag.get` is always required besides.
            groups: the person's groups at the identity provider.
        """
        access = self.access(subject, groups)
        if dag is None:
            return Decision(subject, required, required & ~access.wide, None, access.grants)
        dag = self.counted(dag)
        required |= _SEE_DAG
        return Decision(subject, required, required & ~access.on(dag), dag, access.grants)

    def allowed_dags(self, subject: str, required: int, *, groups: frozenset[str] = NO_GROUPS) -> DagSelection:
        """Tell on which Dags `check` says yes, whatever Dags there are."""
        access = self.access(subject, groups)
        missing = (required | _SEE_DAG) & ~access.wide
        if not missing:
            return DagSelection(True)
        if missing & ~access.anywhere:
            return DagSelection(False)
        clauses = dict.fromkeys(_clause(access, bit) for bit in _bits(missing))
        return DagSelection(False, tuple(clauses), self.tag_rules)

    def who_can(self, required: int, dag: Dag | None = None) -> dict[str, Decision]:
        """Return everybody whom the policy names and `check` allows, with the decision.

        Whoever is in a Team through a group is not named by the policy, and not among them.
        """
        decisions = {subject: self.check(subject, required, dag) for subject in self.subjects()}
        return {subject: decision for subject, decision in decisions.items() if decision.allowed}

    def explain(
        self, subject: str, required: int, dag: Dag | None = None, *, groups: frozenset[str] = NO_GROUPS
    ) -> Explanation:
        """Return the decision of `check` with all that the subject holds in the Deployment."""
        grants = self.access(subject, groups).grants
        dag = self.counted(dag) if dag else None
        here = tuple(grant for grant in grants if reaches(grant.reach, dag))
        elsewhere = tuple(grant for grant in grants if not reaches(grant.reach, dag))
        return Explanation(self.check(subject, required, dag, groups=groups), here, elsewhere)

    def holds_anywhere(self, subject: str, required: int, *, groups: frozenset[str] = NO_GROUPS) -> bool:
        """Whether each permission is held on some Dag or Deployment-wide; on one Dag together or not.

        An upper bound for questions that name no Dag: it opens a list, and never says what is in it.
        """
        return bool(required) and not required & ~self.access(subject, groups).anywhere

    def counted(self, dag: Dag) -> Dag:
        """Return a Dag with only those tags that count: a protected tag out of its place gives nothing."""
        return dag._replace(tags=self.tag_rules.counted(dag)) if self.tag_rules else dag

    # -- what the questions read -----------------------------------------------------------------------------------

    def subjects(self) -> tuple[str, ...]:
        """Return every subject that the policy names."""
        return tuple(dict.fromkeys([*self._users, *self._teams, *self._tokens]))

    def workspace_of(self, deployment_id: str) -> str:
        """Return the Workspace of a Deployment that the policy lists."""
        return self._workspaces[deployment_id]

    def holders(self, subject: str, groups: frozenset[str] = NO_GROUPS) -> tuple[User | Team, ...]:
        """Return the entries of the policy that give a person roles: the person's own, and those of Teams."""
        document = self.policy.document
        own = (document.users[self._users[subject]],) if subject in self._users else ()
        return (*own, *(document.teams[index] for index in self.teams_of(subject, groups)))

    def entry_of(self, subject: str) -> Path | None:
        """Return where the policy has the entry of a person or an API token; None where it has none."""
        if subject in self._tokens:
            return ("api_tokens", self._tokens[subject])
        return ("users", self._users[subject]) if subject in self._users else None

    def powers_of(self, role: str) -> int:
        """Return what a role that the policy knows holds where it reaches."""
        return self._powers[role]

    def api_token(self, token_id: str) -> ApiToken | None:
        """Return an API token of the policy, expired or not; None if there is none with this id."""
        index = self._tokens.get(token_subject(token_id))
        return None if index is None else self.policy.document.api_tokens[index]

    def teams_of(self, subject: str, groups: frozenset[str] = NO_GROUPS) -> dict[int, str]:
        """Return the Teams that a person is in, by their place in the policy.

        Beside each stands the group through which the person is in it, the first that the Team lists, and '' for a
        member. Only people have groups: API tokens, and whoever has no e-mail, are in no Team through one.
        """
        found = dict.fromkeys(self._teams.get(subject, ()), "")
        if "@" in subject and not self.groups.isdisjoint(groups):
            for index, team in enumerate(self.policy.document.teams):
                group = next(filter(groups.__contains__, team.idp_groups), "")
                if group:
                    found.setdefault(index, group)
        return found

    def access(self, subject: str, groups: frozenset[str] = NO_GROUPS) -> Access:
        """Return what a subject holds in the Deployment; nothing for an unknown subject."""
        key = subject, groups & self.groups
        compiled = self._compiled.get(key)
        if compiled is None:
            compiled = _compile(tuple(self._grants(*key)))
            # Unknown subjects are not kept: whoever tries many names must not fill the memory.
            if compiled.grants:
                if len(self._compiled) >= MAX_COMPILED:
                    self._compiled.clear()
                self._compiled[key] = compiled
        return compiled

    def own_grants(self, subject: str) -> tuple[HeldGrant, ...]:
        """Return what a subject holds by itself, and not through Teams."""
        return tuple(self._own_grants(subject))

    def team_grants(self, index: int, group: str = "") -> tuple[HeldGrant, ...]:
        """Return what each person in a Team holds through it, as a member or through a group of the identity provider.

        The Team is told by its place in the policy.
        """
        grants = self._by_team.get((index, group))
        if grants is None:
            # Made once for a Team, and not again for each of its people.
            team = self.policy.document.teams[index]
            name = f"Team `{team.name}` (group `{group}`)" if group else f"Team `{team.name}`"
            grants = tuple(self._holder_grants(("teams", index), team, name))
            self._by_team[index, group] = grants
        return grants

    def _grants(self, subject: str, groups: frozenset[str]) -> Iterator[HeldGrant]:
        yield from self._own_grants(subject)
        for index, group in self.teams_of(subject, groups).items():
            yield from self.team_grants(index, group)

    def _own_grants(self, subject: str) -> Iterator[HeldGrant]:
        document = self.policy.document
        if subject in self._tokens:
            index = self._tokens[subject]
            yield from self._token_grants(("api_tokens", index), document.api_tokens[index])
        elif subject in self._users:
            index = self._users[subject]
            user = document.users[index]
            yield from self._holder_grants(("users", index), user, f"user `{user.email}`")

    def _holder_grants(self, path: Path, holder: User | Team, name: str) -> Iterator[HeldGrant]:
        if holder.organization_role:
            reach = Reach("Organization", "")
            yield self._grant(holder.organization_role, name, reach, (*path, "organization_role"))
        for index, workspace in enumerate(holder.workspace_roles):
            if workspace.workspace_id == self.workspace_id:
                reach = Reach("Workspace", self.workspace_id)
                yield self._grant(workspace.role, name, reach, (*path, "workspace_roles", index))
        for index, deployment in enumerate(holder.deployment_roles):
            if deployment.deployment_id == self.deployment_id:
                reach = Reach("Deployment", self.deployment_id)
                yield self._grant(deployment.role, name, reach, (*path, "deployment_roles", index))
        here = [
            (index, grant) for index, grant in enumerate(holder.dag_roles) if grant.deployment_id == self.deployment_id
        ]
        for index, grant in here:
            reach = Reach("tag", grant.tag) if grant.tag else Reach("Dag", grant.dag_id)
            yield self._grant(grant.role, name, reach, (*path, "dag_roles", index))
        if here:
            yield self._accessor(name, (*path, "dag_roles", here[0][0]))

    def _token_grants(self, path: Path, token: ApiToken) -> Iterator[HeldGrant]:
        name = f"API token `{token.id}`"
        on_dags: list[Path] = []
        for index, role in enumerate(token.roles):
            reach = self._token_reach(role.entity_type, role.entity_id, role.deployment_id)
            if reach:
                yield self._grant(role.role, name, reach, (*path, "roles", index))
                if not reach.is_wide:
                    on_dags.append((*path, "roles", index))
        if on_dags:
            yield self._accessor(name, on_dags[0])

    def _token_reach(self, entity_type: str, entity_id: str, deployment_id: str) -> Reach | None:
        if entity_type == "ORGANIZATION":
            return Reach("Organization", "")
        if entity_type == "WORKSPACE" and entity_id == self.workspace_id:
            return Reach("Workspace", entity_id)
        if entity_type == "DEPLOYMENT" and entity_id == self.deployment_id:
            return Reach("Deployment", entity_id)
        if entity_type in ("DAG", "DAG_TAG") and deployment_id == self.deployment_id:
            return Reach("tag" if entity_type == "DAG_TAG" else "Dag", entity_id)
        return None

    def _grant(self, role: str, holder: str, reach: Reach, path: Path) -> HeldGrant:
        return HeldGrant(role, holder, reach, self._powers[role], spell(path), self.policy.line(path))

    def _accessor(self, holder: str, path: Path) -> HeldGrant:
        # Astro gives the Accessor role of the parent to whoever is given a Dag role, so that the page opens.
        reach = Reach("Deployment", self.deployment_id)
        line = self.policy.line(path)
        return HeldGrant("DEPLOYMENT_ACCESSOR", holder, reach, ACCESSOR_POWERS, spell(path), line)


def _powers_of_roles(policy: Policy) -> dict[str, int]:
    powers = {name: role.powers for name, role in BUILT_IN.items()}
    for role in policy.document.roles:
        words = DAG_WORDS if role.scope == "DAG" else DEPLOYMENT_WORDS
        # A word of Astro that Airflow never asks about is in neither table and gives nothing here.
        powers[role.name] = 0
        for word in role.permissions:
            powers[role.name] |= words.get(word, 0)
    return powers


def _compile(grants: tuple[HeldGrant, ...]) -> Access:
    wide = 0
    by_tag: dict[str, int] = {}
    by_dag: dict[str, int] = {}
    anywhere = 0
    for grant in grants:
        anywhere |= grant.powers
        if grant.reach.is_wide:
            wide |= grant.powers
        else:
            by = by_tag if grant.reach.kind == "tag" else by_dag
            by[grant.reach.id] = by.get(grant.reach.id, 0) | grant.powers
    return Access(grants, wide, by_tag, by_dag, anywhere)


def _clause(access: Access, bit: int) -> Clause:
    tags = frozenset(tag for tag, powers in access.by_tag.items() if powers & bit)
    return Clause(tags, frozenset(dag_id for dag_id, powers in access.by_dag.items() if powers & bit))


def _bits(permissions: int) -> Iterator[int]:
    while permissions:
        bit = permissions & -permissions
        yield bit
        permissions ^= bit
