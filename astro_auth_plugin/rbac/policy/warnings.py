"""What is allowed in a policy but likely not meant."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from datetime import datetime, timedelta

from astro_auth_plugin.rbac.model.actions import NEED_DAG_GET
from astro_auth_plugin.rbac.model.permissions import (
    ASTRO_WORDS,
    DEPLOYMENT_WORDS,
    TABLE,
    is_of_astro,
    mask,
    mask_of_words,
    names,
)
from astro_auth_plugin.rbac.model.roles import BUILT_IN
from astro_auth_plugin.rbac.model.scopes import Dag
from astro_auth_plugin.rbac.policy import object_warnings
from astro_auth_plugin.rbac.policy.diagnostics import Diagnostic, warning
from astro_auth_plugin.rbac.policy.document import ApiToken, CustomRole, Member, PolicyDocument, RoleGrant, Team
from astro_auth_plugin.rbac.policy.grants import grants
from astro_auth_plugin.rbac.policy.hints import Hints, misspelling_of
from astro_auth_plugin.rbac.policy.yaml_reader import Path

EXPIRES_SOON = timedelta(days=14)
_OWNER = "ORGANIZATION_OWNER"

_LEGACY = {role.name: (role, BUILT_IN[role.today]) for role in BUILT_IN.values() if role.today}
"""Each legacy role with that of today."""

# Without these the Airflow pages of a Dag show errors instead of the Dag.
_PAGES_NEED = mask("dag.get", "dagRun.get", "taskInstance.get", "dagDependencies.get")


def warnings(document: PolicyDocument, now: datetime | None) -> Iterator[Diagnostic]:
    """Yield what is allowed but likely not meant, of a document without errors.

    Args:
        document: the document.
        now: the time, with a time zone, for what is said of ends; None says nothing of them.
    """
    held_by_people = set()
    for path, grant in _grants_of_holders(document):
        held_by_people.add(grant.role)
        if grant.role in _LEGACY:
            yield _legacy(path, grant.role)
        if grant.expires_at is not None:
            yield from _grant_expiry(path, grant, now)
    yield from _last_owner(document)
    yield from object_warnings.warnings(document)
    for index, role in enumerate(document.roles):
        yield from _weak_role(("roles", index), role, role.name in held_by_people)
    for index, team in enumerate(document.teams):
        yield from _team(("teams", index), team, now)
    names_of_tokens: set[str] = set()
    for index, token in enumerate(document.api_tokens):
        path = ("api_tokens", index)
        if token.name in names_of_tokens:
            yield warning((*path, "name"), f"another API token is named `{token.name}`, and logs show the name")
        names_of_tokens.add(token.name)
        yield from _token_expiry(path, token, now)
        for at, role_of_token in enumerate(token.roles):
            if role_of_token.role in _LEGACY:
                yield _legacy((*path, "roles", at), role_of_token.role)


def unmatched(document: PolicyDocument, deployment_id: str, dags: Collection[Dag]) -> Iterator[Diagnostic]:
    """Yield a warning for every grant in the Deployment on a Dag id, tag, bundle or folder that no Dag has.

    Nothing is said of bundles where it is unknown in which one a Dag is.

    Args:
        document: a document without errors.
        deployment_id: the Deployment whose Dags are given.
        dags: all its Dags.
    """
    hints = Hints()
    dag_ids = {dag.id for dag in dags}
    tags = {tag for dag in dags for tag in dag.tags}
    places = {place for dag in dags if dag.file for place in dag.file.places}
    knows_files = all(dag.file for dag in dags)
    for grant in grants(document):
        kind, name, where, folder = grant.scope
        if where == deployment_id and kind == "bundle" and knows_files and (name, folder) not in places:
            known = {place if folder else bundle for bundle, place in places if not folder or bundle == name}
            message = f"no Dag is in {grant.scope}{hints.did_you_mean(folder or name, known)}"
            yield warning((*grant.path, "folder") if folder else grant.id_path, message, "unknown-bundle")
        if where == deployment_id and kind == "tag" and name not in tags:
            message = f"no Dag carries the tag `{name}`{hints.did_you_mean(name, tags)}"
            yield warning(grant.id_path, message, "unknown-tag")
        if where == deployment_id and kind == "Dag" and name not in dag_ids:
            message = f"there is no Dag `{name}`{hints.did_you_mean(name, dag_ids)}"
            yield warning(grant.id_path, message, "unknown-dag")


def _grants_of_holders(document: PolicyDocument) -> Iterator[tuple[Path, RoleGrant]]:
    """Yield what users and Teams are granted, each with its path."""
    for key in ("teams", "users"):
        for position, holder in enumerate(getattr(document, key)):
            if holder.organization_role:
                yield (key, position, "organization_role"), holder.organization_role
            for of_level in ("workspace_roles", "deployment_roles", "dag_roles", "object_roles"):
                for index, grant in enumerate(getattr(holder, of_level)):
                    yield (key, position, of_level, index), grant


def _last_owner(document: PolicyDocument) -> Iterator[Diagnostic]:
    """Warn if every Organization Owner ends; people of groups, who come and go, may be lasting ones."""
    ends: list[tuple[datetime, Path]] = []
    for key in ("teams", "users"):
        for position, holder in enumerate(getattr(document, key)):
            given = holder.organization_role
            if given is None or given.role != _OWNER:
                continue
            if given.expires_at is not None:
                ends.append((given.expires_at, (key, position, "organization_role", "expires_at")))
                continue
            members = holder.members if key == "teams" else ()
            if key == "users" or holder.idp_groups or any(member.expires_at is None for member in members):
                return
            ends += [
                (member.expires_at, (key, position, "members", index, "expires_at"))
                for index, member in enumerate(members)
            ]
    if ends:
        message = "no Organization Owner is left when this ends: give a user that role without an end"
        yield warning(max(ends)[1], message, "last-owner-ends")


def _team(path: Path, team: Team, now: datetime | None) -> Iterator[Diagnostic]:
    if not team.members and not team.idp_groups:
        yield warning(path, "this Team has neither members nor groups", "empty-team")
    for index, member in enumerate(team.members):
        if member.expires_at is not None:
            yield from _membership_expiry((*path, "members", index), member, now)


def _legacy(path: Path, name: str) -> Diagnostic:
    role, today = _LEGACY[name]
    more = ", which has more permissions" if today.permissions & ~role.permissions else ""
    message = f"`{name}` is a legacy role; its current name is `{today.name}`{more}"
    return warning((*path, "role"), message, "legacy-role")


def _weak_role(path: Path, role: CustomRole, held_by_people: bool) -> Iterator[Diagnostic]:
    permissions = mask_of_words(role.permissions, role.scope)
    yield from _without_effect(path, role, permissions)
    if role.scope == "DAG" and held_by_people and (lacking := names(_PAGES_NEED & ~permissions)):
        listed = " ".join(f"`{name}`" for name in lacking)
        yield warning(
            path, f"users have this role, but Airflow's pages of a Dag also need {listed}", "dag-role-lacks-pages"
        )
    for row in TABLE:
        writes = [verb for verb in ("update", "delete") if permissions & _bit(row.name, verb)]
        if writes and not permissions & _bit(row.name, "get"):
            reported = f"`{row.name}.{writes[0]}` without `{row.name}.get`"
            yield warning(
                path,
                f"{reported}: the response of a write shows the object, which the role may not read",
                "write-without-read",
            )
    if permissions & mask("datasets.create") and not permissions & mask("dagRun.create"):
        yield warning(
            path,
            "`datasets.create` without `dagRun.create`: recording an asset event starts Dags",
            "asset-event-starts-dags",
        )


def _without_effect(path: Path, role: CustomRole, permissions: int) -> Iterator[Diagnostic]:
    for position, word in enumerate(role.permissions):
        if is_of_astro(word) and word not in ASTRO_WORDS:
            message = f"unknown Astro permission `{word}`, without effect in Airflow{misspelling_of(word, ASTRO_WORDS)}"
            yield warning((*path, "permissions", position), message, "unknown-astro-permission")
    if role.scope == "DEPLOYMENT" and permissions & NEED_DAG_GET and not permissions & mask("dag.get"):
        listed = ", ".join(f"`{name}`" for name in names(permissions & NEED_DAG_GET))
        message = f"{listed} without `dag.get`: without effect on Dags on which no other role gives `dag.get`"
        yield warning(path, message, "needs-dag-get")


def _bit(name: str, verb: str) -> int:
    return DEPLOYMENT_WORDS.get(f"deployment.airflow.{name}.{verb}", 0)


def _grant_expiry(path: Path, grant: RoleGrant, now: datetime | None) -> Iterator[Diagnostic]:
    end = grant.expires_at
    if now is None:
        return
    if end <= now:
        yield warning((*path, "expires_at"), f"this grant of `{grant.role}` has ended", "grant-ended")
    elif end <= now + EXPIRES_SOON:
        message = f"this grant of `{grant.role}` ends within {EXPIRES_SOON.days} days"
        yield warning((*path, "expires_at"), message, "grant-ends-soon")


def _membership_expiry(path: Path, member: Member, now: datetime | None) -> Iterator[Diagnostic]:
    end = member.expires_at
    if now is None:
        return
    if end <= now:
        yield warning((*path, "expires_at"), f"the membership of `{member.email}` has ended", "membership-ended")
    elif end <= now + EXPIRES_SOON:
        message = f"the membership of `{member.email}` ends within {EXPIRES_SOON.days} days"
        yield warning((*path, "expires_at"), message, "membership-ends-soon")


def _token_expiry(path: Path, token: ApiToken, now: datetime | None) -> Iterator[Diagnostic]:
    expires_at = token.expires_at
    if expires_at is None:
        yield warning((*path, "expires_at"), "this API token never expires", "token-never-expires")
    elif now and expires_at <= now:
        yield warning((*path, "expires_at"), "this API token has expired", "token-expired")
    elif now and expires_at <= now + EXPIRES_SOON:
        yield warning(
            (*path, "expires_at"), f"this API token expires within {EXPIRES_SOON.days} days", "token-expires-soon"
        )
