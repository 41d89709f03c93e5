"""FAB's security manager with what this plugin adds to signing in.

Every way to sign in ends here: what it brings is kept, and what must not count is refused. FAB calls these methods
for its pages, for `POST /auth/token` and for its own token route alike.
"""

from __future__ import annotations

import functools
import logging
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from airflow.api_fastapi.app import get_auth_manager
from airflow.utils.session import create_session
from flask import g, session
from flask_appbuilder.const import AUTH_DB, AUTH_LDAP

from astro_auth_plugin.airflow_bridge import sign_ins
from astro_auth_plugin.airflow_bridge.issuers import is_verified
from astro_auth_plugin.airflow_bridge.request import current_request
from astro_auth_plugin.airflow_bridge.settings import read_settings
from astro_auth_plugin.login import groups, handed_out, proxy, rate_limit
from astro_auth_plugin.login.account_views import refuse_early, tell_refusals
from astro_auth_plugin.login.accounts import known_by
from astro_auth_plugin.login.proxy_view import told_who_is_refused
from astro_auth_plugin.login.rounds import lead_on
from astro_auth_plugin.rbac import token_secrets
from astro_auth_plugin.rbac.subjects import is_email, normalize_email

log = logging.getLogger(__name__)

_PLACEHOLDER = "@email.notfound"
"""What FAB puts behind a user name where nobody says the e-mail."""
_LATELY = 60
"""Seconds before a sign-in in which a new password may be one during it: api-servers' clocks differ."""


class SignInMixin:
    """Keeps the groups that a sign-in brings, and closes the doors that FAB leaves open.

    While FAB takes over what an identity provider says, the account guard lets it. Mixed into whatever security
    manager class the installation configures.
    """

    def create_login_manager(self) -> Any:
        """Let API tokens open Flask pages too, those of plugins above all, without a session."""
        login_manager = super().create_login_manager()  # type: ignore[misc]
        login_manager.request_loader(_api_token_of)
        return login_manager

    # -- OAuth and OpenID Connect ----------------------------------------------------------------------------------

    def get_oauth_user_info(self, provider: str, resp: Any) -> Any:
        """Return what the provider says of a person; nothing, so no sign-in, when the e-mail is not verified.

        Anybody can have anybody's address at a provider that does not ask for a proof, and roles go by address.
        """
        info = super().get_oauth_user_info(provider, resp)  # type: ignore[misc]
        claims = resp.get("userinfo") if isinstance(resp, Mapping) else None
        claims = claims if isinstance(claims, Mapping) else {}
        if not is_verified(claims):
            log.warning("Refused a sign-in through %s: the provider has not verified the e-mail", provider)
            return {}
        name = read_settings().groups_claim
        said = groups.in_claims(claims, info, name, self.oauth_remotes[provider].userinfo)  # type: ignore[attr-defined]
        return {**info, "role_keys": said} if info else info

    def auth_user_oauth(self, userinfo: Any, *args: Any, **kwargs: Any) -> Any:
        """Sign in through OAuth or OpenID Connect."""
        user = self._provided(super().auth_user_oauth, userinfo, *args, **kwargs)  # type: ignore[misc]
        said = userinfo.get("email")
        if user and said and normalize_email(said) != normalize_email(user.email):
            # Whoever may choose a user name at the provider must not get another person's account by it.
            log.warning("Refused a sign-in: the provider's e-mail is not that of the account %s", user.id)
            return None
        # The provider's token is needed no more, and may be large.
        session.pop("oauth", None)
        return self._kept(user, userinfo.get("role_keys") or ())

    # -- LDAP ------------------------------------------------------------------------------------------------------

    @property
    def auth_roles_mapping(self) -> dict[str, list[str]]:
        """FAB's map from groups to its roles; never empty, since FAB asks LDAP for groups only to map them."""
        return super().auth_roles_mapping or {"": []}  # type: ignore[misc]

    def _search_ldap(self, *args: Any) -> Any:
        user_dn, attributes = super()._search_ldap(*args)  # type: ignore[misc]
        g.astro_auth_groups = groups.in_ldap(attributes or {}, self.auth_ldap_group_field)  # type: ignore[attr-defined]
        return user_dn, attributes

    def auth_user_ldap(self, username: Any, password: Any, *args: Any, **kwargs: Any) -> Any:
        """Sign in through LDAP."""
        # Many directories take a name without a password for nobody in particular, and say yes.
        if self.auth_type != AUTH_LDAP or not password:  # type: ignore[attr-defined]
            return None
        g.astro_auth_groups = ()
        sign_in = super().auth_user_ldap  # type: ignore[misc]
        user = self._limited(self._provided, sign_in, username, password, *args, **kwargs)
        return self._kept(user, g.astro_auth_groups)

    # -- a proxy in front ------------------------------------------------------------------------------------------

    def auth_user_remote_user(self, username: str) -> Any:
        """Sign in a person whom the proxy in front has authenticated."""
        facts, settings = current_request(), read_settings()
        refusal = proxy.refusal(facts, settings, self.auth_remote_user_env_var, username)  # type: ignore[attr-defined]
        if facts is None or refusal:
            log.warning("Refused a sign-in by a header: %s", refusal)
            return None
        username = self._username_of(username)
        user = self._provided(super().auth_user_remote_user, username)  # type: ignore[misc]
        if user and user.email == f"{username}{_PLACEHOLDER}" and is_email(username):
            with _signing_in():
                user.email = username
                self.update_user(user)  # type: ignore[attr-defined]
        return self._kept(user, proxy.groups(facts, settings))

    @staticmethod
    def _username_of(said: str) -> str:
        """Return FAB's user name of the account that has an e-mail; FAB would make a second one of the e-mail."""
        if not is_email(said):
            return said
        with create_session(scoped=False) as database:
            found = known_by(said, database)
        return found[0].username if len(found) == 1 else said

    # -- passwords in FAB's database -------------------------------------------------------------------------------

    def auth_user_db(self, *args: Any, **kwargs: Any) -> Any:
        """Sign in with a password of FAB's database, where people sign in that way, or an option allows it."""
        if self.auth_type != AUTH_DB and not read_settings().allow_database_passwords:  # type: ignore[attr-defined]
            log.warning("Refused a password of FAB's database: [astro_auth] allow_database_passwords is not set")
            return None
        check = functools.partial(self._limited, super().auth_user_db, *args, **kwargs)  # type: ignore[misc]
        began = time.time()
        user = self._kept(check(), ())
        if user and handed_out.has_ended(user.id, began - _LATELY):
            # The password may have changed after it was looked at, and what is handed out now would outlive the change.
            self.session.expire_all()  # type: ignore[attr-defined]
            return check()
        return user

    # -- what has ended --------------------------------------------------------------------------------------------

    def load_user(self, pk: Any) -> Any:
        """Return the account behind a web session, unless the session has ended."""
        user = super().load_user(pk)  # type: ignore[misc]
        return None if user and handed_out.empty_ended_session(user.id) else user

    def load_user_jwt(self, header: Any, data: Any) -> Any:
        """Return the account behind a token of FAB's own, unless the token has ended."""
        user = super().load_user_jwt(header, data)  # type: ignore[misc]
        return None if user and handed_out.has_ended(user.id, data["iat"]) else user

    # -- both ------------------------------------------------------------------------------------------------------

    def _limited(self, sign_in: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        with rate_limit.turn():
            if rate_limit.is_reached(self):
                log.warning("Refused a password unseen: too many from this address were wrong")
                return None
            user = sign_in(*args, **kwargs)
            if not user:
                rate_limit.count_failure(self)
            return user

    def _provided(self, sign_in: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        with _signing_in():
            return sign_in(*args, **kwargs)

    def _kept(self, user: Any, brought: Iterable[str]) -> Any:
        if not user:
            return None
        try:
            sign_ins.keep(user.id, user.email, brought)
        except Exception:
            # With the groups of the sign-in before, somebody might keep what has been taken away.
            log.exception("Refused a sign-in: the groups of the account %s could not be kept", user.id)
            return None
        handed_out.wait_for_the_next(user.id)
        return user


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
    # At level debug it writes the secret of each sign-in down, the `code_verifier` of PKCE.
    logging.getLogger("authlib").setLevel(logging.INFO)
    views = {name: tell_refusals(getattr(configured, name)) for name in _FORMS}
    views |= {name: refuse_early(getattr(configured, name)) for name in _LISTS}
    views |= {name: lead_on(getattr(configured, name)) for name in _SIGN_INS}
    views["authremoteuserview"] = lead_on(told_who_is_refused(configured.authremoteuserview))
    return type("AstroSecurityManager", (SignInMixin, configured), views)


# The attributes in which a security manager of FAB names its pages of accounts, and those to sign in.
_FORMS = ("resetpasswordview", "resetmypasswordview")
_SIGN_INS = ("authdbview", "authldapview", "authoauthview", "authremoteuserview")
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
