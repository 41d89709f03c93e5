"""JWTs of other issuers: which are believed, and what happens when the issuer's keys change or cannot be had."""

from __future__ import annotations

import base64
import hmac
import json
import threading
import time
from collections.abc import Iterator
from configparser import ConfigParser
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import anyio
import anyio.to_thread
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jwt.algorithms import ECAlgorithm, RSAAlgorithm
from jwt.exceptions import InvalidTokenError

from astro_auth_plugin.authentication import trusted_issuers
from astro_auth_plugin.authentication.trusted_issuers import ExternalIdentity, Issuer, Issuers, Keys, parse_issuers
from astro_auth_plugin.runtime.settings import SettingsError
from tests.test_docs import blocks

ISSUER = "https://idp.example.com/"
AUDIENCE = "airflow-prod"


def rsa_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


FIRST, SECOND, CURVE = rsa_key(), rsa_key(), ec.generate_private_key(ec.SECP256R1())
SHORT = rsa.generate_private_key(public_exponent=65537, key_size=1024)


def jwk(key: Any, key_id: str, **more: str) -> dict[str, Any]:
    algorithm = RSAAlgorithm if isinstance(key, rsa.RSAPrivateKey) else ECAlgorithm
    return {**algorithm.to_jwk(key.public_key(), as_dict=True), "kid": key_id, **more}


class Publisher:
    """An HTTP server that publishes keys, and counts how often it is asked."""

    def __init__(self) -> None:
        self.body = b""
        self.requested = 0
        self.down = False
        publisher = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                publisher.requested += 1
                self.send_response(503 if publisher.down else 200)
                self.send_header("Content-Length", str(len(publisher.body)))
                self.end_headers()
                self.wfile.write(publisher.body)

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()
        self.url = f"http://127.0.0.1:{self._server.server_port}/keys"

    def publish(self, *keys: dict[str, Any]) -> None:
        """Publish these keys, and no other any more."""
        self.body = json.dumps({"keys": keys}).encode()

    def stop(self) -> None:
        """End the server."""
        self._server.shutdown()
        self._server.server_close()


class Clock:
    """Seconds that a test moves."""

    now = 1000.0

    def __call__(self) -> float:
        """Return what the test has set."""
        return self.now


@pytest.fixture
def publisher() -> Iterator[Publisher]:
    publisher = Publisher()
    publisher.publish(jwk(FIRST, "first"), jwk(CURVE, "curve"), jwk(SHORT, "short"))
    yield publisher
    publisher.stop()


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(trusted_issuers, "Keys", lambda url: Keys(url, clock))
    return clock


@pytest.fixture
def trusted(publisher: Publisher, clock: Clock) -> Issuers:
    """One issuer, with keys of two kinds, that says who somebody is by e-mail."""
    return Issuers([issuer(publisher)])


def issuer(publisher: Publisher, **changes: Any) -> Issuer:
    fields = {
        "issuer": ISSUER,
        "audience": AUDIENCE,
        "jwks_url": publisher.url,
        "algorithms": ["RS256", "ES256"],
        "email_claim": "email",
    }
    return Issuer(**(fields | changes))


def claims(**changes: Any) -> dict[str, Any]:
    now = int(time.time())
    good = {"iss": ISSUER, "aud": AUDIENCE, "iat": now, "exp": now + 300, "email": "ana@example.com"} | changes
    return {name: value for name, value in good.items() if value is not None}


def signed(key: Any = FIRST, key_id: str | None = "first", algorithm: str | None = "RS256", **changes: Any) -> str:
    headers = {"kid": key_id} if key_id else {}
    return jwt.encode(claims(**changes), key, algorithm, headers=headers)


def verified(trusted: Issuers, token: str) -> ExternalIdentity:
    return anyio.run(trusted.verify, token)


def with_public_key_as_secret() -> str:
    """What a verifier takes that lets the token choose the algorithm."""
    secret = FIRST.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    parts = ({"alg": "HS256", "kid": "first"}, claims())
    said = ".".join(unpadded(json.dumps(part).encode()) for part in parts)
    return f"{said}.{unpadded(hmac.digest(secret, said.encode(), 'sha256'))}"


def unpadded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def without_signature() -> str:
    body = signed().split(".")[1]
    head = unpadded(b'{"alg":"none","kid":"first"}')
    return f"{head}.{body}."


def changed_payload() -> str:
    head, _, signature = signed().split(".")
    body = signed(email="olga@example.com").split(".")[1]
    return f"{head}.{body}.{signature}"


@pytest.mark.parametrize(("key", "key_id", "algorithm"), [(FIRST, "first", "RS256"), (CURVE, "curve", "ES256")])
def test_good_token(trusted: Issuers, key: Any, key_id: str, algorithm: str) -> None:
    """A token that the issuer has signed says who somebody is."""
    token = signed(key, key_id, algorithm)
    assert trusted.issued(token)
    said = jwt.decode(token, options={"verify_signature": False})
    assert verified(trusted, token) == ExternalIdentity(
        "ana@example.com", "", said["iat"], said["exp"], said["iss"], said.get("sub", "")
    )


def deep() -> str:
    """What no parser of JSON goes into."""
    head, _, signature = signed().split(".")
    return f"{head}.{base64.urlsafe_b64encode(b'[' * 100_000).decode()}.{signature}"


NOW = int(time.time())
FORGED = {
    "another key": lambda: signed(SECOND),
    "unknown key id": lambda: signed(SECOND, "second"),
    "no key id": lambda: signed(key_id=None),
    "public key as secret": with_public_key_as_secret,
    "no signature": without_signature,
    "another payload": changed_payload,
    "an algorithm that is not listed": lambda: signed(algorithm="RS512"),
    "a key of another kind": lambda: signed(FIRST, "curve"),
    "another audience": lambda: signed(aud="airflow-dev"),
    "no audience": lambda: signed(aud=None),
    "expired": lambda: signed(exp=NOW - 60),
    "no expiry": lambda: signed(exp=None),
    "not yet": lambda: signed(nbf=NOW + 3600),
    "from the future": lambda: signed(iat=NOW + 3600),
    "no time of issue": lambda: signed(iat=None),
    "no e-mail": lambda: signed(email=None),
    "empty e-mail": lambda: signed(email=""),
    "a list for an e-mail": lambda: signed(email=["ana@example.com"]),
    "an e-mail that is not verified": lambda: signed(email_verified=False),
    "an e-mail that is not verified, as text": lambda: signed(email_verified="false"),
    "an e-mail that is hardly verified": lambda: signed(email_verified="no"),
    "an e-mail that is verified by 0": lambda: signed(email_verified=0),
    "an e-mail that Google does not verify": lambda: signed(email_verified=True, verified_email=False),
    "an e-mail that Entra ID does not verify": lambda: signed(email_verified=True, xms_edov="0"),
    "a short key": lambda: signed(SHORT, "short"),
    "times that are no times": lambda: signed(iat=-(10**400), exp=float("inf")),
    "cut off": lambda: signed()[:-20],
}


@pytest.mark.parametrize("forge", FORGED.values(), ids=FORGED)
def test_forged(trusted: Issuers, forge: Any) -> None:
    """Whatever is not signed by the issuer for this audience and this time is nobody."""
    assert verified(trusted, signed()).email
    with pytest.raises(InvalidTokenError) as refusal:
        verified(trusted, forge())
    assert "ana@example.com" not in str(refusal.value)


@pytest.mark.parametrize(
    "token",
    ["", "x", "a.b.c", "ünïcode.ünïcode.ü", signed(iss="https://other/"), signed(iss=None), deep()],
    ids=["empty", "a letter", "no JSON", "unicode", "another issuer", "no issuer", "deep"],
)
def test_not_of_the_issuers(trusted: Issuers, token: str) -> None:
    """What does not name an issuer that is listed is left to Airflow."""
    assert not trusted.issued(token)


def test_clocks_may_differ_a_little(trusted: Issuers) -> None:
    """A token that has just expired, or is just to come, is taken: clocks are never the same."""
    now = int(time.time())
    assert verified(trusted, signed(exp=now - trusted_issuers.LEEWAY + 10)).email
    assert verified(trusted, signed(nbf=now + trusted_issuers.LEEWAY - 10)).email


def test_letters_that_are_compared_as_others(trusted: Issuers) -> None:
    """An e-mail that another account's would be compared with as equal, by letters of another alphabet, is refused."""
    with pytest.raises(InvalidTokenError, match="letters"):
        verified(trusted, signed(email="\u212aate@example.com"))


def test_token_id(publisher: Publisher, clock: Clock) -> None:
    """An issuer can say which API token somebody is; an e-mail beside it counts for nothing."""
    machines = Issuers([issuer(publisher, email_claim="", token_id_claim="sub")])
    assert verified(machines, signed(sub="tok0ci"))[:2] == ("", "tok0ci")


def test_rotation(trusted: Issuers, publisher: Publisher, clock: Clock) -> None:
    """A key that is new is found when a token names it; one that is gone is forgotten with the next look."""
    assert verified(trusted, signed()).email
    publisher.publish(jwk(SECOND, "second"))
    clock.now += 31
    assert verified(trusted, signed(SECOND, "second")).email
    with pytest.raises(InvalidTokenError):
        verified(trusted, signed())


def test_asked_seldom(trusted: Issuers, publisher: Publisher, clock: Clock) -> None:
    """Tokens with unknown keys, however many, are no reason to ask the issuer more often than every 30 seconds."""
    assert verified(trusted, signed()).email
    for number in range(20):
        clock.now += 1
        with pytest.raises(InvalidTokenError):
            verified(trusted, signed(SECOND, f"unknown-{number}"))
    assert publisher.requested == 1
    clock.now += 3600
    assert verified(trusted, signed()).email
    assert publisher.requested == 2


def test_issuer_is_down(trusted: Issuers, publisher: Publisher, clock: Clock) -> None:
    """While the keys cannot be had, those that are known go on, and unknown ones are refused."""
    assert verified(trusted, signed()).email
    publisher.down = True
    clock.now += 7200
    assert verified(trusted, signed()).email
    with pytest.raises(InvalidTokenError):
        verified(trusted, signed(SECOND, "second"))


@pytest.mark.parametrize("body", [b"", b"no json", b"[]", b'{"keys": 1}', b'{"keys": []}', b"x" * 2_000_000])
def test_odd_keys(publisher: Publisher, clock: Clock, body: bytes) -> None:
    """An answer that has no keys is no key, and no server error."""
    publisher.body = body
    with pytest.raises(InvalidTokenError):
        verified(Issuers([issuer(publisher)]), signed())


def test_keys_for_other_uses(publisher: Publisher, clock: Clock) -> None:
    """A key for encryption verifies nothing, and neither does a secret that the issuer publishes by mistake."""
    secret = {"kty": "oct", "kid": "secret", "k": base64.urlsafe_b64encode(b"s" * 32).decode()}
    publisher.publish(jwk(FIRST, "first", use="enc"), secret)
    trusted = Issuers([issuer(publisher)])
    for token in (signed(), signed(b"s" * 32, "secret", "HS256")):
        with pytest.raises(InvalidTokenError):
            verified(trusted, token)


def test_parse() -> None:
    """The option is a JSON list; an empty one names nobody."""
    assert parse_issuers(" ") == ()
    (parsed,) = parse_issuers(
        f'[{{"issuer": "{ISSUER}", "audience": "a", "jwks_url": "https://idp/keys", "email_claim": "email"}}]'
    )
    assert (parsed.issuer, parsed.algorithms) == (ISSUER, ["RS256"])


ENTRY = {"issuer": ISSUER, "audience": "a", "jwks_url": "https://idp/keys", "email_claim": "email"}
WRONG = [
    ("{", "Invalid JSON"),
    ("{}", "valid array"),
    ([ENTRY | {"algorithms": ["HS256"]}], "0.algorithms.0"),
    ([ENTRY | {"algorithms": ["none"]}], "0.algorithms.0"),
    ([ENTRY | {"algorithms": []}], "0.algorithms"),
    ([ENTRY | {"jwks_url": "http://idp/keys"}], "https://"),
    ([ENTRY | {"jwks_url": "file:///etc/passwd"}], "https://"),
    ([ENTRY | {"token_id_claim": "sub"}], "exactly one"),
    ([ENTRY | {"email_claim": ""}], "exactly one"),
    ([ENTRY | {"audience": ""}], "0.audience"),
    ([ENTRY | {"audiense": "x"}], "0.audiense"),
    ([ENTRY, ENTRY], "more than once"),
]


@pytest.mark.parametrize(("text", "words"), WRONG, ids=[words for _, words in WRONG])
def test_parse_refuses(text: Any, words: str) -> None:
    """Whatever is wrong with the option is told, with where it stands."""
    with pytest.raises(SettingsError, match="trusted_issuers") as refusal:
        parse_issuers(text if isinstance(text, str) else json.dumps(text))
    assert words in str(refusal.value)


def test_own_name(monkeypatch: pytest.MonkeyPatch) -> None:
    """No issuer may have the name of this Airflow: all of its own tokens would be held against the issuer's keys."""
    monkeypatch.setenv("AIRFLOW__API_AUTH__JWT_ISSUER", f"https://airflow, {ISSUER}")
    with pytest.raises(SettingsError, match="jwt_issuer"):
        parse_issuers(json.dumps([ENTRY]))


def test_example() -> None:
    """The example of docs/sign-in.md can be copied."""
    (text,) = [each for each in blocks("docs/sign-in.md", "ini") if "trusted_issuers" in each]
    config = ConfigParser()
    config.read_string(text)
    people, machines = parse_issuers(config["astro_auth"]["trusted_issuers"])
    assert (people.email_claim, machines.token_id_claim, machines.algorithms) == ("email", "sub", ["ES256"])


class Dripping(Publisher):
    """A server whose answers come a byte at a time, and begin only when the test lets them."""

    def __init__(self) -> None:
        super().__init__()
        self.began, self.stopped = threading.Event(), threading.Event()
        dripping = self

        def drip(handler: BaseHTTPRequestHandler) -> None:
            dripping.requested += 1
            dripping.began.set()
            with suppress(OSError):
                handler.wfile.write(b"HTTP/1.1 200 OK\r\nX-Long: ")
                while not dripping.stopped.wait(0.05):
                    handler.wfile.write(b"x")

        self._server.RequestHandlerClass.do_GET = drip  # type: ignore[attr-defined]

    def stop(self) -> None:
        """End the answers, and the server."""
        self.stopped.set()
        super().stop()


@pytest.fixture
def dripping() -> Iterator[Dripping]:
    server = Dripping()
    yield server
    server.stop()


def test_slow_issuer_keeps_nobody_waiting(dripping: Dripping, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    """While an issuer drips its keys, 50 tokens with unknown keys take no thread, and only the first of them waits."""
    monkeypatch.setattr(trusted_issuers, "_DEADLINE", 60)
    trusted = Issuers([issuer(dripping)])
    order: list[str] = []

    async def present(name: str) -> None:
        with suppress(InvalidTokenError):
            await trusted.verify(signed(SECOND, name))
        order.append(name)

    async def everybody() -> None:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(present, "first")
            await anyio.to_thread.run_sync(dripping.began.wait)
            async with anyio.create_task_group() as others:
                for number in range(50):
                    others.start_soon(present, str(number))
            assert anyio.to_thread.current_default_thread_limiter().borrowed_tokens == 0
            assert "first" not in order
            assert len(order) == 50
            tasks.cancel_scope.cancel()

    anyio.run(everybody)
    assert dripping.requested == 1


def test_slow_issuer_has_a_deadline(dripping: Dripping, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    """A fetch ends at its deadline, whether or not bytes still come; the token that waited for it is refused."""
    monkeypatch.setattr(trusted_issuers, "_DEADLINE", 0.5)
    keys = Keys(dripping.url, clock)
    assert anyio.run(keys.key, "first") is None
    clock.now += 31
    fetch = keys.fetch()
    assert fetch is not None
    fetch.result(timeout=60)
    assert not dripping.stopped.is_set()


def test_known_keys_while_an_issuer_is_slow(publisher: Publisher, dripping: Dripping, clock: Clock) -> None:
    """While keys are fetched again, tokens with keys that are known are answered at once."""
    keys = Keys(publisher.url, clock)
    assert anyio.run(keys.key, "first")
    keys._url = dripping.url
    clock.now += 7200
    assert keys.fetch()
    assert dripping.began.wait(60)
    assert anyio.run(keys.key, "first")
    assert not dripping.stopped.is_set()


def test_keys_are_fetched_before_the_first_token(trusted: Issuers, publisher: Publisher) -> None:
    """A server fetches the keys as it starts, so that tokens which come at once need not wait for each other."""
    trusted.fetch_keys()
    deadline = time.monotonic() + 60
    while not all(keys._keys for _, keys in trusted._issuers.values()):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert verified(trusted, signed()).email
    assert publisher.requested == 1
