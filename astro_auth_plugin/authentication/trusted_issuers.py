"""JWTs of other issuers: who one is, when an issuer that the installation names has signed it.

Such a token says who a user is, by e-mail or as an API token of the policy, and nothing of what they may do.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future
from typing import Annotated, Any, Literal, NamedTuple
from urllib.parse import urlsplit

import anyio
import httpx
import jwt
from airflow.configuration import conf
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from jwt.exceptions import InvalidTokenError
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, field_validator

from astro_auth_plugin.rbac.model.subjects import is_compared_alike, is_email_denied
from astro_auth_plugin.runtime.settings import SettingsError

log = logging.getLogger(__name__)

LEEWAY = 30
"""By how many seconds the clocks of an issuer and of this machine may differ."""

_REFRESH_AFTER = 3600
_RETRY_AFTER = 30
_DEADLINE = 5
"""Seconds that a whole fetch may take, from the look-up of the name to the last byte."""
_LARGEST_ANSWER = 1024 * 1024
_SMALLEST_RSA = 2048

# Only what has a public half: a key that verifies must not be one that signs. `none` is not among them.
_Algorithm = Literal["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"]


class Issuer(BaseModel):
    """One issuer whose JWTs are accepted here.

    Attributes:
        issuer: what the claim `iss` says, exactly.
        audience: what the claim `aud` has to name.
        jwks_url: where the issuer publishes its keys.
        algorithms: the only ones that its signatures may use.
        email_claim: the claim with the e-mail of a person, who has to have an active account here.
        token_id_claim: the claim with the id of an API token of the policy, instead of an e-mail.
    """

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    issuer: Annotated[str, Field(min_length=1)]
    audience: Annotated[str, Field(min_length=1)]
    jwks_url: str
    algorithms: Annotated[list[_Algorithm], Field(min_length=1)] = ["RS256"]
    email_claim: str = ""
    token_id_claim: str = ""

    @field_validator("jwks_url")
    @classmethod
    def _encrypted(cls, value: str) -> str:
        parts = urlsplit(value)
        if parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in ("localhost", "127.0.0.1", "::1")):
            return value
        raise ValueError("has to begin with https:// (http:// only for this machine itself)")

    def model_post_init(self, _context: Any) -> None:
        """Refuse an entry without a claim for the principal, or with two."""
        if bool(self.email_claim) == bool(self.token_id_claim):
            raise ValueError("needs exactly one of `email_claim` and `token_id_claim`")


def parse_issuers(text: str) -> tuple[Issuer, ...]:
    """Read the option `trusted_issuers`: a JSON list of objects with the fields of `Issuer`.

    Raises:
        SettingsError: with everything that is wrong.
    """
    if not text.strip():
        return ()
    try:
        issuers = TypeAdapter(list[Issuer]).validate_json(text)
    except ValidationError as error:
        problems = "; ".join(f"{_spell(detail['loc'])}{detail['msg']}" for detail in error.errors(include_input=False))
        raise SettingsError(f"[astro_auth] trusted_issuers cannot be used: {problems}") from None
    names = [issuer.issuer for issuer in issuers]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise SettingsError(f"[astro_auth] trusted_issuers names {', '.join(twice)} more than once")
    own = {name.strip() for name in conf.get("api_auth", "jwt_issuer", fallback="").split(",")}
    if found := sorted(own.intersection(names)):
        raise SettingsError(
            f"[astro_auth] trusted_issuers names {', '.join(found)}, which is [api_auth] jwt_issuer, the name of this "
            "Airflow itself. Give Airflow another one"
        )
    return tuple(issuers)


def _spell(location: Iterable[int | str]) -> str:
    path = ".".join(str(part) for part in location)
    return f"{path}: " if path else ""


class ExternalIdentity(NamedTuple):
    """Who a JWT of another issuer says a user is: a person's e-mail, or the id of an API token; the other is ''.

    The times are seconds since 1970: when the issuer made the JWT, and when it ends. `issuer` and `subject` are the
    claims `iss` and `sub`, the latter '' where there is none.
    """

    email: str
    token_id: str
    issued_at: int
    ends_at: int
    issuer: str = ""
    subject: str = ""


class Keys:
    """The keys that one issuer publishes, kept and renewed.

    They are fetched when the server starts, again after an hour, and when a token names a key that is not known; never
    more often than every 30 seconds, whatever the tokens say. When they cannot be fetched, those that are known go on.
    Only the request that starts a fetch waits for it: during a fetch, and for 30 seconds after its start, a token with
    an unknown key is refused at once.

    Args:
        url: where they are.
        clock: seconds that only grow.
    """

    def __init__(self, url: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._url = url
        self._clock = clock
        self._keys: dict[str, jwt.PyJWK] = {}
        self._fetched: float | None = None
        self._tried: float | None = None
        self._lock = threading.Lock()

    async def key(self, key_id: str) -> jwt.PyJWK | None:
        """Return a key; None when the issuer has none of this id, as far as is known."""
        if key_id not in self._keys or self._older_than(self._fetched, _REFRESH_AFTER):
            fetch = self.fetch()
            if fetch is not None:
                # The deadline again: the thread of the fetch may be in a look-up of a name that nothing can end.
                await asyncio.wait([asyncio.wrap_future(fetch)], timeout=_DEADLINE)
        return self._keys.get(key_id)

    def fetch(self) -> Future[None] | None:
        """Start to fetch the keys, if that was not tried lately, and return what is done when they are there."""
        with self._lock:
            if not self._older_than(self._tried, _RETRY_AFTER):
                return None
            self._tried = self._clock()
        done: Future[None] = Future()
        # Who waits for it can go away; the fetch goes on.
        done.set_running_or_notify_cancel()
        # A thread of its own: those that Airflow's requests share must not wait for a network.
        threading.Thread(target=self._renew, args=(done,), name="astro_auth keys", daemon=True).start()
        return done

    def _renew(self, done: Future[None]) -> None:
        try:
            self._keys = anyio.run(_fetch, self._url)
            self._fetched = self._clock()
        except Exception as error:  # noqa: BLE001 - whatever goes wrong there, the known keys go on
            log.warning("The keys of %s could not be fetched: %s", self._url, type(error).__name__)
        finally:
            done.set_result(None)

    def _older_than(self, moment: float | None, seconds: float) -> bool:
        return moment is None or self._clock() - moment >= seconds


async def _fetch(url: str) -> dict[str, jwt.PyJWK]:
    body = b""
    # As it is sent, since a few compressed bytes can become many.
    plain = {"Accept-Encoding": "identity"}
    with anyio.fail_after(_DEADLINE):
        async with httpx.AsyncClient(timeout=_DEADLINE) as client, client.stream("GET", url, headers=plain) as answer:
            answer.raise_for_status()
            async for part in answer.aiter_raw():
                body += part
                if len(body) > _LARGEST_ANSWER:
                    raise ValueError("The answer is too large")
    keys = jwt.PyJWKSet.from_json(body.decode()).keys
    return {key.key_id: key for key in keys if key.key_id and _is_good(key)}


def _is_good(key: jwt.PyJWK) -> bool:
    if isinstance(key.key, RSAPublicKey) and key.key.key_size < _SMALLEST_RSA:
        return False
    return key.public_key_use in (None, "sig")


class Issuers:
    """The issuers of one installation, with their keys.

    Args:
        issuers: what the option names.
    """

    def __init__(self, issuers: Iterable[Issuer]) -> None:
        self._issuers = {issuer.issuer: (issuer, Keys(issuer.jwks_url)) for issuer in issuers}

    def fetch_keys(self) -> None:
        """Start to fetch the keys of every issuer, and wait for none."""
        for _, keys in self._issuers.values():
            keys.fetch()

    def issued(self, token: str) -> bool:
        """Whether a text claims to be a JWT of one of the issuers; nothing is verified yet."""
        return bool(self._issuers) and _claimed_issuer(token) in self._issuers

    async def verify(self, token: str) -> ExternalIdentity:
        """Return who a JWT of one of the issuers is.

        Raises:
            InvalidTokenError: if the token is not to be believed. The message has nothing of the token.
        """
        named = _claimed_issuer(token)
        if named not in self._issuers:
            raise InvalidTokenError("The token names no issuer that is listed")
        issuer, keys = self._issuers[named]
        header = jwt.get_unverified_header(token)
        key_id = header.get("kid")
        key = await keys.key(key_id) if isinstance(key_id, str) else None
        if key is None or header.get("alg") not in issuer.algorithms:
            raise InvalidTokenError("The key or the algorithm is not one of the issuer's")
        return _who(issuer, _verified(token, issuer, key, header["alg"]))


def _verified(token: str, issuer: Issuer, key: jwt.PyJWK, algorithm: str) -> Mapping[str, Any]:
    try:
        return jwt.decode(
            token,
            key.key,
            algorithms=[algorithm],
            audience=issuer.audience,
            issuer=issuer.issuer,
            leeway=LEEWAY,
            options={"require": ["exp", "iat", "iss", "aud"]},
        )
    except InvalidTokenError:
        raise
    except (jwt.PyJWTError, TypeError, ValueError, OverflowError) as error:
        # A key of another kind than the algorithm is for, or a time that is no time.
        raise InvalidTokenError(f"The signature cannot be verified: {type(error).__name__}") from None


def _claimed_issuer(token: str) -> str:
    try:
        claims = jwt.decode(token, options={"verify_signature": False})
    except (InvalidTokenError, ValueError, RecursionError):
        return ""
    named = claims.get("iss")
    return named if isinstance(named, str) else ""


def _who(issuer: Issuer, claims: Mapping[str, Any]) -> ExternalIdentity:
    said = claims.get(issuer.email_claim or issuer.token_id_claim)
    if not isinstance(said, str) or not said:
        raise InvalidTokenError("The claim with the e-mail or the token id is missing")
    times = int(claims["iat"]), int(claims["exp"])
    if issuer.token_id_claim:
        return ExternalIdentity("", said, *times)
    if not is_compared_alike(said):
        raise InvalidTokenError("The e-mail has letters that are compared as others")
    if is_email_denied(claims):
        raise InvalidTokenError("The issuer has not verified the e-mail")
    subject = claims.get("sub")
    return ExternalIdentity(said, "", *times, issuer.issuer, subject if isinstance(subject, str) else "")
