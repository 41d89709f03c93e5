"""FAB's security manager with what this plugin adds to signing in.

Every way to sign in ends here: what it brings is stored, and what must not be valid is denied. FAB calls these methods
for its pages, for `POST /auth/token` and for its own token route alike.
"""

from __future__ import annotations

import functools
import logging
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from airflow.providers.fab.auth_manager.security_manager.override import FabAirflowSecurityManagerOverride
from airflow.utils.session import create_session
from flask import g, session
from flask_appbuilder.const import AUTH_DB, AUTH_LDAP, AUTH_OAUTH, AUTH_REMOTE_USER

from astro_auth_plugin.accounts import account_guard, identities, sign_ins
from astro_auth_plugin.accounts.account_views import refuse_early, tell_refusals
from astro_auth_plugin.accounts.identity_binding import Person
from astro_auth_plugin.accounts.sign_in_events import audited, because
from astro_auth_plugin.authentication import (
    idp_groups,
    ldap_directory,
    provider_claims,
    proxy_auth,
    rate_limit,
    revocation,
)
from astro_auth_plugin.authentication.redirect_loop_guard import SignInElsewhere, lead_on
from astro_auth_plugin.authentication.sign_in import ArrivingMixin
from astro_auth_plugin.rbac.model import token_secrets
from astro_auth_plugin.rbac.model.subjects import is_email
from astro_auth_plugin.runtime import state
from astro_auth_plugin.runtime.request_context import current_request
from astro_auth_plugin.runtime.settings import read_settings

log = logging.getLogger(__name__)

_IDENTIFIED = "astro_auth_identified"
"""What FAB gets as the user name of a user whose account is found in another way."""
_LONGEST = 1024
"""How long user names and passwords can be."""
_LATELY = 60
"""Seconds before a sign-in in which a new password may be one during it: api-servers' clocks differ."""


class SignInMixin(ArrivingMixin):
    """Keeps the groups that a sign-in brings, and closes the doors that FAB leaves open.

    While FAB takes over what an identity provider says, the account guard lets it. Mixed into whatever security
    manager class the installation configures.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # FAB has this only where people sign in through a provider.
        provider_claims.limit_waiting(getattr(self, "oauth_remotes", {}))

    def create_login_manager(self) -> Any:
        """Let API tokens open Flask pages too, those of plugins above all, without a session."""
        login_manager = super().create_login_manager()  # type: ignore[misc]
        login_manager.request_loader(_api_token_of)
        return login_manager

    def register_views(self) -> None:
        """Register FAB's pages; in the application of plugins for Airflow 2 none of them, since they sign in."""
        if not self._is_for_plugins:
            self._adds_pages = True
            super().register_views()  # type: ignore[misc]
            self._adds_pages = False
            return
        # FAB makes links to it from the name of its own page, on Airflow 3.1 through another application's manager.
        own = getattr(self, _PAGES.get(self.auth_type, "authdbview"))  # type: ignore[attr-defined]
        self.auth_view = type(own.__name__, (SignInElsewhere,), {})()
        self.appbuilder.add_view_no_menu(self.auth_view)  # type: ignore[attr-defined]

    @property
    def _is_for_plugins(self) -> bool:
        return bool(self.appbuilder.enable_plugins)  # type: ignore[attr-defined]

    # -- OAuth and OpenID Connect ----------------------------------------------------------------------------------

    def get_oauth_user_info(self, provider: str, resp: Any) -> Any:
        """Return what the provider says of a person, with the groups from where the installation has them."""
        info = super().get_oauth_user_info(provider, resp)  # type: ignore[misc]
        claims = resp.get("userinfo") if isinstance(resp, Mapping) else None
        claims = claims if isinstance(claims, Mapping) else {}
        if not info:
            return info
        if provider == "authentik":
            # FAB takes the user name for the e-mail, and people choose it.
            info = {**info, "email": claims.get("email", "")}
        name = read_settings().groups_claim
        said = idp_groups.in_claims(claims, info, name, self.oauth_remotes[provider].userinfo)  # type: ignore[attr-defined]
        return {**info, "role_keys": said}

    def set_oauth_session(self, provider: str, oauth_response: Any) -> None:
        """Keep what the provider has answered, until it is known who that is."""
        super().set_oauth_session(provider, oauth_response)  # type: ignore[misc]
        g.astro_auth_answer = (provider, oauth_response)

    def auth_user_oauth(self, userinfo: Any, *args: Any, **kwargs: Any) -> Any:
        """Sign in through OAuth or OpenID Connect."""
        provider, answer = g.pop("astro_auth_answer", ("", None))
        if not userinfo or answer is None:
            log.warning("Refused a sign-in: there is no response of a provider to verify")
            return None

        def sign_in() -> Any:
            trusted = provider in read_settings().trusted_email_providers
            arriving = g.astro_auth_arriving
            arriving.person = provider_claims.person_of(self, provider, answer, userinfo, trusted=trusted)
            info = {**userinfo, "username": _IDENTIFIED, "email": arriving.person.emails[0]}
            return super(SignInMixin, self).auth_user_oauth(info, *args, **kwargs)  # type: ignore[misc]

        user = self._provided(sign_in)
        # The provider's token is needed no more, and may be large.
        session.pop("oauth", None)
        return self._kept(user, userinfo.get("role_keys") or ())

    def auth_user_saml(self, _: Any) -> None:
        """Refuse to sign in through SAML, which newer versions of FAB can: its e-mails are not verified here."""
        because("provider_not_supported")
        log.warning("Refused a sign-in: SAML is not supported")

    # -- LDAP ------------------------------------------------------------------------------------------------------

    @property
    def auth_roles_mapping(self) -> dict[str, list[str]]:
        """FAB's map from groups to its roles; never empty, since FAB requests groups from LDAP only to map them."""
        return super().auth_roles_mapping or {"": []}  # type: ignore[misc]

    def _ldap_bind_indirect(self, ldap: Any, con: Any) -> None:
        with ldap_directory.answering(ldap, before_password=True):
            super()._ldap_bind_indirect(ldap, con)  # type: ignore[misc]

    def _ldap_bind(self, ldap: Any, con: Any, dn: str, password: str) -> bool:
        bind = super()._ldap_bind  # type: ignore[misc]
        # For anyone who binds before the search, under a name that was made of what was typed.
        g.astro_auth_bind_again = lambda found: bind(ldap, con, found, password)
        with ldap_directory.answering(ldap):
            return bool(bind(ldap, con, dn, password))

    def _is_of_password(self, dn: str) -> bool:
        """Whether the password opens the entry that was found; FAB looks itself where it searches before it binds."""
        bind_user: str = self.auth_ldap_bind_user  # type: ignore[attr-defined]
        return bool(bind_user or g.astro_auth_bind_again(dn))

    def _search_ldap(self, ldap: Any, con: Any, username: str) -> Any:
        with ldap_directory.answering(ldap):
            user_dn, attributes = super()._search_ldap(ldap, con, username)  # type: ignore[misc]
            if user_dn is not None and not self._is_of_password(user_dn):
                log.warning("Refused a sign-in: the password is not that of the entry that AUTH_LDAP_SEARCH finds")
                return None, None
            if user_dn is not None:
                g.astro_auth_arriving.person = ldap_directory.person_of(self, ldap, con, user_dn, attributes)
        g.astro_auth_groups = idp_groups.in_ldap(attributes or {}, self.auth_ldap_group_field)  # type: ignore[attr-defined]
        return user_dn, attributes

    def auth_user_ldap(self, username: Any, password: Any, *args: Any, **kwargs: Any) -> Any:
        """Sign in through LDAP."""
        # Many directories take a name without a password as an anonymous bind, and say yes.
        if self.auth_type != AUTH_LDAP or not password:  # type: ignore[attr-defined]
            return None
        ldap_directory.limit_waiting()
        g.astro_auth_groups = ()
        g.astro_auth_asked = False
        # Without a password of this request there is nothing to bind with.
        g.astro_auth_bind_again = lambda _: False
        ask = functools.partial(super().auth_user_ldap, username, password, *args, **kwargs)  # type: ignore[misc]

        def sign_in() -> Any:
            user = self._provided(ask)
            if not g.astro_auth_asked and ask.func.__func__ is FabAirflowSecurityManagerOverride.auth_user_ldap:  # type: ignore[attr-defined]
                # FAB could not even begin: it only logs that TLS cannot be started.
                rate_limit.do_not_count()
            return user

        user = self._limited(username, password, sign_in)
        g.pop("astro_auth_bind_again", None)
        return self._kept(user, g.astro_auth_groups)

    # -- a proxy in front ------------------------------------------------------------------------------------------

    def auth_user_remote_user(self, username: str) -> Any:
        """Sign in a person whom the proxy in front has authenticated."""
        context, settings = current_request(), read_settings()
        refusal = proxy_auth.refusal(context, settings, self.auth_remote_user_env_var, username)  # type: ignore[attr-defined]
        if context is None or refusal:
            because("proxy_not_trusted")
            log.warning("Refused a sign-in by a header: %s", refusal)
            return None
        person = Person(None, (username,)) if is_email(username) else Person(None, (), username)
        user = self._provided(super().auth_user_remote_user, username, person=person)  # type: ignore[misc]
        return self._kept(user, proxy_auth.groups(context, settings))

    # -- passwords in FAB's database -------------------------------------------------------------------------------

    def auth_user_db(self, username: Any, password: Any, *args: Any, **kwargs: Any) -> Any:
        """Sign in with a password of FAB's database, where people sign in that way, or an option allows it."""
        if self.auth_type != AUTH_DB and not read_settings().allow_database_passwords:  # type: ignore[attr-defined]
            because("passwords_not_allowed")
            log.warning("Refused a password of FAB's database: [astro_auth] allow_database_passwords is not set")
            return None
        sign_in = functools.partial(super().auth_user_db, username, password, *args, **kwargs)  # type: ignore[misc]
        check = functools.partial(self._limited, username, password, sign_in)
        began = time.time()
        user = self._kept(self._without_identity(check()), ())
        if user and revocation.has_ended(user.id, began - _LATELY):
            # The password may have changed after it was looked at, and what is issued now would outlive the change.
            # Without another wait: what ends the account's tokens from here on ends those that are issued now, too.
            self.session.expire_all()  # type: ignore[attr-defined]
            user = self._stored(self._without_identity(check()), ())
        # Once more, since the account may have been bound meanwhile.
        return self._without_identity(user)

    def _without_identity(self, user: Any) -> Any:
        """Return an account, or None if it belongs to an identity of a provider in use, which its groups are from."""
        if not user:
            return None
        with create_session(scoped=False) as session:
            identity = identities.identity_of(session, user.id)
        if identity is None or not self._is_live(identity.provider):
            return user
        because("passwords_not_allowed")
        log.warning("Refused a password of FAB's database: the account %s belongs to an identity", user.id)
        return None

    # -- what has ended --------------------------------------------------------------------------------------------

    def load_user(self, pk: Any) -> Any:
        """Return the account behind a web session, unless the session has ended."""
        if self._is_for_plugins and not revocation.plugins_share_sessions():
            return None
        user = super().load_user(pk)  # type: ignore[misc]
        return None if user and revocation.empty_ended_session(user.id) else user

    def load_user_jwt(self, header: Any, data: Any) -> Any:
        """Return the account behind a token of FAB's own, unless the token has ended."""
        user = super().load_user_jwt(header, data)  # type: ignore[misc]
        return None if user and revocation.fab_token_has_ended(user.id, data["iat"]) else user

    # -- accounts --------------------------------------------------------------------------------------------------

    @property
    def auth_user_registration_role(self) -> str:
        """The role of FAB for new accounts, without which FAB makes none: the configured one, else `Public`.

        It is created where it is missing. No role of FAB grants anything.
        """
        name: str = super().auth_user_registration_role or "Public"  # type: ignore[misc]
        self.add_role(name)  # type: ignore[attr-defined]
        return name

    def add_user(self, *args: Any, **kwargs: Any) -> Any:
        """Create an account, or say why not."""
        with account_guard.not_swallowed():
            return super().add_user(*args, **kwargs)

    def update_user(self, *args: Any, **kwargs: Any) -> Any:
        """Change an account, or say why not."""
        with account_guard.not_swallowed():
            return super().update_user(*args, **kwargs)  # type: ignore[misc]

    def reset_user_sessions(self, user: Any) -> None:
        """Do nothing: the account guard ends sessions with the password, and FAB would read every session there is."""

    # -- both ------------------------------------------------------------------------------------------------------

    @property
    def password_limit(self) -> str:
        """The limit of wrong passwords; '' for none."""
        return super().auth_rate_limit if super().is_auth_limited else ""  # type: ignore[misc]

    @property
    def is_auth_limited(self) -> bool:
        """False: FAB would count right passwords, too, by an address that is everybody's behind a proxy."""
        return False

    def _limited(self, username: Any, password: Any, sign_in: Callable[[], Any]) -> Any:
        # FAB fails at anything but text, and only where there is an account, which would show strangers that there is.
        can_be_right = _is_text(username) and _is_text(password)
        tried = rate_limit.attempt(self, username if _is_text(username) else "")
        with tried.turn():
            seconds = rate_limit.seconds_to_wait(self, tried)
            if seconds:
                context = current_request()
                if context is not None:
                    context.retry_after = seconds
                because("too_many_wrong_passwords")
                log.warning(
                    "Refused a password without checking it: too many wrong ones for this account or from this address"
                )
                return None
            user = None
            try:
                user = sign_in() if can_be_right else None
            finally:
                counted = rate_limit.is_counted()
                if user:
                    rate_limit.keep_success(tried)
                elif counted:
                    rate_limit.count_failure(self, tried)
            return user

    def _kept(self, user: Any, brought: Iterable[str]) -> Any:
        user = self._stored(user, brought)
        if user:
            revocation.wait_for_the_next(user.id)
        return user

    def _stored(self, user: Any, brought: Iterable[str]) -> Any:
        if not user:
            return None
        try:
            sign_ins.keep(user.id, user.email, brought)
        except Exception:
            # With the groups of the sign-in before, a user might keep what has been taken away.
            log.exception("Refused a sign-in: the groups of the account %s could not be stored", user.id)
            return None
        return user


def _is_text(value: Any) -> bool:
    """Whether a user name or password is text that databases and directories take, of a sane length."""
    if not isinstance(value, str) or len(value) > _LONGEST or "\0" in value:
        return False
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def _api_token_of(request: Any) -> Any:
    """Return the API token whose secret a request to Flask brings; None for anyone else, who has a session or none.

    For looking only: FAB's forms write down the number of the account that used them, and a token has none.
    """
    scheme, _, secret = request.headers.get("Authorization", "").partition(" ")
    if request.method not in ("GET", "HEAD") or scheme.lower() != "bearer" or not token_secrets.is_meant(secret):
        return None
    return state.current().authenticator.identity_of_secret(secret)


def with_sign_in(configured: type[Any]) -> type[Any]:
    """Return the installation's security manager class with what this plugin adds."""
    # At level debug it writes the secret of each sign-in down, the `code_verifier` of PKCE.
    logging.getLogger("authlib").setLevel(logging.INFO)
    views = {name: tell_refusals(getattr(configured, name)) for name in _FORMS}
    views |= {name: refuse_early(getattr(configured, name)) for name in _LISTS}
    views |= {name: lead_on(getattr(configured, name)) for name in _PAGES.values()}
    views["authremoteuserview"] = lead_on(proxy_auth.with_refusal_page(configured.authremoteuserview))
    return audited(type("AstroSecurityManager", (SignInMixin, configured), views))


# The attributes in which a security manager of FAB names its pages of accounts, and those to sign in.
_FORMS = ("resetpasswordview", "resetmypasswordview", "userinfoeditview")
_PAGES = {
    AUTH_DB: "authdbview",
    AUTH_LDAP: "authldapview",
    AUTH_OAUTH: "authoauthview",
    AUTH_REMOTE_USER: "authremoteuserview",
}
_LISTS = ("userdbmodelview", "userldapmodelview", "useroauthmodelview", "userremoteusermodelview")
