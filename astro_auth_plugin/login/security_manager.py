"""FAB's security manager with what this plugin adds to signing in."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from airflow.api_fastapi.app import get_auth_manager

from astro_auth_plugin.airflow_bridge.request import current_request
from astro_auth_plugin.login.account_views import refuse_early, tell_refusals
from astro_auth_plugin.rbac import token_secrets

log = logging.getLogger(__name__)


class SignInMixin:
    """Marks the time in which FAB takes over what an identity provider says, so that the account guard lets it.

    Mixed into whatever security manager class the installation configures.
    """

    def create_login_manager(self) -> Any:
        """Let API tokens open Flask pages too, those of plugins above all, without a session."""
        login_manager = super().create_login_manager()  # type: ignore[misc]
        login_manager.request_loader(_api_token_of)
        return login_manager

    def get_oauth_user_info(self, provider: str, resp: Any) -> Any:
        """Return what the provider says of a person; nothing, so no sign-in, when the e-mail is not verified.

        Anybody can have anybody's address at a provider that does not ask for a proof, and roles go by address.
        """
        info = super().get_oauth_user_info(provider, resp)  # type: ignore[misc]
        claims = resp.get("userinfo") if isinstance(resp, Mapping) else None
        if isinstance(claims, Mapping) and str(claims.get("email_verified", True)).lower() == "false":
            log.warning("Refused a sign-in through %s: the provider has not verified the e-mail", provider)
            return {}
        return info

    def auth_user_ldap(self, *args: Any, **kwargs: Any) -> Any:
        """Sign in through LDAP."""
        with _signing_in():
            return super().auth_user_ldap(*args, **kwargs)  # type: ignore[misc]

    def auth_user_oauth(self, *args: Any, **kwargs: Any) -> Any:
        """Sign in through OAuth or OpenID Connect."""
        with _signing_in():
            return super().auth_user_oauth(*args, **kwargs)  # type: ignore[misc]

    def auth_user_remote_user(self, *args: Any, **kwargs: Any) -> Any:
        """Sign in a person whom the proxy in front has authenticated."""
        with _signing_in():
            return super().auth_user_remote_user(*args, **kwargs)  # type: ignore[misc]


def _api_token_of(request: Any) -> Any:
    """Return the API token whose secret a request to Flask brings; None for anybody else, who has a session or none.

    For looking only: FAB's forms write down the number of the account that used them, and a token has none.
    """
    scheme, _, secret = request.headers.get("Authorization", "").partition(" ")
    if request.method not in ("GET", "HEAD") or scheme.lower() != "bearer" or not token_secrets.is_meant(secret):
        return None
    manager: Any = get_auth_manager()
    return manager.identity_of_secret(secret)


def with_sign_in(configured: type[Any]) -> type[Any]:
    """Return the installation's security manager class with what this plugin adds."""
    views = {name: tell_refusals(getattr(configured, name)) for name in _FORMS}
    views |= {name: refuse_early(getattr(configured, name)) for name in _LISTS}
    return type("AstroSecurityManager", (SignInMixin, configured), views)


# The attributes in which a security manager of FAB names its pages of accounts.
_FORMS = ("resetpasswordview", "resetmypasswordview")
_LISTS = ("userdbmodelview", "userldapmodelview", "useroauthmodelview", "userremoteusermodelview")


@contextmanager
def _signing_in() -> Iterator[None]:
    facts = current_request()
    if facts is None:
        yield
        return
    facts.signing_in = True
    try:
        yield
    finally:
        facts.signing_in = False
