"""Dags, tags and bundles: who may do what with them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Annotated, Literal

from fastapi import APIRouter, Query

from astro_auth_plugin.access_api import shapes, views
from astro_auth_plugin.access_api.caller import Caller, CallerDep, ReaderDep
from astro_auth_plugin.access_api.errors import invalid, not_found
from astro_auth_plugin.access_api.routes import users
from astro_auth_plugin.access_api.routes.teams import visible_teams
from astro_auth_plugin.access_api.views import Limit, Offset, Search, Throughs
from astro_auth_plugin.authorization import dag_access, dag_lookup
from astro_auth_plugin.authorization.objects import decisions
from astro_auth_plugin.rbac.engine import delegation
from astro_auth_plugin.rbac.engine.decision import reaching
from astro_auth_plugin.rbac.explain import access_report
from astro_auth_plugin.rbac.model.actions import ACTIONS, spelled
from astro_auth_plugin.rbac.model.folders import fault_of_folder
from astro_auth_plugin.rbac.model.permissions import DAG_WORDS, mask
from astro_auth_plugin.rbac.model.roles import BUILT_IN
from astro_auth_plugin.rbac.model.scopes import Dag, GrantScope

router = APIRouter(tags=["Dags"])
_SEE_DAG = mask("dag.get")
_MOST_SUGGESTIONS = 20
Kind = Literal["dag", "tag", "bundle", "folder", "connection", "variable", "pool", "user", "team", "role"]


@router.get("/dags/{dag_id}/access")
def dag_access_of(who: CallerDep, dag_id: str, limit: Limit = 50, offset: Offset = 0) -> shapes.DagAccess:
    """Show what the caller may do with a Dag; for readers of access also who else may do what, by pages."""
    identity = who.identity
    found = dag_access.find(identity, dag_id)
    if found is None or not identity.check(_SEE_DAG, found):
        raise not_found(f"Dag `{dag_id}`")
    dag = who.engine.with_effective_tags(found)
    held = identity.access.on(dag)
    on_dag = [action for action in ACTIONS if not action.deployment_wide]
    here = [grant for grant in reaching(identity.access.grants, dag) if grant.permissions & _ON_DAGS]
    reads = who.visibility.access
    users, total = views.holders(who, access_report.of_dag(who.answerer, dag) if reads else (), limit, offset)
    return shapes.DagAccess(
        dag_id=dag.id,
        tags=sorted(dag.tags),
        places=[views.scope_of(_bundle(who, *place)) for place in _places_of(found)],
        may=list(spelled(held, on_dag=True)),
        may_not=[
            shapes.Missing(action=action.names[0], words=action.words or action.row)
            for action in on_dag
            if action.needs & ~held
        ],
        grants=Throughs(who.engine, identity.subject, identity.groups).held(here),
        users=users if reads else None,
        total_users=total,
        may_grant=_may_grant_here(who),
    )


@router.get("/tags")
def list_tags(who: ReaderDep, search: Search = "", limit: Limit = 50, offset: Offset = 0) -> shapes.Tags:
    """List the tags of Dags that the caller may see, and those that visible grants name."""
    dags = Counter(tag for dag in who.dags() for tag in dag.tags)
    named = Counter(scope.id for scope in _granted(who, "tag"))
    found = sorted(tag for tag in {*dags, *named} if search.lower() in tag.lower())
    rows = [
        shapes.TagRow(
            name=tag, dags=dags[tag], grants=named[tag], protected=who.engine.tag_rules.places(tag) is not None
        )
        for tag in views.page(found, limit, offset)
    ]
    return shapes.Tags(tags=rows, total_entries=len(found))


@router.get("/tags/access")
def tag_access(
    who: ReaderDep,
    tag: Annotated[str, Query(min_length=1, max_length=500)],
    limit: Limit = 50,
    offset: Offset = 0,
) -> shapes.TagAccess:
    """Show the Dags of a tag that the caller may see, and who has something through the tag, by pages."""
    dags = sorted(dag.id for dag in who.seen_of(dag_lookup.read_dags_with_tag(tag)) if tag in dag.tags)
    sees = who.visibility.sees(GrantScope("tag", tag, who.engine.deployment_id))
    if not dags and not sees:
        raise not_found(f"tag `{tag}`")
    users, total = views.holders(who, access_report.of_tag(who.answerer, tag) if sees else (), limit, offset)
    return shapes.TagAccess(tag=tag, dags=dags, users=users, total_users=total, may_grant=_may_grant_here(who))


@router.get("/bundles")
def list_bundles(who: ReaderDep, search: Search = "", limit: Limit = 50, offset: Offset = 0) -> shapes.Bundles:
    """List the bundles of Dags that the caller may see, and the bundles and folders that visible grants name."""
    dags = Counter(place for dag in who.dags() for place in _places_of(dag))
    named = Counter((scope.id, scope.folder) for scope in _granted(who, "bundle"))
    # Folders without grants are left out: there can be as many as there are Dags.
    found = sorted({(bundle, folder) for bundle, folder in dags if not folder} | {*named})
    found = [place for place in found if search.lower() in "/".join(place).lower()]
    rows = [
        shapes.BundleRow(bundle=place[0], folder=place[1], dags=dags[place], grants=named[place])
        for place in views.page(found, limit, offset)
    ]
    return shapes.Bundles(bundles=rows, total_entries=len(found))


@router.get("/bundles/access")
def bundle_access(
    who: ReaderDep,
    bundle: Annotated[str, Query(min_length=1, max_length=500)],
    folder: shapes.Folder = "",
    limit: Limit = 50,
    offset: Offset = 0,
) -> shapes.BundleAccess:
    """Show the Dags of a bundle or folder that the caller may see, and who has something through it, by pages."""
    if folder and (fault := fault_of_folder(folder)):
        raise invalid(f"folder `{folder}`: {fault}")
    in_bundle = who.seen_of(dag_lookup.read_dags_of_bundle(bundle))
    dags = sorted(dag.id for dag in in_bundle if (bundle, folder) in _places_of(dag))
    scope = _bundle(who, bundle, folder)
    sees = who.visibility.sees(scope)
    if not dags and not sees:
        raise not_found(str(scope))
    found = access_report.of_bundle(who.answerer, bundle, folder) if sees else ()
    users, total = views.holders(who, found, limit, offset)
    return shapes.BundleAccess(
        bundle=bundle, folder=folder, dags=dags, users=users, total_users=total, may_grant=_may_grant_here(who)
    )


@router.get("/suggest")
def suggest(who: CallerDep, kind: Kind, search: Search = "", bundle: Search = "") -> shapes.Suggestions:
    """Suggest values for a field, only what the caller may see; folders only of the bundle."""
    wanted = search.lower()
    values = _values_of_files(who, kind, bundle) if kind in ("bundle", "folder") else _values(who, kind, wanted)
    found = sorted(value for value in values if wanted in value.lower())
    # What begins so comes first.
    found.sort(key=lambda value: not value.lower().startswith(wanted))
    return shapes.Suggestions(
        suggestions=[shapes.Suggestion(value=value, label=value) for value in found[:_MOST_SUGGESTIONS]]
    )


def _values_of_files(who: Caller, kind: Kind, bundle: str) -> set[str]:
    places = {place for dag in who.dags() for place in _places_of(dag)}
    if kind == "bundle":
        return {name for name, _ in places}
    return {folder for name, folder in places if folder and name == bundle}


def _values(who: Caller, kind: Kind, wanted: str) -> set[str]:
    if kind in ("dag", "tag"):
        return who.dag_ids() if kind == "dag" else {tag for dag in who.dags() for tag in dag.tags}
    if kind in ("connection", "variable", "pool"):
        return {*decisions.readable(who.identity, kind, "GET")}
    if not who.visibility.access:
        return set()
    if kind == "team":
        return {team.name for team in visible_teams(who)}
    if kind == "role":
        return {*BUILT_IN, *(role.name for role in who.engine.policy.document.roles)}
    return users.known_emails(who, wanted)


def _granted(who: Caller, kind: Literal["tag", "bundle"]) -> Iterator[GrantScope]:
    """Yield the scope in this Deployment of each grant of a kind that the caller may see and that has not ended."""
    sees, engine = who.visibility, who.engine
    for grant in engine.every_grant:
        scope = grant.scope
        if (
            scope.kind == kind
            and scope.deployment_id == engine.deployment_id
            and sees.sees(scope)
            and (sees.tokens or grant.principal.kind != "token")
            and not grant.has_ended(engine.at)
        ):
            yield scope


def _places_of(dag: Dag) -> list[tuple[str, str]]:
    return list(dag.file.places) if dag.file and dag.file.bundle else []


def _bundle(who: Caller, bundle: str, folder: str) -> GrantScope:
    return GrantScope("bundle", bundle, who.engine.deployment_id, folder)


def _may_grant_here(who: Caller) -> bool:
    given = [views.given_of("", GrantScope("Dag", "", who.engine.deployment_id))]
    identity = who.identity
    return not delegation.given_beyond(who.engine, identity.subject, given, groups=identity.groups)


_ON_DAGS = 0
for _bit in DAG_WORDS.values():
    _ON_DAGS |= _bit
