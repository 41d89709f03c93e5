"""What is odd about a policy that can be used: what `validate` warns of, grants that reach too far, and what is dead.

Every finding belongs to a rule of `lint_rules.RULES`, which says why it matters and what to do.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from datetime import datetime
from typing import NamedTuple

from astro_auth_plugin.rbac.model.permissions import DAG_WORDS, mask
from astro_auth_plugin.rbac.model.roles import BUILT_IN
from astro_auth_plugin.rbac.model.scopes import Dag, GrantScope
from astro_auth_plugin.rbac.model.subjects import user_subject
from astro_auth_plugin.rbac.policy import warnings
from astro_auth_plugin.rbac.policy.diagnostics import Diagnostic, spell
from astro_auth_plugin.rbac.policy.grants import Grant
from astro_auth_plugin.rbac.policy.loader import Policy
from astro_auth_plugin.rbac.policy.yaml_reader import Path, Place
from astro_auth_plugin.rbac.review.lint_rules import RULES
from astro_auth_plugin.rbac.review.redundant_grants import Grants

LARGE_TEAM = 10
"""With more people than this a Team is large."""

_CHANGES_DAGS = mask("dag.update", "dag.delete", "dagRun.create", "dagRun.update", "taskInstance.update")


class Dags(NamedTuple):
    """All Dags of one Deployment."""

    deployment_id: str
    dags: Collection[Dag]


def lint(policy: Policy, now: datetime | None = None, dags: Dags | None = None) -> tuple[Diagnostic, ...]:
    """Return what is odd about a policy without errors, by line.

    Args:
        policy: the policy.
        now: the time, with a time zone, for what is said of tokens that expire.
        dags: the Dags to check the grants of one Deployment against; None says nothing of tags and ids.
    """
    grants = Grants(policy.document)
    found = [*warnings.warnings(policy.document, now)]
    for rule in _RULES:
        found += rule(policy, grants)
    if dags is not None:
        tags = {tag for dag in dags.dags for tag in dag.tags}
        found += warnings.unmatched(policy.document, dags.deployment_id, dags.dags)
        found += _tags_without_grant(grants, dags.deployment_id, tags)
    return tuple(sorted((_placed(policy, finding) for finding in found), key=order))


def order(finding: Diagnostic) -> tuple[Place, str, str, str]:
    """Return what findings are sorted by."""
    return finding.place, finding.rule, finding.where, finding.message


def _placed(policy: Policy, finding: Diagnostic) -> Diagnostic:
    return finding._replace(place=policy.place(finding.path)) if finding.path else finding


def _finding(path: Path, rule: str, message: str) -> Diagnostic:
    return Diagnostic(path, message, RULES[rule].severity, rule)


# -- too far -------------------------------------------------------------------------------------------------------


def _gives_widely(role: str) -> bool:
    built_in = BUILT_IN.get(role)
    return built_in is not None and "WORKSPACE" in built_in.gives


def _large_teams(policy: Policy, grants: Grants) -> Iterator[Diagnostic]:
    for team, held in zip(policy.document.teams, grants.of_teams, strict=True):
        many = len(team.members) > LARGE_TEAM
        for grant in held:
            if _gives_widely(grant.role) and (many or team.idp_groups):
                who = f"{len(team.members)} people" if many else "all users of a group"
                yield _finding(grant.path, "wide-role-of-large-team", f"`{grant.role}` for {who} in Team `{team.name}`")


def _owner_tokens(policy: Policy, grants: Grants) -> Iterator[Diagnostic]:
    for token, held in zip(policy.document.api_tokens, grants.of_tokens, strict=True):
        for grant in held:
            if _gives_widely(grant.role):
                yield _finding(grant.path, "owner-token", f"`{grant.role}` for API token `{token.id}`")


def _wide_beside_dag_roles(policy: Policy, grants: Grants) -> Iterator[Diagnostic]:
    for team, held in zip(policy.document.teams, grants.of_teams, strict=True):
        reached = {scope for grant in held if grant.scope.is_on_dags for scope in grants.enclosing(grant.scope)[1:]}
        for grant in held:
            if grant.scope in reached and grants.permissions(grant.role) & _CHANGES_DAGS:
                message = f"`{grant.role}` applies to every Dag, and Team `{team.name}` has roles on single Dags too"
                yield _finding(grant.path, "wide-beside-dag-roles", message)


def _roles_that_could_be_on_dags(policy: Policy, grants: Grants) -> Iterator[Diagnostic]:
    held = {grant.role for grant in grants.everything()}
    for at, role in enumerate(policy.document.roles):
        on_dags = all(f"dag.{word.removeprefix('deployment.')}" in DAG_WORDS for word in role.permissions)
        if role.scope == "DEPLOYMENT" and role.permissions and on_dags and role.name in held:
            message = f"role `{role.name}` applies to every Dag, and all its permissions can be granted on single Dags"
            yield _finding(("roles", at), "role-could-be-on-dags", message)


# -- dead ----------------------------------------------------------------------------------------------------------


def _redundant(_: Policy, grants: Grants) -> Iterator[Diagnostic]:
    covered = set()
    for grant, covers in grants.redundant():
        covered.add(grant.path)
        given = " and ".join(f"`{cover.role}` at {spell(cover.path)}" for cover in covers[:3])
        yield _finding(grant.path, _kind_of_cover(grant, covers), f"`{grant.role}` adds nothing to {given}")
    for held in (*grants.of_teams, *grants.of_users, *grants.of_tokens):
        yield from _roles_in_one_place(grant for grant in held if grant.path not in covered)


def _roles_in_one_place(held: Iterable[Grant]) -> Iterator[Diagnostic]:
    first: dict[GrantScope, Grant] = {}
    for grant in held:
        other = first.setdefault(grant.scope, grant)
        if other is not grant:
            message = f"`{grant.role}` is granted on the same scope as `{other.role}` at {spell(other.path)}"
            yield _finding(grant.path, "roles-in-one-place", message)


def _listed_twice(policy: Policy, _: Grants) -> Iterator[Diagnostic]:
    for at, role in enumerate(policy.document.roles):
        yield from _repeated(("roles", at, "permissions"), role.permissions)
        yield from _repeated(("roles", at, "restricted_workspace_ids"), role.restricted_workspace_ids or ())
    for at, team in enumerate(policy.document.teams):
        yield from _repeated(("teams", at, "members"), [member.email for member in team.members], user_subject)
        yield from _repeated(("teams", at, "idp_groups"), team.idp_groups)


def _repeated(path: Path, words: Iterable[str], same: Callable[[str], str] = str) -> Iterator[Diagnostic]:
    seen: set[str] = set()
    for position, word in enumerate(words):
        if same(word) in seen:
            yield _finding((*path, position), "listed-twice", f"`{word}` is listed twice")
        seen.add(same(word))


def _similar_tags(_: Policy, grants: Grants) -> Iterator[Diagnostic]:
    first: dict[tuple[str, str], str] = {}
    for grant in grants.everything():
        tag = grant.scope.id
        if grant.scope.kind == "tag":
            other = first.setdefault((grant.scope.deployment_id, tag.casefold()), tag)
            if other != tag:
                yield _finding(grant.path, "similar-tags", f"the tag `{tag}` is not the tag `{other}` of another grant")


def _kind_of_cover(grant: Grant, covers: tuple[Grant, ...]) -> str:
    if grant.scope.is_on_dags and all(cover.scope.is_deployment_wide for cover in covers):
        return "dag-role-covered"
    entry = grant.path[:2]
    return "superfluous-grant" if all(cover.path[:2] == entry for cover in covers) else "covered-by-team"


def _unused_roles(policy: Policy, grants: Grants) -> Iterator[Diagnostic]:
    held = {grant.role for grant in grants.everything()}
    for at, role in enumerate(policy.document.roles):
        if role.name not in held:
            yield _finding(("roles", at), "unused-role", f"role `{role.name}` is never granted")


def _without_roles(policy: Policy, grants: Grants) -> Iterator[Diagnostic]:
    document = policy.document
    teams = [(("teams", at), f"Team `{team.name}`") for at, team in enumerate(document.teams)]
    users = [(("users", at), f"user `{user.email}`") for at, user in enumerate(document.users)]
    tokens = [(("api_tokens", at), f"API token `{token.id}`") for at, token in enumerate(document.api_tokens)]
    held = [*grants.of_teams, *grants.of_users, *grants.of_tokens]
    for (path, name), of_entry in zip([*teams, *users, *tokens], held, strict=True):
        if not of_entry:
            yield _finding(path, "no-roles", f"{name} has no roles")


def _tags_without_grant(grants: Grants, deployment_id: str, tags: set[str]) -> Iterator[Diagnostic]:
    granted = {
        grant.scope.id
        for grant in grants.everything()
        if grant.scope.kind == "tag" and grant.scope.deployment_id == deployment_id
    }
    forms = {tag.partition(":")[0] for tag in granted if ":" in tag}
    by_letters = {tag.casefold(): tag for tag in sorted(granted)}
    for tag in sorted(tags - granted):
        form, colon, _ = tag.partition(":")
        if similar := by_letters.get(tag.casefold()):
            yield _finding(
                (), "similar-tags", f"Dags carry the tag `{tag}`, which is not the tag `{similar}` of a grant"
            )
        elif colon and form in forms:
            yield _finding((), "tag-without-grant", f"Dags carry the tag `{tag}`, and no grant names it")


_RULES: tuple[Callable[[Policy, Grants], Iterator[Diagnostic]], ...] = (
    _large_teams,
    _owner_tokens,
    _wide_beside_dag_roles,
    _roles_that_could_be_on_dags,
    _redundant,
    _listed_twice,
    _similar_tags,
    _unused_roles,
    _without_roles,
)
