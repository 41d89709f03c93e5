"""Who is behind a bearer credential: the one place where each of them is verified.

There are three kinds: the secret of an API token, a JWT that Airflow has issued, and a JWT of a trusted issuer. A
module for each verifies it with the policy that it is given, and returns an identity.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Hashable
from functools import cached_property
from http import HTTPStatus
from typing import Any, TypeVar

from anyio import CapacityLimiter, fail_after, to_thread
from fastapi import HTTPException
from jwt import ExpiredSignatureError, InvalidTokenError

from astro_auth_plugin.accounts.accounts import Account
from astro_auth_plugin.authentication import account_identity, airflow_jwts, api_tokens, external_tokens
from astro_auth_plugin.authentication.trusted_issuers import Issuers
from astro_auth_plugin.rbac.engine.engine import Engine
from astro_auth_plugin.rbac.model import token_secrets
from astro_auth_plugin.runtime.identity import AstroIdentity
from astro_auth_plugin.runtime.policy_source import PolicyUnavailable
from astro_auth_plugin.runtime.policy_store import LOAD_SECONDS, LOOK_SECONDS, PolicyStore
from astro_auth_plugin.runtime.request_context import current_request

log = logging.getLogger(__name__)

R = TypeVar("R")


class Authenticator:
    """Verifies credentials against the newest policy.

    Args:
        policy_store: the running policy.
        issuers: the issuers that are trusted beside Airflow itself.
    """

    def __init__(self, policy_store: PolicyStore, issuers: Issuers) -> None:
        self._policy_store = policy_store
        self._issuers = issuers

    async def authenticate(self, credential: str) -> AstroIdentity:
        """Return who a bearer credential is of.

        Raises:
            HTTPException: 401, if it is invalid or expired; 503, if the policy cannot be read.
        """
        identity = await self._verify(credential)
        context = current_request()
        if context is not None:
            context.signed_in, context.credential = identity, credential
        return identity

    async def _verify(self, credential: str) -> AstroIdentity:
        if token_secrets.is_meant(credential):
            identity = api_tokens.by_secret(await self._newest_engine(), credential)
            if identity is None:
                raise api_tokens.refused("Invalid API token")
            return identity
        try:
            if self._issuers.issued(credential):
                external = await self._issuers.verify(credential)
                account = await self._read(external_tokens.account_of, external)
                return external_tokens.identity_of(external, account, await self._engine_with(account))
            claims = await airflow_jwts.verified_claims(credential)
            account = await self._read(airflow_jwts.account_of, claims)
            return airflow_jwts.identity_of(claims, account, await self._engine_with(account))
        except ExpiredSignatureError:
            raise api_tokens.refused("Token Expired") from None
        except InvalidTokenError:
            raise api_tokens.refused("Invalid JWT token") from None
        except (ValueError, KeyError) as error:
            log.warning("Rejected a JWT: %s", error)
            raise api_tokens.refused("Invalid JWT token") from None

    async def _read(self, account_of: Callable[[Any, Any], Account | None], said: Any) -> Account | None:
        """Return the account that a verified JWT names, read in a thread; with it comes the policy's version."""
        return await to_thread.run_sync(account_of, said, self._policy_store.column)

    async def _engine_with(self, account: Account | None) -> Engine:
        return await self._newest_engine(account and account.policy_version)

    def identity_of_secret(self, secret: str) -> AstroIdentity | None:
        """Return the API token that a secret is of; None when the secret is invalid or expired."""
        return api_tokens.by_secret(self._policy_store.engine(), secret)

    def identity_of_claims(self, claims: dict[str, Any]) -> AstroIdentity:
        """Return who the claims of a verified JWT of Airflow name.

        Raises:
            ValueError: if there is no such account or token, or it is not active.
            KeyError: if a claim is missing.
        """
        account = airflow_jwts.account_of(claims, self._policy_store.column)
        engine = self._policy_store.engine(account and account.policy_version)
        return airflow_jwts.identity_of(claims, account, engine)

    def identity_of_user(self, user: Any) -> AstroIdentity:
        """Return whose access a hook checks: Airflow passes our object, FAB's pages pass FAB's own, or none.

        Raises:
            ValueError: if FAB's account does not exist or is not active.
        """
        context = current_request()
        if isinstance(user, AstroIdentity):
            identity = user
        elif user is None or getattr(user, "is_anonymous", True):
            # An anonymous user has no permissions in any version, so a newer one is not looked for.
            identity = AstroIdentity(id=0, username="", email="", subject="", engine=self._policy_store.newest)
        elif context is None:
            identity = self._identity_of_account(user.id)
        else:
            # One object for the whole request, since it remembers what the request checked.
            identity = context.identities.get(user.id) or self._identity_of_account(user.id)
            context.identities[user.id] = identity
        if context is not None:
            context.actor = identity
        return identity

    def _identity_of_account(self, account_id: int) -> AstroIdentity:
        account = account_identity.load_active_account(account_id, self._policy_store.column)
        return account_identity.identity_of(self._policy_store.engine(account.policy_version), account)

    def revoke(self, token: str) -> None:
        """Revoke a JWT of Airflow.

        The secret of an API token and another issuer's JWT are not revoked by a sign-out.
        """
        if not token_secrets.is_meant(token) and not self._issuers.issued(token):
            airflow_jwts.revoke(token)

    # -- the policy ------------------------------------------------------------------------------------------------

    async def _newest_engine(self, version: Hashable = None) -> Engine:
        """Return the engine of the newest valid policy, while the event loop serves others.

        A large policy is checked for seconds, and a network mount may not answer at all. The threads are none of those
        that other requests need, and those that wait for a new policy leave the ones that only look for it alone.

        Args:
            version: the policy's version, if it has been read with the account.
        """
        store = self._policy_store
        try:
            if version is None:
                with fail_after(LOOK_SECONDS):
                    changed = await _in_thread_of(self._look_threads, store.has_changed)
            else:
                changed = store.has_changed(version)
            with fail_after(LOAD_SECONDS):
                return await _in_thread_of(self._load_threads, store.engine) if changed else store.newest
        except (PolicyUnavailable, TimeoutError):
            log.error("Denied, because where the policy is kept nothing answers")  # noqa: TRY400 - that is all
            raise HTTPException(HTTPStatus.SERVICE_UNAVAILABLE, "The policy cannot be read at the moment.") from None

    @cached_property
    def _look_threads(self) -> CapacityLimiter:
        return CapacityLimiter(4)

    @cached_property
    def _load_threads(self) -> CapacityLimiter:
        return CapacityLimiter(4)


async def _in_thread_of(limiter: CapacityLimiter, work: Callable[[], R]) -> R:
    return await to_thread.run_sync(work, abandon_on_cancel=True, limiter=limiter)
