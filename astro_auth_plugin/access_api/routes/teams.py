"""Teams: what they have, and changes of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from http import HTTPStatus

from fastapi import APIRouter, Response

from astro_auth_plugin.access_api import changing, shapes, views
from astro_auth_plugin.access_api.caller import Caller, CallerDep, ReaderDep, access_reader
from astro_auth_plugin.access_api.changing import Wish
from astro_auth_plugin.access_api.errors import not_found
from astro_auth_plugin.access_api.etags import Entity
from astro_auth_plugin.access_api.routes.users import DryRun, IfMatch, granting, in_turn, may_change_members, sees_team
from astro_auth_plugin.access_api.views import Limit, Offset, Search
from astro_auth_plugin.rbac.changes import edits
from astro_auth_plugin.rbac.changes.edits import Edit
from astro_auth_plugin.rbac.policy.document import Team
from astro_auth_plugin.rbac.policy.grants import Principal

router = APIRouter(tags=["Teams"])


@router.get("/teams")
def list_teams(who: ReaderDep, search: Search = "", limit: Limit = 50, offset: Offset = 0) -> shapes.Teams:
    """List the Teams of this Workspace, by name."""
    wanted = search.lower()
    found = sorted(
        (team for team in visible_teams(who) if wanted in team.name.lower() or wanted in team.description.lower()),
        key=lambda team: team.name,
    )
    rows = [
        shapes.TeamRow(
            name=team.name,
            description=team.description,
            support=team.support,
            members=len(team.members),
            idp_groups=len(team.idp_groups),
            roles=views.role_texts(who.visibility, team),
        )
        for team in views.page(found, limit, offset)
    ]
    setting = who.engine.policy.document.support_access
    return shapes.Teams(teams=rows, total_entries=len(found), support_access=setting)


@router.get("/teams/{name:path}")
def show_team(who: ReaderDep, name: str, response: Response) -> shapes.TeamDetail:
    """Show a Team."""
    team = _find(who, name)
    etag = Entity("teams", name).etag(team)
    response.headers["ETag"] = f'"{etag}"'
    owner = "ORGANIZATION" in who.levels
    may = may_change_members(who, team)
    return shapes.TeamDetail(
        name=team.name,
        description=team.description,
        support=team.support,
        etag=etag,
        members=[shapes.Member(email=each.email, expires_at=each.expires_at, note=each.note) for each in team.members],
        idp_groups=list(team.idp_groups),
        grants=views.grants(who, team),
        may_change_members=may,
        may_change_groups=owner,
        who_may_change_members="" if may else "users who may grant every role of this Team, and Organization Owners",
    )


@router.post("/teams", status_code=HTTPStatus.CREATED)
def create_team(who: CallerDep, body: shapes.NewTeam, dry_run: DryRun = False) -> shapes.Result:
    """Add a Team, with roles if some are named."""
    changing.needs_owner(who, f"+ Team `{body.name}`")
    members = [each if isinstance(each, str) else _member(each) for each in body.members]
    added = edits.add_team(body.name, body.description, members, body.idp_groups, support=body.support)
    changes = shapes.GrantChanges(grant=body.grant)
    edit = in_turn([added, *granting(who, Principal("Team", body.name), changes)])
    return changing.change(who, Wish(edit, body.reason, dry_run, Entity("teams", body.name), new=True))


@router.patch("/teams/{name:path}")
def change_team(
    who: ReaderDep, name: str, body: shapes.TeamChanges, dry_run: DryRun = False, if_match: IfMatch = None
) -> shapes.Result:
    """Change a Team: its roles, members, groups, name and description, and whether it is a support Team."""
    members = (body.add_members, body.remove_members, body.add_groups, body.remove_groups)
    changing.needs_giver(who, body.grant, body.revoke, *members)
    _find(who, name)
    renamed = [edits.rename_team(name, body.name)] if body.name not in (None, name) else []
    if renamed:
        changing.needs_owner(who, f"~ Team `{name}` renamed to `{body.name}`")
    edit = in_turn([*_editing(name, body), *granting(who, Principal("Team", name), body), *renamed])
    wish = Wish(
        edit,
        body.reason,
        dry_run,
        Entity("teams", name),
        renamed=body.name or "",
        if_match=if_match,
        show=_showing(name),
    )
    return changing.change(who, wish)


@router.put("/support_access")
def change_support_access(who: CallerDep, body: shapes.SupportAccess, dry_run: DryRun = False) -> shapes.Result:
    """Switch all support Teams on or off."""
    changing.needs_owner(who, "~ setting `support_access`")
    return changing.change(
        who, Wish(edits.set_support_access(body.support_access), body.reason, dry_run, setting="support_access")
    )


@router.delete("/teams/{name:path}")
def delete_team(
    who: ReaderDep, name: str, reason: shapes.Reason = "", dry_run: DryRun = False, if_match: IfMatch = None
) -> shapes.Result:
    """Remove a Team, with its roles."""
    _find(who, name)
    return changing.change(
        who,
        Wish(edits.remove_team(name), reason, dry_run, Entity("teams", name), if_match=if_match, show=_showing(name)),
    )


def _showing(name: str) -> Callable[[Caller], shapes.TeamDetail]:
    return lambda who: show_team(access_reader(who), name, Response())


def _member(new: shapes.NewMember) -> str | dict[str, str]:
    end = {"expires_at": shapes.spelled(new.expires_at)} if new.expires_at else {}
    more = end | ({"note": new.note} if new.note else {})
    return {"email": new.email, **more} if more else new.email


def _editing(name: str, body: shapes.TeamChanges) -> Iterator[Edit]:
    if body.description is not None:
        yield edits.describe_team(name, body.description)
    if body.support is not None:
        yield edits.set_support(name, body.support)
    if body.add_members or body.remove_members:
        more = {"expires_at": shapes.spelled(body.expires_at)} if body.expires_at else {}
        more |= {"note": body.note} if body.note else {}
        yield edits.change_members(name, add=body.add_members, remove=body.remove_members, more=more)
    if body.add_groups or body.remove_groups:
        yield edits.change_members(name, "idp_groups", add=body.add_groups, remove=body.remove_groups)


def visible_teams(who: Caller) -> Iterator[Team]:
    """Yield the Teams that a caller may see."""
    return (team for team in who.engine.policy.document.teams if sees_team(who.visibility, team))


def _find(who: Caller, name: str) -> Team:
    found = next((team for team in visible_teams(who) if team.name == name), None)
    if found is None:
        raise not_found(f"Team `{name}`")
    return found
