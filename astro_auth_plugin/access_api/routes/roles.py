"""Roles: Astro's, and the policy's own; and what dialogs offer."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Container, Iterator
from http import HTTPStatus

from fastapi import APIRouter

from astro_auth_plugin.access_api import changing, shapes, views
from astro_auth_plugin.access_api.caller import Caller, CallerDep, ReaderDep, access_reader
from astro_auth_plugin.access_api.changing import Wish
from astro_auth_plugin.access_api.errors import not_found
from astro_auth_plugin.access_api.etags import Entity
from astro_auth_plugin.access_api.routes.users import DryRun, IfMatch, in_turn
from astro_auth_plugin.rbac.changes import edits
from astro_auth_plugin.rbac.changes.edits import Values
from astro_auth_plugin.rbac.engine import delegation
from astro_auth_plugin.rbac.model.actions import spelled
from astro_auth_plugin.rbac.model.permissions import DAG_WORDS, OBJECT_WORDS, TABLE
from astro_auth_plugin.rbac.model.role_templates import TEMPLATES
from astro_auth_plugin.rbac.model.roles import BUILT_IN, Level
from astro_auth_plugin.rbac.model.scopes import ORGANIZATION, GrantScope
from astro_auth_plugin.rbac.policy.document import CustomRole

router = APIRouter(tags=["Roles"])
_ORDER: tuple[Level, ...] = ("ORGANIZATION", "WORKSPACE", "DEPLOYMENT", "DAG", "OBJECT")


@router.get("/roles")
def list_roles(who: ReaderDep) -> shapes.Roles:
    """List every role, and who has the custom ones."""
    document = who.engine.policy.document
    held: dict[str, dict[str, None]] = defaultdict(dict)
    custom = {role.name for role in document.roles}
    for grant in who.engine.every_grant if custom else ():
        if grant.role not in custom:
            continue
        if who.visibility.sees(grant.scope) and (grant.principal.kind != "token" or who.visibility.tokens):
            held[grant.role][str(grant.principal)] = None
    return shapes.Roles(
        roles=[_custom(role, list(held[role.name])) for role in document.roles],
        built_in=[
            shapes.BuiltInRole(
                name=role.name,
                level=role.level,
                description=role.description,
                may=list(spelled(role.permissions, on_dag=role.level == "DAG")),
                gives=_ordered(role.gives),
                legacy=role.today is not None,
            )
            for role in BUILT_IN.values()
        ],
    )


@router.post("/roles", status_code=HTTPStatus.CREATED)
def create_role(who: CallerDep, body: shapes.NewRole, dry_run: DryRun = False) -> shapes.Result:
    """Add a custom role."""
    changing.needs_owner(who, f"+ role `{body.name}`")
    role: Values = {"name": body.name, "scope": body.scope, **_described(body)}
    return changing.change(who, Wish(edits.add_role(role), body.reason, dry_run, Entity("roles", body.name), new=True))


@router.put("/roles/{name:path}")
def change_role(
    who: ReaderDep, name: str, body: shapes.ChangedRole, dry_run: DryRun = False, if_match: IfMatch = None
) -> shapes.Result:
    """Give a custom role other permissions, another description, or another name that its grants take over."""
    changing.needs_owner(who, f"~ role `{name}`")

    def changed(role: Values) -> Values:
        kept = {key: each for key, each in role.items() if key not in ("permissions", "description")}
        return {**kept, **_described(body)}

    renamed = [edits.rename_role(name, body.name)] if body.name not in (None, name) else []
    wish = Wish(
        in_turn([edits.change_role(name, changed), *renamed]),
        body.reason,
        dry_run,
        Entity("roles", name),
        renamed=body.name or "",
        if_match=if_match,
        show=_showing(name),
    )
    return changing.change(who, wish)


@router.delete("/roles/{name:path}")
def delete_role(
    who: ReaderDep, name: str, reason: shapes.Reason = "", dry_run: DryRun = False, if_match: IfMatch = None
) -> shapes.Result:
    """Remove a custom role that is not granted to anyone."""
    changing.needs_owner(who, f"- role `{name}`")
    wish = Wish(edits.remove_role(name), reason, dry_run, Entity("roles", name), if_match=if_match, show=_showing(name))
    return changing.change(who, wish)


@router.get("/catalogue")
def catalogue(who: CallerDep) -> shapes.Catalogue:
    """Return what dialogs offer: permissions, templates, and the roles and scopes that the caller may give."""
    return shapes.Catalogue(
        permissions=[
            shapes.PermissionObject(
                object=row.name,
                description=row.description,
                verbs=[
                    shapes.Verb(
                        verb=verb,
                        deployment_word=f"deployment.airflow.{row.name}.{verb}",
                        dag_word=_known(f"dag.airflow.{row.name}.{verb}", DAG_WORDS),
                        object_word=_known(f"object.airflow.{row.name}.{verb}", OBJECT_WORDS),
                    )
                    for verb in row.verbs
                ],
            )
            for row in TABLE
        ],
        templates=[
            shapes.Template(
                name=each.name, scope=each.scope, permissions=list(each.permissions), description=each.description
            )
            for each in TEMPLATES.values()
        ],
        grantable=list(_grantable(who)),
        places=list(_places(who)),
    )


def _known(word: str, words: Container[str]) -> str | None:
    return word if word in words else None


def _custom(role: CustomRole, held_by: list[str]) -> shapes.CustomRole:
    restricted = "restricted_workspace_ids" in role.model_fields_set
    return shapes.CustomRole(
        name=role.name,
        scope=role.scope,
        description=role.description,
        permissions=list(role.permissions),
        restricted_workspace_ids=list(role.restricted_workspace_ids) if restricted else None,
        held_by=held_by,
        etag=Entity("roles", role.name).etag(role),
    )


def _showing(name: str) -> Callable[[Caller], shapes.CustomRole]:
    def show(who: Caller) -> shapes.CustomRole:
        found = next((role for role in access_reader(who).engine.policy.document.roles if role.name == name), None)
        if found is None:
            raise not_found(f"role `{name}`")
        return _custom(found, [])

    return show


def _described(body: shapes.RoleChanges) -> Values:
    return {"permissions": body.permissions, **({"description": body.description} if body.description else {})}


def _ordered(levels: frozenset[Level]) -> list[Level]:
    return [level for level in _ORDER if level in levels]


def _grantable(who: Caller) -> Iterator[shapes.Grantable]:
    levels = who.levels
    for role in BUILT_IN.values():
        if role.today is None and role.level in levels:
            yield shapes.Grantable(role=role.name, level=role.level, description=role.description, custom=False)
    for custom in who.engine.policy.document.roles:
        restricted = "restricted_workspace_ids" in custom.model_fields_set
        here = not restricted or who.engine.workspace_id in custom.restricted_workspace_ids
        if custom.scope in levels and here:
            yield shapes.Grantable(role=custom.name, level=custom.scope, description=custom.description, custom=True)


def _places(who: Caller) -> Iterator[shapes.LabelledScope]:
    """Yield the scopes in which the caller may give roles, of Deployments those for Dag roles, too."""
    document = who.engine.policy.document
    found = [(ORGANIZATION, f"Organization {document.organization_id}")]
    found += [(GrantScope("Workspace", each.id), f"Workspace {each.name or each.id}") for each in document.workspaces]
    found += [
        (GrantScope("Deployment", each.id), f"Deployment {each.name or each.id}") for each in document.deployments
    ]
    identity = who.identity
    for scope, label in found:
        given = [views.given_of("", scope)]
        if not delegation.given_beyond(who.engine, identity.subject, given, groups=identity.groups):
            yield shapes.LabelledScope(kind=scope.kind, id=scope.id, label=label)
