"""Who is behind a bearer credential: the one place where each of them is verified.

There are three kinds: the secret of an API token, a JWT that Airflow has issued, and a JWT of a trusted issuer. A
module for each verifies it with the policy that it is given, and returns an identity.
"""

from __future__ import annotations

import functools
import logging
import time
from collections.abc import Callable, Hashable, Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from http import HTTPStatus
from typing import Any, Protocol, TypeVar

from anyio import CapacityLimiter, fail_after, to_thread
from fastapi import HTTPException
from jwt import ExpiredSignatureError, InvalidTokenError

from astro_auth_plugin.accounts import revoked_tokens
from astro_auth_plugin.accounts.accounts import NOTHING, Account
from astro_auth_plugin.accounts.identity_cache import IdentityCache
from astro_auth_plugin.accounts.revoked_tokens import IS_REVOKED
from astro_auth_plugin.authentication import account_identity, airflow_jwts, api_tokens, external_tokens
from astro_auth_plugin.authentication.trusted_issuers import Issuers
from astro_auth_plugin.rbac.engine.engine import Engine
from astro_auth_plugin.rbac.model import token_secrets
from astro_auth_plugin.rbac.model.scopes import Dag
from astro_auth_plugin.runtime.database import LAST_OF_UTF8MB3, Along
from astro_auth_plugin.runtime.identity import AstroIdentity
from astro_auth_plugin.runtime.policy_source import PolicyUnavailable
from astro_auth_plugin.runtime.policy_store import LOAD_SECONDS, LOOK_SECONDS, PolicyStore
from astro_auth_plugin.runtime.request_context import current_request

log = logging.getLogger(__name__)

R = TypeVar("R")

_UNREAD = "The policy cannot be read at the moment."
_READ_SECONDS = 30.0
"""How long a request waits for its account, as long as Airflow waits for a connection to its database."""
_LONGEST_DAG_ID = 250
_CLEAN_SECONDS = 600.0
"""How often Airflow is reminded of its table of revoked tokens, which it cleans when it looks for one itself."""


class Dags(Protocol):
    """Reads the Dag that a request is about along with the account."""

    def along(self) -> Along:
        """Return what to read for the Dag `dag_id`; nothing where that is not needed."""

    def found(self, rows: Sequence[Sequence[Any]], dag_id: str) -> dict[str, Dag | None]:
        """Return the Dag of what has been read; None in its place if it does not exist."""


class _Reader:
    """Reads the account of one request, and in the same statement everything else that is fresh in each request.

    Args:
        accounts: reads the account.
        policy_column: the sub-select with the policy's version; None where it is not in the database.
        jti: of the JWT, if it may have been revoked.
        dags: reads the Dag.
        dag_id: of the Dag that the path of the request names; None without.

    Attributes:
        version: of the policy; None where it is not in the database.
        dags: the Dag.
    """

    def __init__(
        self, accounts: IdentityCache, policy_column: Any, jti: str | None = None, dags: Dags | None = None
    ) -> None:
        context = current_request()
        self._accounts = accounts
        self._jti = jti
        self._dags = dags
        dag_id = context.path_dag_id if context and dags else None
        # What no Dag can be called, a database may refuse; that is for the hook, which denies.
        self._dag_id = dag_id if dag_id and _can_be_of_dag(dag_id) else None
        self._policy_column = policy_column
        self.version: Hashable = None
        self.dags: dict[str, Dag | None] = {}

    def read(self, account_id: int | None) -> Account | None:
        """Read an account; only what else there is without an id.

        Raises:
            InvalidTokenError: if the JWT is revoked.
        """
        of_dag = self._dags.along() if self._dags and self._dag_id else NOTHING
        along = _along(self._policy_column, self._jti is not None, of_dag)
        if account_id is None and along == NOTHING:
            return None
        account, rows = self._accounts.read_account(account_id, along, {"jti": self._jti, "dag_id": self._dag_id})
        values = list(rows[0])
        if self._policy_column is not None:
            self.version = values.pop(0)
        if self._jti is not None and IS_REVOKED.columns and values.pop(0):
            raise InvalidTokenError("The JWT is revoked")
        if self._dags and self._dag_id and of_dag.columns:
            self.dags = self._dags.found([row[-len(of_dag.columns) :] for row in rows], self._dag_id)
        return account


def _can_be_of_dag(dag_id: str) -> bool:
    return len(dag_id) <= _LONGEST_DAG_ID and dag_id.isprintable() and max(dag_id) <= LAST_OF_UTF8MB3


@functools.cache
def _along(policy_column: Any, with_jti: bool, of_dag: Along) -> Along:
    version = Along() if policy_column is None else Along((policy_column,))
    return version + (IS_REVOKED if with_jti else NOTHING) + of_dag


class Authenticator:
    """Verifies credentials against the newest policy.

    Args:
        policy_store: the running policy.
        issuers: the issuers that are trusted beside Airflow itself.
        dags: reads the Dag that a request is about along with the account.
        accounts: reads the account.
    """

    def __init__(
        self,
        policy_store: PolicyStore,
        issuers: Issuers,
        dags: Dags | None = None,
        accounts: IdentityCache | None = None,
    ) -> None:
        self._accounts = accounts or IdentityCache()
        self._policy_store = policy_store
        self._issuers = issuers
        self._dags = dags
        self._cleaned_at = -_CLEAN_SECONDS

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
                return await self._identity(external_tokens, external, None)
            claims = await airflow_jwts.verified_claims(credential)
            return await self._identity(airflow_jwts, claims, claims.get("jti"))
        except ExpiredSignatureError:
            raise api_tokens.refused("Token Expired") from None
        except InvalidTokenError:
            raise api_tokens.refused("Invalid JWT token") from None
        except (ValueError, KeyError) as error:
            log.warning("Rejected a JWT: %s", error)
            raise api_tokens.refused("Invalid JWT token") from None

    async def _identity(self, kind: Any, said: Any, jti: str | None) -> AstroIdentity:
        """Return who a verified JWT names.

        Args:
            kind: the module of that kind of JWT.
            said: what the JWT says.
            jti: of the JWT, if it may have been revoked.
        """
        reader = _Reader(self._accounts, self._policy_store.column, jti, self._dags)

        def look() -> tuple[Account | None, bool]:
            self._clean_now_and_then()
            account = kind.account_of(said, reader.read)
            return account, self._policy_store.has_changed(reader.version)

        with _answering(_READ_SECONDS, "The database or the policy does not answer at the moment."):
            account, changed = await _in_thread_of(self._read_threads, look)
        identity: AstroIdentity = kind.identity_of(said, account, await self._engine(changed=changed))
        if not changed:
            # Else the tags are from before the wait for the new policy.
            identity.dags.update(reader.dags)
        return identity

    def _clean_now_and_then(self) -> None:
        now = time.monotonic()
        if now - self._cleaned_at >= _CLEAN_SECONDS:
            self._cleaned_at = now
            revoked_tokens.clean()

    def identity_of_secret(self, secret: str) -> AstroIdentity | None:
        """Return the API token that a secret is of; None when the secret is invalid or expired."""
        return api_tokens.by_secret(self._policy_store.engine(), secret)

    def identity_of_claims(self, claims: dict[str, Any]) -> AstroIdentity:
        """Return who the claims of a verified JWT of Airflow name.

        Raises:
            ValueError: if there is no such account or token, or it is not active.
            KeyError: if a claim is missing.
        """
        reader = _Reader(self._accounts, self._policy_store.column)
        account = airflow_jwts.account_of(claims, reader.read)
        return airflow_jwts.identity_of(claims, account, self._policy_store.engine(reader.version))

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
        reader = _Reader(self._accounts, self._policy_store.column)
        account = account_identity.active(reader.read(account_id))
        return account_identity.identity_of(self._policy_store.engine(reader.version), account)

    def revoke(self, token: str) -> None:
        """Revoke a JWT of Airflow.

        The secret of an API token and another issuer's JWT are not revoked by a sign-out.
        """
        if not token_secrets.is_meant(token) and not self._issuers.issued(token):
            airflow_jwts.revoke(token)

    # -- the policy ------------------------------------------------------------------------------------------------

    async def _newest_engine(self) -> Engine:
        """Return the engine of the newest valid policy, while the event loop serves others.

        A large policy is checked for seconds, and a network mount may not answer at all. The threads are none of those
        that other requests need, and those that wait for a new policy leave the ones that only look for it alone.
        """
        with _answering(LOOK_SECONDS):
            changed = await _in_thread_of(self._look_threads, self._policy_store.has_changed)
        return await self._engine(changed=changed)

    async def _engine(self, *, changed: bool) -> Engine:
        if not changed:
            return self._policy_store.newest
        with _answering(LOAD_SECONDS):
            return await _in_thread_of(self._load_threads, self._policy_store.engine)

    @cached_property
    def _read_threads(self) -> CapacityLimiter:
        return CapacityLimiter(16)

    @cached_property
    def _look_threads(self) -> CapacityLimiter:
        return CapacityLimiter(4)

    @cached_property
    def _load_threads(self) -> CapacityLimiter:
        return CapacityLimiter(4)


async def _in_thread_of(limiter: CapacityLimiter, work: Callable[[], R]) -> R:
    return await to_thread.run_sync(work, abandon_on_cancel=True, limiter=limiter)


@contextmanager
def _answering(seconds: float, late: str = _UNREAD) -> Iterator[None]:
    """Answer 503 when a block takes longer, or when where the policy is kept nothing answers.

    Args:
        seconds: how long the block may take.
        late: what to answer if it takes longer.

    Raises:
        HTTPException: 503.
    """
    try:
        with fail_after(seconds):
            yield
    except (PolicyUnavailable, TimeoutError) as error:
        detail = _UNREAD if isinstance(error, PolicyUnavailable) else late
        log.error("Denied: %s", detail)  # noqa: TRY400 - that is all
        raise HTTPException(HTTPStatus.SERVICE_UNAVAILABLE, detail) from None
