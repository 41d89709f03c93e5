"""Users: what they have, and changes of it."""

from __future__ import annotations

import functools
from collections import defaultdict
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from functools import reduce
from typing import Annotated, Literal, NamedTuple

from fastapi import APIRouter, Header, Query, Response

from astro_auth_plugin.access_api import changing, shapes, views
from astro_auth_plugin.access_api.caller import Caller, CallerDep, ReaderDep, access_reader
from astro_auth_plugin.access_api.changing import Wish
from astro_auth_plugin.access_api.errors import invalid, not_found
from astro_auth_plugin.access_api.etags import Entity
from astro_auth_plugin.access_api.views import Limit, Offset, Search
from astro_auth_plugin.accounts import accounts
from astro_auth_plugin.accounts.accounts import KnownAccount
from astro_auth_plugin.rbac.changes import edits
from astro_auth_plugin.rbac.changes.edits import Edit
from astro_auth_plugin.rbac.engine import delegation
from astro_auth_plugin.rbac.engine.engine import Engine
from astro_auth_plugin.rbac.engine.visibility import Visibility
from astro_auth_plugin.rbac.model.actions import spelled
from astro_auth_plugin.rbac.model.permissions import mask
from astro_auth_plugin.rbac.model.subjects import is_email, only_account, user_subject
from astro_auth_plugin.rbac.policy.document import Team, User
from astro_auth_plugin.rbac.policy.grants import Principal, grants_of
from astro_auth_plugin.rbac.policy.yaml_reader import Path
from astro_auth_plugin.runtime.policy_source import no_collection

router = APIRouter(tags=["Users"])

Has = Literal["", "grants", "nothing", "account", "no_account"]
DryRun = Annotated[bool, Query(description="Only say what the change would be.")]
IfMatch = Annotated[str | None, Header(description="The ETag of what was read.")]
_SEE_DAG = mask("dag.get")


@router.get("/users")
def list_users(
    who: ReaderDep,
    search: Search = "",
    team: Search = "",
    role: Search = "",
    has: Has = "",
    limit: Limit = 50,
    offset: Offset = 0,
) -> shapes.Users:
    """List the users of this Workspace, by e-mail.

    A search also finds accounts that the policy does not name, for callers who may read accounts.
    """
    if has in ("nothing", "account", "no_account") and not who.reads_accounts:
        raise invalid(f"`has={has}` is for callers who may read accounts.")
    found = named(who.visibility)
    emails = {**found.emails}
    known, wanted = set[str](), search.lower()
    if has in ("nothing", "account", "no_account") or (search and not has and who.reads_accounts):
        for _, email in accounts.read_active_emails(wanted):
            known.add(user_subject(email))
            emails.setdefault(user_subject(email), email)
    rows = sorted(
        subject
        for subject, email in emails.items()
        if wanted in email.lower() and _matches(found, subject, team, role) and _has(has, subject, found, known)
    )
    shown = views.page(rows, limit, offset)
    people = accounts_of(who, shown)
    users = [
        _row(who, emails[subject], found.find(subject) or _Named(emails[subject]), people.get(subject))
        for subject in shown
    ]
    return shapes.Users(users=users, total_entries=len(rows))


@router.get("/users/{email:path}")
def show_user(who: ReaderDep, email: str, response: Response) -> shapes.UserDetail:
    """Show what a user has. One without roles is shown, too: roles can be granted."""
    if not is_email(email):
        raise not_found(f"user `{email}`")
    subject, entity = user_subject(email), Entity("users", email)
    entry = _entry(who, subject)
    found = accounts_of(who, [subject]).get(subject, [])
    groups = groups_of(found)
    etag = entity.etag(entry)
    response.headers["ETag"] = f'"{etag}"'
    effective = views.effective(who, subject, groups)
    selection = who.engine.allowed_dags(subject, _SEE_DAG, groups=groups)
    return shapes.UserDetail(
        # As it was asked for, where the entry has nothing that the caller may see: as if there were none.
        email=entry.email if entry and _sees_user(who.visibility, entry) else email,
        etag=etag,
        accounts=_account_values(found) if who.reads_accounts else None,
        last_sign_in=_last_sign_in(found),
        grants=views.grants(who, entry) if entry else [],
        teams=list(_teams(who, subject, groups)),
        effective=effective,
        may=list(spelled(who.engine.access(subject, groups).deployment_wide, on_dag=False)),
        sees_dags=len(who.dag_ids(selection)),
    )


@router.patch("/users/{email:path}")
def change_user(
    who: CallerDep, email: str, body: shapes.GrantChanges, dry_run: DryRun = False, if_match: IfMatch = None
) -> shapes.Result:
    """Grant roles to a user, or revoke some."""
    changing.needs_reader(who)
    changing.needs_giver(who, body.grant, body.revoke)
    if not is_email(email):
        raise invalid(f"`{email}` is not an e-mail address.")
    edit = in_turn(granting(who, Principal("user", email), body))

    def show(later: Caller) -> shapes.UserDetail:
        return show_user(access_reader(later), email, Response())

    return changing.change(who, Wish(edit, body.reason, dry_run, Entity("users", email), if_match=if_match, show=show))


def granting(who: Caller, holder: Principal, body: shapes.GrantChanges) -> Iterable[Edit]:
    """Yield the edit that a request makes of the roles of a user or Team, if any: what is revoked goes first."""
    changing.needs_sight(who, (views.grant_scope(each.scope) for each in (*body.revoke, *body.grant)))
    give = [
        edits.NewGrant(
            new.role,
            views.grant_scope(new.scope),
            shapes.spelled(new.expires_at) if new.expires_at else "",
            new.note,
        )
        for new in body.grant
    ]
    if give or body.revoke:
        take = [(old.role, views.grant_scope(old.scope)) for old in body.revoke]
        yield edits.change_grants(holder, take=take, give=give)


def in_turn(several: Iterable[Edit]) -> Edit:
    """Return one edit that makes several, in their order."""
    every = list(several)
    if not every:
        raise invalid("The request changes nothing: name roles to grant or to revoke.")
    return lambda values: reduce(lambda made, edit: edit(made), every, values)


# -- what the policy says of users ---------------------------------------------------------------------------------


def _entry(who: Caller, subject: str) -> User | None:
    path = who.engine.entry_of(subject)
    if path is None:
        return None
    entry: User = who.engine.policy.document.users[int(path[1])]
    return entry


class _Named(NamedTuple):
    """A user whom the policy names, as far as the caller may see: the own entry, and the Teams that list the e-mail."""

    email: str
    own: User | None = None
    teams: tuple[Team, ...] = ()
    role_names: frozenset[str] = frozenset()


class _Users(NamedTuple):
    """The users whom the policy names and a caller may see.

    Attributes:
        engine: of the policy.
        emails: their e-mails, by subject.
        roles: the visible roles of entries, by their places in the policy.
        entries: the places of the visible entries.
    """

    engine: Engine
    emails: dict[str, str]
    roles: dict[Path, set[str]]
    entries: frozenset[Path]

    def find(self, subject: str) -> _Named | None:
        """Return a user; None for one whom the policy does not name."""
        if subject not in self.emails:
            return None
        document, own = self.engine.policy.document, self.engine.entry_of(subject)
        own = own if own in self.entries else None
        teams = [index for index in self.engine.teams_of(subject) if ("teams", index) in self.entries]
        entries: list[Path] = [("teams", index) for index in teams] + ([own] if own else [])
        return _Named(
            self.emails[subject],
            document.users[int(own[1])] if own else None,
            tuple(document.teams[index] for index in teams),
            frozenset[str]().union(*(self.roles[entry] for entry in entries if entry in self.roles)),
        )


@functools.lru_cache(maxsize=4)
def named(seen: Visibility) -> _Users:
    """Return the users whom the policy names and a caller may see; kept for the next page of the list."""
    with no_collection():
        return _named(seen)


def _named(seen: Visibility) -> _Users:
    document, roles = seen.engine.policy.document, _roles_of_entries(seen)
    entries, emails = set[Path](roles), dict[str, str]()
    for index, team in enumerate(document.teams):
        if seen.everything or ("teams", index) in roles or not any(grants_of((), team)):
            entries.add(("teams", index))
            emails.update((user_subject(member.email), member.email) for member in reversed(team.members))
    for index, user in enumerate(document.users):
        if seen.everything or ("users", index) in roles:
            entries.add(("users", index))
            emails[user_subject(user.email)] = user.email
    return _Users(seen.engine, emails, roles, frozenset(entries))


def _roles_of_entries(seen: Visibility) -> dict[Path, set[str]]:
    """Return the roles that a caller may see and that have not ended, by the place of the entry in the policy."""
    found: dict[Path, set[str]] = defaultdict(set)
    for grant in seen.engine.every_grant:
        if not grant.has_ended(seen.engine.at) and seen.sees(grant.scope):
            found[grant.path[:2]].add(grant.role)
    return found


def known_emails(who: Caller, wanted: str) -> set[str]:
    """Return the e-mails that the policy names, and those of accounts for a caller who may read accounts.

    Of accounts those that contain a text in lower case.
    """
    emails = {**named(who.visibility).emails}
    if who.reads_accounts:
        for _, email in accounts.read_active_emails(wanted):
            emails.setdefault(user_subject(email), email)
    return set(emails.values())


def _sees_user(seen: Visibility, user: User) -> bool:
    return seen.everything or any(views.visible_grants(seen, user))


def sees_team(seen: Visibility, team: Team) -> bool:
    """Whether a caller may see a Team: with a grant that it may see, or without any."""
    return seen.everything or any(views.visible_grants(seen, team)) or not any(grants_of((), team))


def _matches(found: _Users, subject: str, team: str, role: str) -> bool:
    if not team and not role:
        return True
    user = found.find(subject)
    if user is None:
        return False
    return (not team or any(each.name == team for each in user.teams)) and (not role or role in user.role_names)


def _has(has: Has, subject: str, found: _Users, known: set[str]) -> bool:
    user = found.find(subject) if has in ("grants", "nothing") else None
    if has == "grants":
        return user is not None and bool(user.role_names)
    if has == "nothing":
        return subject in known and not (user and user.role_names)
    return {"": True, "account": subject in known, "no_account": subject not in known}[has]


def _row(who: Caller, email: str, user: _Named, found: list[KnownAccount] | None) -> shapes.UserRow:
    return shapes.UserRow(
        email=email,
        accounts=_account_values(found or []) if who.reads_accounts else None,
        roles=views.role_texts(who.visibility, user.own) if user.own else [],
        teams=[team.name for team in user.teams],
        last_sign_in=_last_sign_in(found),
    )


def _teams(who: Caller, subject: str, groups: frozenset[str]) -> Iterator[shapes.TeamOf]:
    teams = who.engine.policy.document.teams
    for index, group in who.engine.teams_of(subject, groups).items():
        if sees_team(who.visibility, teams[index]):
            removable = not group and may_change_members(who, teams[index])
            yield views.team_of(who, subject, index, group).model_copy(update={"may_remove": removable})


def may_change_members(who: Caller, team: Team) -> bool:
    """Whether a caller may add and remove members of a Team: by each role of it."""
    identity = who.identity
    given = [views.given_of(grant.role, grant.scope) for grant in grants_of((), team)]
    beyond = delegation.given_beyond(who.engine, identity.subject, given, groups=identity.groups)
    return bool(who.levels) and not beyond


# -- accounts ------------------------------------------------------------------------------------------------------


def accounts_of(who: Caller, subjects: Iterable[str]) -> dict[str, list[KnownAccount]]:
    """Return the accounts of users by subject; none for a caller who may not read accounts."""
    return accounts.read_accounts_of(frozenset(subjects)) if who.reads_accounts else {}


def groups_of(found: list[KnownAccount]) -> frozenset[str]:
    """Return the groups of a user with these accounts: those of the only active one, else it has no access."""
    account = only_account([each for each in found if each.active])
    return account.sign_in.groups if account is not None else frozenset()


def _account_values(found: list[KnownAccount]) -> list[shapes.Account]:
    several = sum(account.active for account in found) > 1
    return [
        shapes.Account(username=each.username, active=each.active, ambiguous=several and each.active) for each in found
    ]


def _last_sign_in(found: list[KnownAccount] | None) -> datetime | None:
    last = max((account.sign_in.signed_in_at for account in found or ()), default=0)
    return datetime.fromtimestamp(last, UTC) if last else None
