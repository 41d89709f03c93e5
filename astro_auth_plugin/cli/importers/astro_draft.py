"""A policy from what a Terraform state of Astronomer's provider or answers of Astro's API say."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from astro_auth_plugin.cli.exit_codes import CommandFailed
from astro_auth_plugin.cli.importers import astro_shapes as shapes
from astro_auth_plugin.cli.importers.astro_facts import Facts, Said
from astro_auth_plugin.cli.importers.policy_draft import Draft, Entry
from astro_auth_plugin.cli.importers.pruning import prune
from astro_auth_plugin.rbac.model.errors import UnreadablePolicy
from astro_auth_plugin.rbac.model.roles import BUILT_IN
from astro_auth_plugin.rbac.model.subjects import is_email, normalize_email
from astro_auth_plugin.rbac.policy import yaml_reader

_KEYS = ("workspace_roles", "deployment_roles", "dag_roles")
_NONE = shapes.Roles()

_GROUPS = "The identity provider manages this Team: name its groups in `idp_groups`, or keep `members` up to date."


def read_emails(path: Path) -> dict[str, str]:
    """Read which e-mail each user id has.

    Raises:
        CommandFailed: if the file is not a mapping from ids to e-mails.
    """
    try:
        with path.open("rb") as file:
            # One byte more is enough to see that it is too large; some files have no end.
            values = yaml_reader.read(file.read(yaml_reader.MAX_BYTES + 1)).values
    except OSError as error:
        raise CommandFailed(f"{path}: cannot read the e-mails: {error.strerror or error}") from None
    except UnreadablePolicy as error:
        raise CommandFailed(f"{path}: cannot read the e-mails: {error}") from None
    if not isinstance(values, dict):
        raise CommandFailed(f"{path}: expected a mapping from user ids to e-mails")
    for user_id, email in values.items():
        if not isinstance(user_id, str) or not isinstance(email, str) or not is_email(email):
            raise CommandFailed(f"{path}: expected the text of an id and an e-mail, found `{user_id}: {email}`")
    return values


def organization_of(facts: Facts) -> str:
    """Return the Organization that is named, '' if none.

    Raises:
        CommandFailed: if it names several.
    """
    if len(facts.organizations) > 1:
        ids = ", ".join(f"`{each}`" for each in sorted(facts.organizations))
        raise CommandFailed(f"several Organizations are named: name one of {ids} with --organization")
    return next(iter(facts.organizations), "")


def draft_of(facts: Facts, made: str, organization_id: str) -> Draft:
    """Return a policy of what can be expressed; what cannot is listed. `made` says by which command and from what."""
    draft = Draft(made, organization_id, left_out=list(facts.left_out))
    draft.lists["workspaces"] = []
    draft.lists["deployments"] = [
        Entry(_filled(id=found.id, workspace_id=found.workspace_id, name=found.name))
        for found in _by_id(facts.deployments)
    ]
    draft.lists["roles"], doubtful = _custom_roles(facts, draft.left_out)
    draft.lists["teams"] = _teams(facts, doubtful, draft.left_out)
    members = {email for team in draft.lists["teams"] for email in team.values.get("members", ())}
    draft.lists["users"] = _users(facts, doubtful, draft.left_out, members)
    draft.lists["workspaces"] = _workspaces(facts, draft)
    draft.left_out += [_token(token) for token in sorted(facts.tokens.values(), key=lambda token: token.name)]
    prune(draft)
    return draft


def _by_id(found: Mapping[str, Any]) -> list[Any]:
    return [found[each] for each in sorted(found)]


def _filled(**values: Any) -> dict[str, Any]:
    """Return what says something."""
    return {key: value for key, value in values.items() if value}


def _workspaces(facts: Facts, draft: Draft) -> list[Entry]:
    """Return every Workspace that is known or that something in the policy names: grants have their ids."""
    named = {found.workspace_id for found in facts.deployments.values()}
    for entry in [*draft.lists["teams"], *draft.lists["users"]]:
        named |= {grant["workspace_id"] for grant in entry.values.get("workspace_roles", ())}
    for role in facts.custom_roles:
        named |= set(role.restricted_workspace_ids)
    known = facts.workspaces
    return [
        Entry(_filled(id=each, name=known[each].name if each in known else ""))
        for each in sorted(named | set(known))
        if each
    ]


def _custom_roles(facts: Facts, left_out: list[str]) -> tuple[list[Entry], set[str]]:
    """Return the custom roles, and the names whose meaning is unknown: no grant of these is taken."""
    by_name: dict[str, list[dict[str, Any]]] = {}
    for role in sorted(facts.custom_roles, key=lambda role: role.name):
        values, same_name = _custom_role(role), by_name.setdefault(role.name, [])
        same_name += [values] if values not in same_name else []
    doubtful = {name for name, several in by_name.items() if len(several) > 1 or name in BUILT_IN}
    left_out += [
        f"role `{name}`: built in, or another of this name differs; no grant is taken" for name in sorted(doubtful)
    ]
    return [Entry(several[0]) for name, several in by_name.items() if name not in doubtful], doubtful


def _custom_role(role: shapes.CustomRole) -> dict[str, Any]:
    values = _filled(name=role.name, description=role.description, scope=role.scope_type)
    values["permissions"] = sorted(role.permissions)
    return values | _filled(restricted_workspace_ids=sorted(role.restricted_workspace_ids))


# -- who has what ------------------------------------------------------------------------------------------------


def _teams(facts: Facts, doubtful: set[str], left_out: list[str]) -> list[Entry]:
    entries = []
    for team in sorted(facts.teams.values(), key=lambda team: (team.name, team.id)):
        who = f"Team `{team.name}`"
        members = _members(facts, team, who, left_out)
        roles = _decided(facts.said_of_team(team.id), who, left_out)
        values = _filled(name=team.name, description=team.description, members=members)
        values |= _grants(roles, doubtful, who, left_out)
        entries.append(Entry(values, (_GROUPS,) if team.is_idp_managed else ()))
    for team_id in sorted({*facts.roles_of_teams, *facts.memberships} - set(facts.teams)):
        who = f"Team {team_id}: its name is unknown"
        roles = _decided(facts.said_of_team(team_id), who, left_out)
        joined = ", ".join(sorted(_user(facts, each) for each in facts.memberships.get(team_id, ())))
        more = [f"its roles: {roles}" if roles and roles != _NONE else "", f"its members: {joined}" if joined else ""]
        left_out.append("; ".join(filter(None, [who, *more])))
    return entries


def _members(facts: Facts, team: shapes.Team | shapes.TeamData, who: str, left_out: list[str]) -> list[str]:
    """Return the e-mails of a Team's people.

    `member_ids` is the whole Team where it is set; what is said of single members is used where it is not.
    """
    joined = facts.memberships.get(team.id, set())
    listed = set(team.member_ids) if isinstance(team, shapes.Team) else set()
    if listed:
        left_out += [f"{who}: member {_user(facts, each)}, who is not in its list" for each in sorted(joined - listed)]
    emails = [_email(facts, each, f"{who}: member {_user(facts, each)}", left_out) for each in sorted(listed or joined)]
    return sorted(filter(None, emails))


def _users(facts: Facts, doubtful: set[str], left_out: list[str], members: set[str]) -> list[Entry]:
    entries = []
    for user_id in sorted(facts.roles_of_users):
        who = f"user {_user(facts, user_id)}"
        roles = _decided(facts.roles_of_users[user_id], who, left_out)
        email = _email(facts, user_id, who, left_out, roles)
        if email and roles and roles != _NONE:
            entries.append(Entry({"email": email} | _grants(roles, doubtful, who, left_out)))
        elif email and roles and email not in members:
            left_out.append(f"{who}: has no role and is in no Team")
    taken = {entry.values["email"] for entry in entries} | members
    left_out += [
        f"invite of `{invite.email}`: unknown whether it was accepted; {invite.role or 'no role'} is not given"
        for invite in facts.invites
        if invite.user_id not in facts.statuses and normalize_email(invite.email) not in taken
    ]
    return sorted(entries, key=lambda entry: str(entry.values["email"]))


def _user(facts: Facts, user_id: str) -> str:
    known = facts.emails.get(user_id, set())
    return f"`{next(iter(known))}`" if len(known) == 1 else user_id


def _email(facts: Facts, user_id: str, who: str, left_out: list[str], roles: shapes.Roles | None = None) -> str:
    """Return a user's e-mail; '' with the reason listed, and the roles that are lost, when it is unknown."""
    known = facts.emails.get(user_id, set())
    inactive = facts.statuses.get(user_id, set()) - {"ACTIVE"}
    if "PENDING" in inactive:
        why = "has not accepted the invite (PENDING); add the user afterwards"
    elif inactive:
        why = f"not an active user ({', '.join(sorted(inactive))})"
    elif not known:
        why = "the e-mail is unknown; add it in a file with --emails"
    elif len(known) > 1:
        why = "several e-mails are known; name the right one in a file with --emails"
    else:
        return next(iter(known))
    left_out.append(f"{who}: {why}" + (f"; its roles: {roles}" if roles else ""))
    return ""


def _decided(said: Said, who: str, left_out: list[str]) -> shapes.Roles | None:
    """Return the roles of a user or Team, None when they are unknown or when resources disagree."""
    several = said.managed or said.bare or _together(said.read)
    organization_roles = {each.organization_role for each in [*several, *said.bare]}
    if len(several) > 1 or len(organization_roles) > 1:
        differing = " | ".join(sorted(map(str, [*several, *said.bare])))
        left_out.append(f"{who}: resources disagree on its roles, so none is used: {differing}")
        return None
    roles = several[0] if several else _NONE
    # Data sources are read before resources are changed, so what only they have may have been taken away.
    only_read = {str(each) for read in said.read for each in read.each() - roles.each()}
    only_read |= {read.organization_role for read in said.read} - {roles.organization_role, ""}
    left_out += [f"{who}: {each} is only in a data source and not in its resource" for each in sorted(only_read)]
    return roles


def _together(read: list[shapes.Roles]) -> list[shapes.Roles]:
    """Return what data sources say as one answer, but for different roles in the Organization."""
    by_role: dict[str, shapes.Roles] = {}
    for each in read:
        known = by_role.get(each.organization_role, _NONE)
        lists = {key: list(dict.fromkeys([*getattr(known, key), *getattr(each, key)])) for key in _KEYS}
        by_role[each.organization_role] = each.model_copy(update=lists)
    return list(by_role.values())


def _grants(roles: shapes.Roles | None, doubtful: set[str], who: str, left_out: list[str]) -> dict[str, Any]:
    if roles is None:
        return {}
    lost = sorted(str(each) for each in roles.each() if each.role in doubtful)
    left_out += [f"{who}: {each}: unknown what the role gives" for each in lost]
    values = roles.model_dump()
    for key in _KEYS:
        values[key] = [_filled(**grant) for grant in values[key] if grant["role"] not in doubtful]
    return _filled(**values)


def _token(token: shapes.ApiToken) -> str:
    roles = "; ".join(map(str, sorted(token.roles, key=lambda role: sorted(role.model_dump().items()))))
    end = f", until {token.end_at}" if token.end_at else ""
    return f"API token `{token.name}`: its secret is not imported; create a new token with {roles or 'no role'}{end}"
