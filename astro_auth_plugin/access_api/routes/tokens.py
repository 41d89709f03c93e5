"""API tokens. A secret is in the answer to the request that makes it, and nowhere else."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import Any

from fastapi import APIRouter, Response

from astro_auth_plugin.access_api import changing, shapes, views
from astro_auth_plugin.access_api.caller import Caller, CallerDep, TokenReaderDep, token_reader
from astro_auth_plugin.access_api.changing import Wish
from astro_auth_plugin.access_api.errors import denied, not_found
from astro_auth_plugin.access_api.etags import Entity
from astro_auth_plugin.access_api.routes.users import DryRun, IfMatch
from astro_auth_plugin.access_api.views import Limit, Offset, Search
from astro_auth_plugin.authentication.token_use import Used, read_last_uses
from astro_auth_plugin.rbac.changes import edits
from astro_auth_plugin.rbac.changes.edits import Values
from astro_auth_plugin.rbac.model import token_secrets
from astro_auth_plugin.rbac.model.scopes import KINDS, GrantScope
from astro_auth_plugin.rbac.model.subjects import token_subject
from astro_auth_plugin.rbac.policy.document import NEVER, ApiToken
from astro_auth_plugin.rbac.policy.grants import token_scope
from astro_auth_plugin.runtime.new_secrets import new_secret, new_token_id

router = APIRouter(tags=["API tokens"])


@router.get("/tokens")
def list_tokens(who: TokenReaderDep, search: Search = "", limit: Limit = 50, offset: Offset = 0) -> shapes.Tokens:
    """List the API tokens with a role in this Workspace, by name."""
    wanted = search.lower()
    found = sorted(
        (token for token in _visible(who) if wanted in token.name.lower() or wanted in token.id.lower()),
        key=lambda token: (token.name, token.id),
    )
    shown = views.page(found, limit, offset)
    uses = read_last_uses() if shown else {}
    return shapes.Tokens(tokens=[_detail(who, token, uses) for token in shown], total_entries=len(found))


@router.post("/tokens", status_code=HTTPStatus.CREATED)
def create_token(
    who: CallerDep, body: shapes.NewToken, response: Response, dry_run: DryRun = False
) -> shapes.TokenResult:
    """Make an API token; the answer has its secret, this once."""
    _no_token(who)
    changing.needs_sight(who, (_place(views.grant_scope(role.scope)) for role in body.roles))
    changing.needs_token_maker(who)
    token_id = new_token_id()
    secret = new_secret(token_id)
    entry = {
        "id": token_id,
        "name": body.name,
        "secret_sha256": token_secrets.sha256(secret),
        "expires_at": shapes.spelled(body.expires_at) if body.expires_at else NEVER,
        **({"description": body.description} if body.description else {}),
        "roles": [_role_values(role, who.engine.policy.document.organization_id) for role in body.roles],
    }
    wish = Wish(edits.add_token(entry), body.reason, dry_run, Entity("api_tokens", token_id), new=True)
    result = changing.change(who, wish)
    return _with_secret(result, "" if dry_run else token_id, secret, response)


@router.post("/tokens/{token_id}/rotate")
def rotate_token(
    who: TokenReaderDep,
    token_id: str,
    body: shapes.Rotation,
    response: Response,
    dry_run: DryRun = False,
    if_match: IfMatch = None,
) -> shapes.TokenResult:
    """Give an API token a new secret; the answer has it, this once."""
    _no_token(who)
    find_token(who, token_id)
    secret = new_secret(token_id)

    def edit(values: Values) -> Values:
        token = Entity("api_tokens", token_id).find(values) or {}
        changes: dict[str, str | None] = dict.fromkeys(_PREVIOUS)
        if body.overlap_hours:
            end = datetime.now(UTC) + timedelta(hours=body.overlap_hours)
            changes = dict(zip(_PREVIOUS, (token.get("secret_sha256"), shapes.spelled(end)), strict=True))
        return edits.change_token(token_id, {"secret_sha256": token_secrets.sha256(secret), **changes})(values)

    wish = Wish(edit, body.reason, dry_run, Entity("api_tokens", token_id), if_match=if_match, show=_showing(token_id))
    return _with_secret(changing.change(who, wish), token_id, secret, response)


@router.delete("/tokens/{token_id}")
def revoke_token(
    who: TokenReaderDep, token_id: str, reason: shapes.Reason = "", dry_run: DryRun = False, if_match: IfMatch = None
) -> shapes.Result:
    """Revoke an API token: its secrets and JWTs are invalid from the next request on."""
    find_token(who, token_id)
    wish = Wish(
        edits.remove_token(token_id),
        reason,
        dry_run,
        Entity("api_tokens", token_id),
        if_match=if_match,
        show=_showing(token_id),
    )
    return changing.change(who, wish)


_PREVIOUS = ("previous_secret_sha256", "previous_secret_expires_at")


def _no_token(who: Caller) -> None:
    # Else a secret that was stolen could make another one, which outlives it.
    if who.identity.is_token:
        raise denied("API tokens cannot make or rotate API tokens.", "a user")


def _place(scope: GrantScope) -> GrantScope:
    """Return the Deployment of a part of it: custom roles can make tokens for parts whose grants they do not see."""
    return GrantScope("Deployment", scope.deployment_id) if scope.deployment_id else scope


def _showing(token_id: str) -> Callable[[Caller], shapes.TokenDetail]:
    return lambda who: _detail(who, find_token(token_reader(who), token_id), {})


def _with_secret(result: shapes.Result, token_id: str, secret: str, response: Response) -> shapes.TokenResult:
    response.headers["Cache-Control"] = "no-store"
    shown = None if result.dry_run or result.version is None else secret
    return shapes.TokenResult(**dict(result), id=token_id, secret=shown)


def _role_values(role: shapes.RoleInScope, organization_id: str) -> dict[str, str]:
    scope = views.grant_scope(role.scope)
    kind = KINDS[scope.kind]
    place = {"deployment_id": scope.deployment_id} if kind.in_deployment else {}
    folder = {"folder": scope.folder} if scope.folder else {}
    entity_id = scope.id if kind.id_key else organization_id
    return {"role": role.role, "entity_type": kind.entity_type, "entity_id": entity_id, **place, **folder}


def _visible(who: Caller) -> Iterable[ApiToken]:
    sees = who.visibility.sees
    for token in who.engine.policy.document.api_tokens:
        if who.visibility.everything or not token.roles or any(sees(token_scope(role)) for role in token.roles):
            yield token


def find_token(who: Caller, token_id: str) -> ApiToken:
    """Return an API token that a caller may see.

    Raises:
        ApiError: if there is none.
    """
    found = next((token for token in _visible(who) if token.id == token_id), None)
    if found is None:
        raise not_found(f"API token `{token_id}`")
    return found


def _detail(who: Caller, token: ApiToken, uses: Mapping[Any, datetime]) -> shapes.TokenDetail:
    subject, now = token_subject(token.id), datetime.now(UTC)
    keys = [token_secrets.key_of(sha) for sha in (token.secret_sha256, token.previous_secret_sha256) if sha]
    used = [moment for key in keys if (moment := uses.get(Used(subject, key)))]
    scopes = ((role.role, token_scope(role)) for role in token.roles)
    return shapes.TokenDetail(
        id=token.id,
        name=token.name,
        description=token.description,
        roles=[
            shapes.RoleInScope(role=role, scope=views.scope_of(scope))
            for role, scope in scopes
            if who.visibility.sees(scope)
        ],
        expires_at=token.expires_at,
        expired=token.expires_at is not None and token.expires_at <= now,
        last_used=max(used, default=None),
        previous_secret_expires_at=token.previous_secret_expires_at,
        etag=Entity("api_tokens", token.id).etag(token),
    )
