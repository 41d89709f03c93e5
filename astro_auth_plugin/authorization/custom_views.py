"""Decisions on pages of FAB and of other plugins, which FAB asks about by the names of their resources."""

from __future__ import annotations

from astro_auth_plugin.accounts import account_guard
from astro_auth_plugin.authorization import action_map, denials
from astro_auth_plugin.authorization.access_decision import ALLOWED, DENIED, AccessDecision
from astro_auth_plugin.authorization.access_request import AccessRequest
from astro_auth_plugin.authorization.dag_access import holds_in_deployment
from astro_auth_plugin.rbac.engine import delegation
from astro_auth_plugin.runtime.identity import AstroIdentity
from astro_auth_plugin.runtime.request_context import RequestContext

_CHANGE_NEEDS_ALL = "To change something on a page of a plugin takes every permission in this Deployment."


def authorize_custom_view(
    identity: AstroIdentity, request: AccessRequest, context: RequestContext | None
) -> AccessDecision:
    """Decide a method on a page of FAB or of another plugin, whose name is the request's entity."""
    if request.entity in action_map.FAB_ROLE_VIEWS or identity.id == 0:
        return _deny_page(context, account_guard.NO_FAB_ROLES)
    if request.entity == action_map.OWN_PASSWORD_VIEW and not account_guard.users_sign_in_with_passwords():
        return _deny_page(context, account_guard.NO_OWN_PASSWORD)
    if request.entity in action_map.OWN_ACCOUNT_VIEWS:
        return DENIED if identity.is_token else ALLOWED
    if request.entity in action_map.ACCOUNT_VIEWS:
        return _authorize_account_page(identity, request, context)
    return _authorize_plugin_page(identity, request, context)


def _authorize_account_page(
    identity: AstroIdentity, request: AccessRequest, context: RequestContext | None
) -> AccessDecision:
    if request.reads:
        allowed = delegation.may_change_accounts(identity.engine, identity.subject, identity.groups)
        return ALLOWED if allowed else _deny_page(context, account_guard.NOT_ALLOWED)
    # Pages ask about their menus, too.
    refusal = account_guard.refusal_of_request(identity, writes=request.method != "MENU")
    decision = AccessDecision(allowed=False, reason=refusal) if refusal else ALLOWED
    if context is not None:
        context.denied_write = decision if refusal else None
    return decision


def _authorize_plugin_page(
    identity: AstroIdentity, request: AccessRequest, context: RequestContext | None
) -> AccessDecision:
    # FAB has words of its own for what a page does, so the method of the HTTP request counts as well.
    changes = request.method in action_map.CHANGING_METHODS or (context is not None and context.writes)
    needed = action_map.CUSTOM_CHANGE if changes else action_map.CUSTOM_VIEW
    if holds_in_deployment(identity, needed):
        return ALLOWED
    if not changes:
        return DENIED
    decision = AccessDecision(allowed=False, identity=identity, required=needed, reason=_CHANGE_NEEDS_ALL)
    return denials.deny_write(context, decision)


def _deny_page(context: RequestContext | None, reason: str) -> AccessDecision:
    decision = AccessDecision(allowed=False, reason=reason)
    if context is not None:
        denials.tell_read(context, decision)
    return decision
