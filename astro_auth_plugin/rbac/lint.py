"""What is odd about a policy that can be used: what `validate` warns of, grants that reach too far, and what is dead.

Every finding belongs to a rule of `RULES`, which says why it matters and what to do.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Literal, NamedTuple

from astro_auth_plugin.rbac import policy_checks
from astro_auth_plugin.rbac.lint_grants import Grant, Grants
from astro_auth_plugin.rbac.permissions import DAG_WORDS, mask
from astro_auth_plugin.rbac.policy import Policy, spell
from astro_auth_plugin.rbac.policy_checks import Finding
from astro_auth_plugin.rbac.policy_text import Path
from astro_auth_plugin.rbac.roles import BUILT_IN
from astro_auth_plugin.rbac.scopes import Dag

LARGE_TEAM = 10
"""With more people than this a Team is large."""

_CHANGES_DAGS = mask("dag.update", "dag.delete", "dagRun.create", "dagRun.update", "taskInstance.update")


class Rule(NamedTuple):
    """A rule: how grave what it finds is, why that matters, and what to do."""

    severity: Literal["warning", "info"]
    why: str
    advice: str


RULES: Mapping[str, Rule] = MappingProxyType(
    {
        "legacy-role": Rule("warning", "the role has a name of Astro's past", "use today's role"),
        "dag-role-lacks-pages": Rule(
            "warning", "Airflow's pages of a Dag show errors to people with this role", "add the permissions it names"
        ),
        "write-without-read": Rule(
            "warning", "a write answers with what it touched, so it shows what cannot be seen", "add the `get` too"
        ),
        "asset-event-starts-dags": Rule(
            "warning", "recording an asset event starts Dags", "add `dagRun.create`, or take `datasets.create` away"
        ),
        "empty-team": Rule("warning", "nobody is in the Team, so its roles are nobody's", "add people, or remove it"),
        "token-never-expires": Rule("warning", "who finds the secret can use it for ever", "give it an end"),
        "token-expires-soon": Rule("warning", "what uses the token will stop working", "make a new token in time"),
        "token-expired": Rule("warning", "the token does not work any more", "remove it"),
        "unknown-tag": Rule(
            "warning", "the role reaches no Dag, and whoever uses the tag first gets its people", "correct or remove it"
        ),
        "unknown-dag": Rule(
            "warning", "the role reaches nothing, and counts for the first Dag of that id", "correct or remove it"
        ),
        "shown-by-airflow": Rule(
            "warning", "Airflow shows it without asking, so no role keeps it back", "do what the message says"
        ),
        "other-warning": Rule("warning", "`validate` warns of it", "see the message"),
        "wide-role-of-large-team": Rule(
            "warning", "many people, or those of a group, may do everything and give roles", "give it to fewer people"
        ),
        "owner-token": Rule(
            "warning", "whoever has the secret may do everything and give roles", "give it the role that it needs"
        ),
        "wide-beside-dag-roles": Rule(
            "info", "the Team changes every Dag, so its roles on Dags limit nothing", "take one of the two away"
        ),
        "role-could-be-on-dags": Rule(
            "info",
            "the role has only permissions that can be given by tag",
            "make its scope `DAG`, if few Dags are meant",
        ),
        "superfluous-grant": Rule("warning", "the same entry gives all of it already", "remove it"),
        "dag-role-covered": Rule(
            "warning", "a role on the whole Deployment gives all of it already", "remove it, or the wider role"
        ),
        "covered-by-team": Rule(
            "info", "the person's Teams give all of it already", "remove it, unless it is to outlast the Team"
        ),
        "unused-role": Rule("warning", "nobody holds the custom role", "remove it, or give it to somebody"),
        "no-roles": Rule("info", "the entry gives nothing", "give it roles, or remove it"),
        "tag-without-grant": Rule(
            "info", "it looks like the tags that grants use, but none uses it", "correct the Dag, or grant on the tag"
        ),
    }
)
"""Every rule by name, in the order of the documentation."""


class LintFinding(NamedTuple):
    """Something that a rule found: 1-based line and column, 0 where no place is known."""

    line: int
    column: int
    rule: str
    path: str
    message: str


class Dags(NamedTuple):
    """All Dags of one Deployment."""

    deployment_id: str
    dags: Collection[Dag]


def lint(policy: Policy, now: datetime | None = None, dags: Dags | None = None) -> tuple[LintFinding, ...]:
    """Return what is odd about a policy without errors, by line.

    Args:
        policy: the policy.
        now: the time, with a time zone, for what is said of tokens that expire.
        dags: the Dags to hold the grants of one Deployment against; None says nothing of tags and ids.
    """
    grants = Grants(policy.document)
    values = policy.document.model_dump(exclude_unset=True)
    found = [*policy_checks.warnings(values, now)]
    for rule in _RULES:
        found += rule(policy, grants)
    if dags is not None:
        tags = {tag for dag in dags.dags for tag in dag.tags}
        ids = {dag.id for dag in dags.dags}
        found += policy_checks.unmatched(values, dags.deployment_id, ids, tags)
        found += _tags_without_grant(grants, dags.deployment_id, tags)
    return tuple(sorted(_placed(policy, finding) for finding in found))


def _placed(policy: Policy, finding: Finding) -> LintFinding:
    line, column = policy.place(finding.path) if finding.path else (0, 0)
    return LintFinding(line, column, finding.rule, spell(finding.path), finding.message)


def _finding(path: Path, rule: str, message: str) -> Finding:
    return Finding(path, message, "warning", rule=rule)


# -- too far -------------------------------------------------------------------------------------------------------


def _gives_widely(role: str) -> bool:
    built_in = BUILT_IN.get(role)
    return built_in is not None and "WORKSPACE" in built_in.gives


def _large_teams(policy: Policy, grants: Grants) -> Iterator[Finding]:
    for team, held in zip(policy.document.teams, grants.of_teams, strict=True):
        many = len(team.members) > LARGE_TEAM
        for grant in held:
            if _gives_widely(grant.role) and (many or team.idp_groups):
                who = f"{len(team.members)} people" if many else "everybody of a group"
                yield _finding(grant.path, "wide-role-of-large-team", f"`{grant.role}` for {who} in Team `{team.name}`")


def _owner_tokens(policy: Policy, grants: Grants) -> Iterator[Finding]:
    for token, held in zip(policy.document.api_tokens, grants.of_tokens, strict=True):
        for grant in held:
            if _gives_widely(grant.role):
                yield _finding(grant.path, "owner-token", f"`{grant.role}` for API token `{token.id}`")


def _wide_beside_dag_roles(policy: Policy, grants: Grants) -> Iterator[Finding]:
    for team, held in zip(policy.document.teams, grants.of_teams, strict=True):
        reached = {where for grant in held if grant.where.on_dags for where in grants.reaching(grant.where)[1:]}
        for grant in held:
            if grant.where in reached and grants.powers(grant.role) & _CHANGES_DAGS:
                message = f"`{grant.role}` reaches every Dag, and Team `{team.name}` holds roles on single Dags too"
                yield _finding(grant.path, "wide-beside-dag-roles", message)


def _roles_that_could_be_on_dags(policy: Policy, grants: Grants) -> Iterator[Finding]:
    held = {grant.role for grant in grants.everything()}
    for at, role in enumerate(policy.document.roles):
        on_dags = all(f"dag.{word.removeprefix('deployment.')}" in DAG_WORDS for word in role.permissions)
        if role.scope == "DEPLOYMENT" and role.permissions and on_dags and role.name in held:
            message = f"role `{role.name}` reaches every Dag, and holds only what can be held on single Dags"
            yield _finding(("roles", at), "role-could-be-on-dags", message)


# -- dead ----------------------------------------------------------------------------------------------------------


def _superfluous(_: Policy, grants: Grants) -> Iterator[Finding]:
    for grant, covers in grants.superfluous():
        given = " and ".join(f"`{cover.role}` at {spell(cover.path)}" for cover in covers[:3])
        yield _finding(grant.path, _kind_of_cover(grant, covers), f"`{grant.role}` gives nothing beside {given}")


def _kind_of_cover(grant: Grant, covers: tuple[Grant, ...]) -> str:
    if grant.where.on_dags and not any(cover.where.on_dags for cover in covers):
        return "dag-role-covered"
    entry = grant.path[:2]
    return "superfluous-grant" if all(cover.path[:2] == entry for cover in covers) else "covered-by-team"


def _unused_roles(policy: Policy, grants: Grants) -> Iterator[Finding]:
    held = {grant.role for grant in grants.everything()}
    for at, role in enumerate(policy.document.roles):
        if role.name not in held:
            yield _finding(("roles", at), "unused-role", f"nobody holds role `{role.name}`")


def _without_roles(policy: Policy, grants: Grants) -> Iterator[Finding]:
    document = policy.document
    teams = [(("teams", at), f"Team `{team.name}`") for at, team in enumerate(document.teams)]
    users = [(("users", at), f"user `{user.email}`") for at, user in enumerate(document.users)]
    tokens = [(("api_tokens", at), f"API token `{token.id}`") for at, token in enumerate(document.api_tokens)]
    held = [*grants.of_teams, *grants.of_users, *grants.of_tokens]
    for (path, name), of_entry in zip([*teams, *users, *tokens], held, strict=True):
        if not of_entry:
            yield _finding(path, "no-roles", f"{name} has no roles")


def _tags_without_grant(grants: Grants, deployment_id: str, tags: set[str]) -> Iterator[Finding]:
    granted = {
        grant.where.id
        for grant in grants.everything()
        if grant.where.kind == "DAG_TAG" and grant.where.deployment_id == deployment_id
    }
    forms = {tag.partition(":")[0] for tag in granted if ":" in tag}
    for tag in sorted(tags - granted):
        form, colon, _ = tag.partition(":")
        if colon and form in forms:
            yield _finding((), "tag-without-grant", f"Dags carry the tag `{tag}`, and no grant names it")


_RULES: tuple[Callable[[Policy, Grants], Iterator[Finding]], ...] = (
    _large_teams,
    _owner_tokens,
    _wide_beside_dag_roles,
    _roles_that_could_be_on_dags,
    _superfluous,
    _unused_roles,
    _without_roles,
)
