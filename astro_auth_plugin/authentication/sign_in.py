"""The account of a user who signs in, put under FAB's ways to sign in, which look accounts up by user names.

While a user signs in, FAB finds no account and requests a new one once it knows who that is. There the account of the
person's identity is found instead, whatever way of signing in it is and whatever an installation overrides.
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from airflow.providers.fab.auth_manager.security_manager.override import FabException
from flask import flash, g, has_app_context, has_request_context
from flask_appbuilder.const import AUTH_DB, AUTH_LDAP, AUTH_OAUTH
from sqlalchemy.exc import IntegrityError

from astro_auth_plugin.accounts import identities
from astro_auth_plugin.accounts.identity_binding import ANOTHER_IDENTITY, Found, Person, SignInRefused, find_account_of
from astro_auth_plugin.accounts.sign_in_events import because
from astro_auth_plugin.authentication import ldap_directory, rate_limit
from astro_auth_plugin.authentication.provider_claims import UNREADABLE
from astro_auth_plugin.rbac.model.subjects import is_same_email, normalize_email
from astro_auth_plugin.runtime.request_context import current_request

log = logging.getLogger(__name__)

NO_ACCOUNT = "you have no account, and signing in does not create one. Ask an administrator of this Airflow."
DISABLED = "your account is disabled. Ask an administrator of this Airflow."
FAILED = "your account could not be created or changed. Try again, or ask an administrator of this Airflow."

_ARRIVING = "astro_auth_arriving"


@dataclass
class _Arriving:
    """A user who signs in through a provider at this moment, and the account that was found."""

    person: Person | None
    account_id: int | None = None


def _arriving() -> _Arriving | None:
    return g.get(_ARRIVING) if has_app_context() else None


def _say_refused(why: str) -> None:
    """Say on the sign-in page, or in the answer to a program, why a user is not signed in."""
    log.warning("Refused a sign-in: %s", why)
    g.astro_auth_refusal = f"Sign-in refused: {why}"
    if has_request_context():
        flash(g.astro_auth_refusal, "danger")


class ArrivingMixin:
    """Lets FAB sign in the account that belongs to an identity; mixed into FAB's security manager."""

    _adds_pages = False

    @property
    def auth_user_registration(self) -> Any:
        """Whether FAB makes accounts at a sign-in; while a user signs in, `add_user` is where it is decided.

        To FAB it also means pages where anyone applies for an account with a user name of their choice. They fail with
        Airflow's provider, so there are none, and no link to them on the form for passwords.
        """
        if _arriving() is not None:
            return True
        has_no_sign_in = self._adds_pages or self.auth_type == AUTH_DB  # type: ignore[attr-defined]
        return not has_no_sign_in and super().auth_user_registration  # type: ignore[misc]

    def find_user(self, username: Any = None, email: Any = None) -> Any:
        """Return an account by its name; none while a user signs in, since a name may be a person's choice."""
        return None if _arriving() else super().find_user(username=username, email=email)  # type: ignore[misc]

    def add_user(self, username: Any, first_name: Any, last_name: Any, email: Any, *args: Any, **kwargs: Any) -> Any:
        """Make an account; while a user signs in, return the one that is found for the person's identity."""
        arriving = g.pop(_ARRIVING, None) if has_app_context() else None
        if arriving is None:
            return super().add_user(username, first_name, last_name, email, *args, **kwargs)  # type: ignore[misc]
        person, names = arriving.person, {"first_name": first_name, "last_name": last_name}
        if person is None:
            raise SignInRefused(UNREADABLE, "not_accepted")
        found = find_account_of(person, self._is_live)
        if found.account_id is None:
            user = self._new_account(found, names, *args, **kwargs)
        else:
            user = self._known_account(found)
        is_new = found.account_id is None
        if person.identity and not identities.bind(
            user.id, person.identity, lambda held: not self._is_live(held.provider), is_new=is_new
        ):
            raise SignInRefused(ANOTHER_IDENTITY.format(email=found.email, provider=person.identity.provider))
        if not is_new:
            self._take_over(user, found, names if person.identity else {})
        arriving.account_id = user.id
        return user

    def _new_account(self, found: Found, names: dict[str, Any], *args: Any, **kwargs: Any) -> Any:
        if not self.auth_user_registration:
            raise SignInRefused(NO_ACCOUNT, "no_account")
        # Not the name that the provider says, which a person may choose: Airflow shows user names as who did something.
        name = normalize_email(found.email)
        if self.find_user(username=name):
            name = f"{name}#{secrets.token_hex(4)}"
        return self.add_user(name, *names.values(), found.email, *args, **kwargs)

    def _known_account(self, found: Found) -> Any:
        user = self.get_user_by_id(found.account_id)  # type: ignore[attr-defined]
        if user is None or not user.is_active:
            raise SignInRefused(DISABLED, "account_disabled")
        return user

    def _take_over(self, user: Any, found: Found, names: dict[str, Any]) -> None:
        said = {name: value for name, value in {**names, "email": found.email}.items() if value}
        if is_same_email(user.email, found.email):
            # How it is spelled is no change, and groups belong to the e-mail as it is written.
            del said["email"]
        changed = {name: value for name, value in said.items() if getattr(user, name) != value}
        for name, value in changed.items():
            setattr(user, name, value)
        if changed and not self.update_user(user):  # type: ignore[attr-defined]
            raise SignInRefused(FAILED, "not_accepted")

    def _is_live(self, provider: str) -> bool:
        if self.auth_type == AUTH_OAUTH:  # type: ignore[attr-defined]
            return provider in {f"oauth {name}" for name in self.oauth_remotes}  # type: ignore[attr-defined]
        return self.auth_type == AUTH_LDAP and provider == ldap_directory.PROVIDER  # type: ignore[attr-defined]

    def _provided(self, sign_in: Callable[..., Any], *args: Any, person: Person | None = None, **kwargs: Any) -> Any:
        """Let FAB sign in a user whose account `add_user` finds, and show why it cannot."""
        arriving = _Arriving(person)
        setattr(g, _ARRIVING, arriving)
        try:
            with _signing_in():
                user = sign_in(*args, **kwargs)
        except SignInRefused as refused:
            rate_limit.do_not_count()
            because(refused.reason)
            return _say_refused(str(refused))
        except (FabException, IntegrityError, UnicodeError) as error:
            log.warning("A sign-in failed: %s", type(error).__name__)
            return _say_refused(FAILED)
        finally:
            g.pop(_ARRIVING, None)
        if user and user.id != arriving.account_id:
            log.error("Refused a sign-in: the security manager has signed in another account than that of the identity")
            return None
        return user


@contextmanager
def _signing_in() -> Iterator[None]:
    context = current_request()
    if context is None:
        yield
        return
    context.signing_in = True
    try:
        yield
    finally:
        context.signing_in = False
