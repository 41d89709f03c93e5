"""The commands about users and Teams: what they are granted, and changes of it."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from functools import reduce
from types import MappingProxyType
from typing import Any

from astro_auth_plugin.cli.changes import options
from astro_auth_plugin.cli.changes.applying import change
from astro_auth_plugin.cli.exit_codes import CommandFailed, command
from astro_auth_plugin.cli.inputs import good_policy, policy_file
from astro_auth_plugin.cli.output import print_entry, print_table, print_values
from astro_auth_plugin.rbac.changes import edits
from astro_auth_plugin.rbac.changes.edits import Edit, Values
from astro_auth_plugin.rbac.model.subjects import user_subject
from astro_auth_plugin.rbac.policy.document import PolicyDocument, Team, User
from astro_auth_plugin.rbac.policy.grants import Grant, Principal, grants_of, members_of
from astro_auth_plugin.rbac.policy.hints import did_you_mean


@command
def list_users(args: Namespace) -> None:
    """List the users that the policy names, with their own roles and their Teams."""
    users = _users(_document(args))
    rows = [users[subject] for subject in sorted(users)]
    _print(args, rows, ("email", "roles", "teams"))


@command
def show_user(args: Namespace) -> None:
    """Show what the policy says of one user."""
    users = _users(_document(args))
    values = users.get(user_subject(args.email))
    if values is None or not (values["roles"] or values["teams"]):
        hint = did_you_mean(args.email, [user["email"] for user in users.values()])
        raise CommandFailed(f"the policy does not name the user `{args.email}`{hint}")
    print_entry(values, args.output)


@command
def grant_user(args: Namespace) -> None:
    """Give a user roles."""
    change(args, _granting(args, Principal("user", args.email)))


@command
def revoke_user(args: Namespace) -> None:
    """Take roles from a user, or the whole user out of the policy."""
    if args.all:
        if any(options.roles(args)):
            raise CommandFailed("--all takes everything: leave out the roles")
        change(args, edits.remove_user(args.email))
        return
    change(args, _revoking(args, Principal("user", args.email)))


@command
def list_teams(args: Namespace) -> None:
    """List the Teams of the policy."""
    rows = [_team_values(team) for team in _document(args).teams]
    _print(args, rows, ("name", "roles", "members", "idp_groups"))


@command
def show_team(args: Namespace) -> None:
    """Show one Team."""
    teams = {team.name: team for team in _document(args).teams}
    if args.team not in teams:
        raise CommandFailed(f"there is no Team `{args.team}`{did_you_mean(args.team, teams)}")
    print_entry(_team_values(teams[args.team]), args.output)


@command
def create_team(args: Namespace) -> None:
    """Add a Team, with roles if some are named."""
    added = edits.add_team(
        args.team, args.description or "", args.members or (), args.groups or (), support=args.support
    )
    roles = [*options.roles(args)]
    change(args, _in_turn([added, *([_granting(args, Principal("Team", args.team))] if roles else [])]))


@command
def rename_team(args: Namespace) -> None:
    """Give a Team another name."""
    change(args, edits.rename_team(args.team, args.new_name))


@command
def delete_team(args: Namespace) -> None:
    """Remove a Team, with its roles."""
    change(args, edits.remove_team(args.team))


@command
def grant_team(args: Namespace) -> None:
    """Give a Team roles."""
    change(args, _granting(args, Principal("Team", args.team)))


@command
def revoke_team(args: Namespace) -> None:
    """Take roles from a Team."""
    change(args, _revoking(args, Principal("Team", args.team)))


@command
def add_members(args: Namespace) -> None:
    """Add users or groups to a Team."""
    more = {key: text for key, text in (("expires_at", options.end_of(args)), ("note", args.note)) if text}
    if more and args.groups:
        raise CommandFailed("groups have neither an end nor a note: add them with a command of their own")
    change(args, _members(args, "add", more))


@command
def remove_members(args: Namespace) -> None:
    """Remove users or groups from a Team."""
    change(args, _members(args, "remove"))


# -- edits ---------------------------------------------------------------------------------------------------------


def _granting(args: Namespace, holder: Principal) -> Edit:
    end, note = options.end_of(args), args.note or ""
    return _for_each_role(args, lambda role, scope: edits.grant(holder, role, scope, end, note))


def _revoking(args: Namespace, holder: Principal) -> Edit:
    return _for_each_role(args, lambda role, scope: edits.revoke(holder, role, scope))


def _for_each_role(args: Namespace, make: Callable[[str, Any], Edit]) -> Edit:
    found = [make(role, scope) for scope, role in options.roles(args)]
    if not found:
        raise CommandFailed("which role? Name it with --dag-role, --tag-role, --deployment-role or the like")
    return _in_turn(found)


def _members(args: Namespace, way: str, more: Mapping[str, str] = MappingProxyType({})) -> Edit:
    members, groups = args.members or [], args.groups or []
    if not members and not groups:
        raise CommandFailed("who? Name e-mails, or groups of the identity provider with --group")
    named = [("members", members), ("idp_groups", groups)]
    return _in_turn([edits.change_members(args.team, key, more=more, **{way: names}) for key, names in named if names])


def _in_turn(several: Iterable[Edit]) -> Edit:
    every = list(several)
    return lambda values: reduce(lambda made, edit: edit(made), every, values)


# -- what is shown -------------------------------------------------------------------------------------------------


def _document(args: Namespace) -> PolicyDocument:
    return good_policy(policy_file(args)).document


def _users(document: PolicyDocument) -> dict[str, Values]:
    """Return every user that the policy names, by subject: the own roles, and the Teams that list the e-mail."""
    found: dict[str, Values] = {}
    for user in document.users:
        found[user_subject(user.email)] = {"email": user.email, "roles": list(_roles(user)), "teams": []}
    for team in document.teams:
        emails = {user_subject(each.email): each.email for each in team.members}
        for subject, end in members_of(team).items():
            values = found.setdefault(subject, {"email": emails[subject], "roles": [], "teams": []})
            values["teams"].append(f"{team.name}{_until(end)}")
    return found


def _team_values(team: Team) -> Values:
    return {
        "name": team.name,
        "description": team.description,
        "support": team.support,
        "roles": list(_roles(team)),
        "members": [f"{member.email}{_until(member.expires_at)}" for member in team.members],
        "idp_groups": list(team.idp_groups),
    }


def _roles(entry: User | Team) -> Iterable[str]:
    return (_spelled(grant) for grant in grants_of((), entry))


def _spelled(grant: Grant) -> str:
    where = f"{grant.scope} of Deployment `{grant.scope.deployment_id}`" if grant.scope.deployment_id else grant.scope
    return f"{grant.role} on {where}{_until(grant.expires_at)}"


def _until(end: datetime | None) -> str:
    return f" until {end:%Y-%m-%dT%H:%M:%SZ}" if end else ""


def _print(args: Namespace, rows: list[Values], columns: tuple[str, ...]) -> None:
    if args.output != "table":
        print_values(rows, args.output)
        return
    print_table(
        [column.replace("_", " ") for column in columns], [[_cell(row[each]) for each in columns] for row in rows]
    )


def _cell(value: Any) -> str:
    return "; ".join(value) if isinstance(value, list) else str(value)
