"""Forged and broken credentials: every one is refused, alike, and shown nowhere."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import hmac
import json
import time
from collections.abc import Callable
from typing import Any

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from astro_auth_plugin.rbac.model import token_secrets
from astro_auth_plugin.web import size_limits

from .api_tokens import TokenServer, assert_refused

SIGNING = "e2e-tests-only-" * 5
"""What the server signs with: some of these know it, as a thief of the server's settings would."""

DAG = "/api/v2/dags/fin_daily"
ROUTES = (DAG, "/ui/auth/menus", "/auth/fab/v1/users")
NOW = int(time.time())
RSA_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
RSA_PUBLIC = RSA_KEY.public_key().public_bytes(
    serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
)


class Good:
    """A good secret and a good JWT of it, for forgeries to begin with."""

    def __init__(self, secret: str, token: str) -> None:
        self.secret = secret
        self.token = token
        self.claims = jwt.decode(token, options={"verify_signature": False})
        self.id = token_secrets.token_id_of(secret) or ""
        self.random = secret[-49:-6]

    def signed(self, algorithm: str = "HS512", key: Any = SIGNING, headers: dict | None = None, **changes: Any) -> str:
        """A JWT like the good one, with other claims; None takes one away."""
        claims = {name: value for name, value in {**self.claims, **changes}.items() if value is not None}
        # PyJWT checks types of claims only when it reads them.
        return jwt.api_jws.encode(json.dumps(claims).encode(), key, algorithm=algorithm, headers=headers)

    def parts(self) -> list[str]:
        """Header, claims and signature of the good JWT."""
        return self.token.split(".")


def part(value: Any) -> str:
    data = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def unsigned(good: Good, algorithm: str, signature: str = "") -> str:
    return f"{part({'alg': algorithm, 'typ': 'JWT'})}.{good.parts()[1]}.{signature}"


def confused(good: Good) -> str:
    """Signed with a public key as if it were a shared one; by hand, since PyJWT refuses to."""
    head = f"{part({'alg': 'HS512', 'typ': 'JWT'})}.{good.parts()[1]}"
    return f"{head}.{part(hmac.new(RSA_PUBLIC, head.encode(), hashlib.sha512).digest())}"


def own_key(good: Good) -> str:
    numbers = RSA_KEY.public_key().public_numbers()
    jwk = {"kty": "RSA", "n": part(numbers.n.to_bytes(256, "big")), "e": "AQAB"}
    return good.signed("RS256", RSA_KEY, {"jwk": jwk})


def flipped(text: str, at: int) -> str:
    other = "A" if text[at] != "A" else "B"
    return text[:at] + other + text[at + 1 :] if at != -1 else text[:-1] + other


FORGED: dict[str, Callable[[Good], str]] = {
    "alg none": lambda good: unsigned(good, "none"),
    "alg NoNe": lambda good: unsigned(good, "NoNe"),
    "alg none with a signature": lambda good: unsigned(good, "none", good.parts()[2]),
    "no alg": lambda good: f"{part({'typ': 'JWT'})}.{good.parts()[1]}.{good.parts()[2]}",
    "HS256 with the right key": lambda good: good.signed("HS256"),
    "HS384 with the right key": lambda good: good.signed("HS384"),
    "HS512 with another key": lambda good: good.signed(key="e2e-tests-only_" * 5),
    "HS512 with an empty key": lambda good: (
        f"{'.'.join(good.parts()[:2])}."
        + part(hmac.new(b"", ".".join(good.parts()[:2]).encode(), hashlib.sha512).digest())
    ),
    "another Deployment's": lambda good: good.signed(key="another-airflow-" * 5),
    "RS256 with a key of its own": lambda good: good.signed("RS256", RSA_KEY),
    "a key in the header": own_key,
    "a URL of keys in the header": lambda good: good.signed("RS256", RSA_KEY, {"jku": "https://example.com/keys"}),
    "a file as key id": lambda good: good.signed(key="x" * 64, headers={"kid": "../../../../dev/null"}),
    "a public key taken for a shared one": confused,
    "audience of somebody else": lambda good: good.signed(aud="somebody-else"),
    "audience of the workers": lambda good: good.signed(aud="urn:airflow.apache.org:task"),
    "no audience": lambda good: good.signed(aud=None),
    "expired": lambda good: good.signed(exp=NOW - 3600),
    "no expiry": lambda good: good.signed(exp=None),
    "expiry of text": lambda good: good.signed(exp="never"),
    "not yet": lambda good: good.signed(nbf=NOW + 3600),
    "from the future": lambda good: good.signed(iat=NOW + 3600),
    "no time of issue": lambda good: good.signed(iat=None),
    "no subject": lambda good: good.signed(sub=None),
    "a number as subject": lambda good: good.signed(sub=1),
    "a list as subject": lambda good: good.signed(sub=["token:x"]),
    "an account's subject": lambda good: good.signed(sub="1"),
    "an unknown account": lambda good: good.signed(sub="999999", astro_token_key=None),
    "an account with zeros that are none": lambda good: good.signed(sub="\u0661", astro_token_key=None),
    "a huge account": lambda good: good.signed(sub="9" * 400, astro_token_key=None),
    "the token's id alone": lambda good: good.signed(sub=good.id),
    "token twice": lambda good: good.signed(sub=f"token:token:{good.id}"),
    "capitals": lambda good: good.signed(sub=f"TOKEN:{good.id}"),
    "another token's id": lambda good: good.signed(sub="token:tok_other"),
    "an unknown token": lambda good: good.signed(sub="token:nobody"),
    "no key": lambda good: good.signed(astro_token_key=None),
    "another key": lambda good: good.signed(astro_token_key="0" * 24),
    "the hash as key": lambda good: good.signed(astro_token_key=token_secrets.sha256(good.secret)),
    "a list of keys": lambda good: good.signed(astro_token_key=[good.claims["astro_token_key"]]),
    "key that is no ASCII": lambda good: good.signed(astro_token_key="\u0430" * 24),
    "cut off": lambda good: good.token[:-10],
    "one bit": lambda good: flipped(good.token, -20),
    "without its signature": lambda good: ".".join(good.parts()[:2]) + ".",
    "two parts": lambda good: ".".join(good.parts()[:2]),
    "five parts": lambda good: ".".join([*good.parts(), "x", "y"]),
    "claims of another": lambda good: ".".join([good.parts()[0], part({**good.claims, "sub": "1"}), good.parts()[2]]),
    "no JSON": lambda good: ".".join([good.parts()[0], part(b"\xff\xfe"), good.parts()[2]]),
    "deep JSON": lambda good: ".".join([part(b"[" * 5000), *good.parts()[1:]]),
    "secret cut off": lambda good: good.secret[:-1],
    "secret and more": lambda good: good.secret + "x",
    "wrong checksum": lambda good: flipped(good.secret, -1),
    "wrong random part": lambda good: token_secrets.compose(good.id, flipped(good.random, 5)),
    "right start, wrong end": lambda good: token_secrets.compose(good.id, flipped(good.random, 42)),
    "another id": lambda good: token_secrets.compose("tok_other", good.random),
    "id of the demo": lambda good: token_secrets.compose("tok0ci", good.random),
    "prefix alone": lambda good: token_secrets.PREFIX,
    "small letters": lambda good: good.secret.lower(),
    "hash of the secret": lambda good: token_secrets.sha256(good.secret),
    "hash with the prefix": lambda good: f"{token_secrets.PREFIX}{token_secrets.sha256(good.secret)}",
    "twice": lambda good: f"{good.secret},{good.secret}",
    "huge": lambda good: token_secrets.PREFIX + "x" * 30_000,
    "huge JWT": lambda good: good.token + "x" * 30_000,
}


@pytest.fixture(scope="module")
def good(token_server: TokenServer) -> Good:
    """What is forged; it is good to the end of the module."""
    secret = token_server.create("forged", "--workspace-role", "ws-data", "WORKSPACE_OWNER")
    return Good(secret, token_server.exchange(secret))


def test_the_original_is_good(token_server: TokenServer, good: Good) -> None:
    """What the forgeries are made of works, also signed here: so a refusal is for what was changed."""
    for credential in (good.secret, good.token, good.signed()):
        for path in ROUTES:
            assert token_server.get(path, credential).status_code == 200
    assert len(FORGED) >= 30


@pytest.mark.parametrize("what", FORGED)
def test_forged(what: str, token_server: TokenServer, good: Good) -> None:
    """A forged or broken credential opens nothing, as a header or as a cookie, and is exchanged for nothing."""
    credential = FORGED[what](good)
    for path in ROUTES:
        assert_refused(token_server.get(path, credential), credential)
    answer = token_server.http.get(DAG, headers={"Cookie": f"_token={credential}"})
    if len(credential) < size_limits.LARGEST_COOKIES - 100:
        assert_refused(answer, credential)
    else:
        assert answer.status_code == 431
    for exchanging in ("/auth/token", "/auth/token/cli"):
        answer = token_server.http.post(exchanging, json={"token": credential})
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"] == "Bearer"
        assert len(credential) < 20 or credential not in answer.text
    page = token_server.get("/auth/users/list/", credential)
    assert (page.status_code, "/auth/login/" in page.headers["location"]) == (302, True)


HEADERS = {
    "no scheme": lambda good: good.secret.encode(),
    "scheme Token": lambda good: b"Token " + good.secret.encode(),
    "scheme Basic": lambda good: b"Basic " + base64.b64encode(b"token:" + good.secret.encode()),
    "scheme alone": lambda good: b"Bearer",
    "Latin letters": lambda good: b"Bearer \xe9\xff" + good.secret.encode(),
    "UTF-8": lambda good: b"Bearer " + "\U0001f511".encode() + good.token.encode(),
    "letters that look alike": lambda good: b"Bearer " + good.secret.replace("a", "\u0430").encode(),
    "blank inside": lambda good: b"Bearer " + good.secret[:20].encode() + b" " + good.secret[20:].encode(),
    "a second one behind": lambda good: b"Bearer x, Bearer " + good.secret.encode(),
}


@pytest.mark.parametrize("what", HEADERS)
def test_odd_headers(what: str, token_server: TokenServer, good: Good) -> None:
    """A header that is none of a bearer, or of none there can be, opens nothing."""
    answer = token_server.http.get(DAG, headers=[(b"Authorization", HEADERS[what](good))])
    assert_refused(answer, good.secret)


@pytest.mark.parametrize("size", [70_000, 2_000_000])
def test_huge_header(size: int, token_server: TokenServer) -> None:
    """A header of any size is refused without harm to the server."""
    # uvicorn may close the connection before it has read all of it.
    with contextlib.suppress(httpx.WriteError, httpx.ReadError, httpx.RemoteProtocolError):
        answer = token_server.get(DAG, token_secrets.PREFIX + "x" * size)
        assert answer.status_code in (400, 401, 431)
    assert token_server.http.get("/api/v2/monitor/health").status_code == 200


@pytest.mark.parametrize("query", ["access_token", "token", "jwt", "api_key"])
def test_not_in_the_address(query: str, token_server: TokenServer) -> None:
    """A credential in the address is none: addresses are logged, so no good one may be sent there."""
    assert_refused(token_server.http.get(f"{DAG}?{query}=x"), "")


@pytest.mark.parametrize("body", [{}, {"token": ""}, {"token": None}, {"token": 1}, {"token": ["x"]}, {"token": {}}])
def test_odd_bodies(body: dict, token_server: TokenServer) -> None:
    """A body without a secret is refused, and never a server error."""
    answer = token_server.http.post("/auth/token", json=body)
    assert answer.status_code in (400, 401)


def test_token_and_password(token_server: TokenServer, good: Good) -> None:
    """A body with a good secret and a password is refused, without repeating either."""
    body = {"token": good.secret, "username": "nobody", "password": "pw-28"}
    answer = token_server.http.post("/auth/token", json=body)
    assert answer.status_code == 400
    assert answer.json() == {"detail": "Pass either `token`, or `username` and `password`"}


def test_roles_elsewhere(token_server: TokenServer, request: pytest.FixtureRequest) -> None:
    """A token whose roles are those of another Deployment is known here, and may do nothing."""
    secret = token_server.create(request.node.name, "--deployment-role", "dep-other", "DEPLOYMENT_ADMIN")
    for credential in (secret, token_server.exchange(secret)):
        assert token_server.get(DAG, credential).status_code == 403
        assert token_server.get("/api/v2/dags", credential).status_code == 403


def test_ended_tokens_all_look_alike(token_server: TokenServer) -> None:
    """Expired, rotated, revoked and unknown tokens are refused with one and the same answer."""
    secrets = {}
    for name in ("expired", "rotated", "revoked"):
        secrets[name] = token_server.create(f"ended {name}")
    token_server.change("ended expired", expires_at="2020-01-01T00:00:00Z")
    token_server.cli("rotate", "ended rotated", "--write")
    token_server.cli("revoke", "ended revoked")
    secrets["unknown"] = token_secrets.compose("tok_0000000000", "x" * 43)
    answers = {
        (answer.status_code, answer.text, answer.headers["www-authenticate"])
        for answer in (token_server.get(DAG, secret) for secret in secrets.values())
    }
    assert answers == {(401, '{"detail":"Invalid API token"}', 'Bearer error="invalid_token"')}
