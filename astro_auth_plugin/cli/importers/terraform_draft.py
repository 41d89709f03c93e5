"""A policy from what a Terraform state of Astronomer's provider says."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from astro_auth_plugin.cli.exit_codes import CommandFailed
from astro_auth_plugin.cli.importers import terraform_shapes as shapes
from astro_auth_plugin.cli.importers.policy_draft import Draft, Entry
from astro_auth_plugin.cli.importers.pruning import prune
from astro_auth_plugin.cli.importers.terraform_facts import Facts
from astro_auth_plugin.rbac.model.roles import BUILT_IN
from astro_auth_plugin.rbac.model.subjects import is_email

MADE = "Made by `astro-auth import terraform` from a Terraform state."
_GROUPS = "The identity provider manages this Team: name its groups in `idp_groups`, or keep `members` up to date."


def read_emails(path: Path) -> dict[str, str]:
    """Read which e-mail each user id has.

    Raises:
        CommandFailed: if the file is not a mapping from ids to e-mails.
    """
    try:
        values = yaml.safe_load(path.read_bytes())
    except OSError as error:
        raise CommandFailed(f"{path}: cannot read the e-mails: {error.strerror or error}") from None
    except (yaml.YAMLError, ValueError, RecursionError):
        raise CommandFailed(f"{path}: neither YAML nor JSON") from None
    if not isinstance(values, dict):
        raise CommandFailed(f"{path}: expected a mapping from user ids to e-mails")
    for user_id, email in values.items():
        if not isinstance(user_id, str) or not isinstance(email, str) or not is_email(email):
            raise CommandFailed(f"{path}: expected the text of an id and an e-mail, found `{user_id}: {email}`")
    return values


def organization_of(facts: Facts) -> str:
    """Return the Organization that a state names, '' if none.

    Raises:
        CommandFailed: if it names several.
    """
    if len(facts.organizations) > 1:
        ids = ", ".join(f"`{each}`" for each in sorted(facts.organizations))
        raise CommandFailed(f"the state is of several Organizations: name one of {ids} with --organization")
    return next(iter(facts.organizations), "")


def draft_of(facts: Facts, organization_id: str) -> Draft:
    """Return a policy of what can be expressed; what cannot is listed."""
    draft = Draft(MADE, organization_id, left_out=list(facts.left_out))
    draft.lists["workspaces"] = []
    draft.lists["deployments"] = [
        Entry(_filled(id=found.id, workspace_id=found.workspace_id, name=found.name))
        for found in _by_id(facts.deployments)
    ]
    draft.lists["roles"], doubtful = _custom_roles(facts, draft.left_out)
    draft.lists["teams"] = _teams(facts, doubtful, draft.left_out)
    draft.lists["users"] = _users(facts, doubtful, draft.left_out)
    draft.lists["workspaces"] = _workspaces(facts, draft)
    draft.left_out += [_token(token) for token in sorted(facts.tokens, key=lambda token: token.name)]
    prune(draft)
    return draft


def _by_id(found: Mapping[str, Any]) -> list[Any]:
    return [found[each] for each in sorted(found)]


def _filled(**values: Any) -> dict[str, Any]:
    """Return what says something."""
    return {key: value for key, value in values.items() if value}


def _workspaces(facts: Facts, draft: Draft) -> list[Entry]:
    """Return every Workspace that the state has or that something in the policy names: grants have their ids."""
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
        roles = _one(facts.roles_of_teams.get(team.id, []), who, left_out)
        if roles or isinstance(team, shapes.Team):
            values = _filled(name=team.name, description=team.description, members=members) | _grants(roles, doubtful)
            entries.append(Entry(values, (_GROUPS,) if team.is_idp_managed else ()))
    left_out += [f"Team {each}: its name is unknown" for each in sorted(set(facts.roles_of_teams) - set(facts.teams))]
    return entries


def _members(facts: Facts, team: shapes.Team | shapes.TeamData, who: str, left_out: list[str]) -> list[str]:
    """Return the e-mails of a Team's people.

    `member_ids` is the whole Team where it is set; what resources say of single members is used where it is not.
    """
    joined = {user_id for team_id, user_id in facts.memberships if team_id == team.id}
    if isinstance(team, shapes.TeamData):
        listed = {member.user_id for member in team.team_members}
    else:
        listed = set(team.member_ids)
    if listed:
        left_out += [f"{who}: member {each}, who is not in its list" for each in sorted(joined - listed)]
    emails = {each: _email(facts, each, f"{who}: member {each}", left_out) for each in sorted(listed or joined)}
    return sorted(filter(None, emails.values()))


def _users(facts: Facts, doubtful: set[str], left_out: list[str]) -> list[Entry]:
    entries = []
    for user_id in sorted(facts.roles_of_users):
        who = f"user {user_id}"
        email = _email(facts, user_id, who, left_out)
        roles = _one(facts.roles_of_users[user_id], who, left_out)
        if email and roles:
            entries.append(Entry({"email": email} | _grants(roles, doubtful)))
    return sorted(entries, key=lambda entry: str(entry.values["email"]))


def _email(facts: Facts, user_id: str, who: str, left_out: list[str]) -> str:
    """Return a user's e-mail; '' with the reason listed when it is unknown."""
    known = facts.emails.get(user_id, set())
    if user_id in facts.inactive:
        left_out.append(f"{who}: not an active user")
    elif not known:
        left_out.append(f"{who}: the e-mail is unknown; add it in a file with --emails")
    elif len(known) > 1:
        left_out.append(f"{who}: the state has several e-mails; name the right one in a file with --emails")
    else:
        return next(iter(known))
    return ""


def _one(several: list[shapes.Roles], who: str, left_out: list[str]) -> shapes.Roles | None:
    """Return what a user has, None when it is unknown or when resources disagree."""
    if len(several) > 1:
        left_out.append(f"{who}: resources disagree on its roles, so none is used")
    return several[0] if len(several) == 1 else None


def _grants(roles: shapes.Roles | None, doubtful: set[str]) -> dict[str, Any]:
    if roles is None:
        return {}
    values = roles.model_dump()
    for key in ("workspace_roles", "deployment_roles", "dag_roles"):
        values[key] = [_filled(**grant) for grant in values[key] if grant["role"] not in doubtful]
    return _filled(**values)


def _token(token: shapes.ApiToken) -> str:
    roles = "; ".join(_spell(role) for role in sorted(token.roles, key=lambda role: sorted(role.model_dump().items())))
    return f"API token `{token.name}`: its secret is not imported; create a new token with {roles or 'no role'}"


def _spell(role: shapes.TokenRole) -> str:
    # The provider says TAG where Astro's API says DAG_TAG.
    entity_type = "DAG_TAG" if role.entity_type == "TAG" else role.entity_type
    where = f" in `{role.deployment_id}`" if role.deployment_id else ""
    return f"{role.role} on {entity_type} `{role.entity_id}`{where}"
