"""Dags and tags: who may do what with them."""

from __future__ import annotations

from collections import Counter
from typing import Annotated, Literal

from fastapi import APIRouter, Query

from astro_auth_plugin.access_api import shapes, views
from astro_auth_plugin.access_api.caller import Caller, CallerDep, ReaderDep
from astro_auth_plugin.access_api.errors import not_found
from astro_auth_plugin.access_api.routes import users
from astro_auth_plugin.access_api.routes.teams import visible_teams
from astro_auth_plugin.access_api.views import Limit, Offset, Search, Throughs
from astro_auth_plugin.authorization import dag_access, dag_lookup
from astro_auth_plugin.authorization.objects import decisions
from astro_auth_plugin.rbac.engine import delegation
from astro_auth_plugin.rbac.engine.decision import reaching
from astro_auth_plugin.rbac.explain import access_report
from astro_auth_plugin.rbac.model.actions import ACTIONS, spelled
from astro_auth_plugin.rbac.model.permissions import DAG_WORDS, mask
from astro_auth_plugin.rbac.model.roles import BUILT_IN
from astro_auth_plugin.rbac.model.scopes import GrantScope

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
    here = who.engine.deployment_id
    dags = Counter(tag for dag in who.dags() for tag in dag.tags)
    scopes = (grant.scope for grant in who.engine.every_grant)
    named = Counter(
        scope.id
        for scope in scopes
        if scope.kind == "tag" and scope.deployment_id == here and who.visibility.sees(scope)
    )
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
    places = {place for dag in who.dags() if dag.file for place in dag.file.places}
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


def _may_grant_here(who: Caller) -> bool:
    given = [views.given_of("", GrantScope("Dag", "", who.engine.deployment_id))]
    identity = who.identity
    return not delegation.given_beyond(who.engine, identity.subject, given, groups=identity.groups)


_ON_DAGS = 0
for _bit in DAG_WORDS.values():
    _ON_DAGS |= _bit
