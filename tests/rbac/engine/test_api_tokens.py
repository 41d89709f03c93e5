"""When a credential is good for an API token."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from astro_auth_plugin.rbac.engine import api_tokens
from astro_auth_plugin.rbac.engine.engine import Engine
from astro_auth_plugin.rbac.model import token_secrets
from tests.rbac.helpers import engine_of

NOW = datetime(2027, 1, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


def secret(token_id: str, character: str = "x") -> str:
    return token_secrets.compose(token_id, character * token_secrets.RANDOM_LENGTH)


def token(token_id: str, expires_at: Any, **more: Any) -> dict[str, Any]:
    expires_at = expires_at if isinstance(expires_at, str) else expires_at.isoformat()
    hashed = token_secrets.sha256(secret(token_id))
    return {"id": token_id, "name": token_id, "secret_sha256": hashed, "expires_at": expires_at, **more}


def previous(token_id: str, end: datetime) -> dict[str, Any]:
    hashed = token_secrets.sha256(secret(token_id, "p"))
    return {"previous_secret_sha256": hashed, "previous_secret_expires_at": end.isoformat()}


@pytest.fixture(scope="module")
def engine() -> Engine:
    """Tokens of every kind."""
    values = {
        "version": 1,
        "organization_id": "org",
        "workspaces": [{"id": "ws"}],
        "deployments": [{"id": "dep", "workspace_id": "ws"}],
        "api_tokens": [
            token("lasting", "never"),
            token("hour", NOW + HOUR),
            token("over", NOW),
            token("turned", NOW + 2 * HOUR, **previous("turned", NOW + HOUR)),
            token("turned-over", NOW + 2 * HOUR, **previous("turned-over", NOW)),
            token("odd", "never", secret_sha256="0" * 64),
        ],
    }
    return engine_of(values, "dep")


CASES = [
    ("lasting", "x", None),
    ("hour", "x", NOW + HOUR),
    ("turned", "x", NOW + 2 * HOUR),
    ("turned", "p", NOW + HOUR),
    ("turned-over", "x", NOW + 2 * HOUR),
]


@pytest.mark.parametrize(("token_id", "character", "end"), CASES)
def test_good(engine: Engine, token_id: str, character: str, end: datetime | None) -> None:
    """A secret is good until its own end, and so is the key that was made from it."""
    held = api_tokens.by_secret(engine, secret(token_id, character), NOW)
    assert held is not None
    assert (held.token.id, held.ends_at) == (token_id, end)
    assert api_tokens.by_key(engine, token_id, held.key, NOW) == held
    if end is not None:
        last = end - timedelta(microseconds=1)
        assert api_tokens.by_secret(engine, secret(token_id, character), last) == held
        assert api_tokens.by_secret(engine, secret(token_id, character), end) is None
        assert api_tokens.by_key(engine, token_id, held.key, end) is None


BAD = [
    ("over", "x"),
    ("turned-over", "p"),
    ("lasting", "p"),
    ("turned", "y"),
    ("nobody", "x"),
    ("odd", "x"),
]


@pytest.mark.parametrize(("token_id", "character"), BAD)
def test_bad(engine: Engine, token_id: str, character: str) -> None:
    """An expired, a wrong and an unknown secret are good for nothing, and neither are their keys."""
    presented = secret(token_id, character)
    assert api_tokens.by_secret(engine, presented, NOW) is None
    key = token_secrets.key_of(token_secrets.sha256(presented))
    assert api_tokens.by_key(engine, token_id, key, NOW) is None


def test_key_of_another_token(engine: Engine) -> None:
    """The key of one token is good for no other one."""
    held = api_tokens.by_secret(engine, secret("lasting"), NOW)
    assert held is not None
    assert api_tokens.by_key(engine, "hour", held.key, NOW) is None


@pytest.mark.parametrize("key", ["", "0" * 24, "\u0430" * 24, "\ud800", token_secrets.key_of("0" * 64)])
@pytest.mark.parametrize("token_id", ["lasting", "nobody", "token:lasting", ""])
def test_odd_key(engine: Engine, token_id: str, key: str) -> None:
    """A key that nobody has is good for nothing, and neither is that of the stand-in for unknown tokens."""
    assert api_tokens.by_key(engine, token_id, key, NOW) is None


@pytest.mark.parametrize("text", ["", "lasting", secret("lasting")[:-1], "eyJhbGciOiJub25lIn0.e30."])
def test_no_secret(engine: Engine, text: str) -> None:
    """What has not the form of a secret is good for nothing."""
    assert api_tokens.by_secret(engine, text, NOW) is None


@pytest.mark.parametrize(
    ("presented", "said"),
    [
        ("x", "it is no secret of an API token, or not a whole one"),
        (secret("nobody"), "the policy has no API token `nobody`"),
        (secret("lasting", "p"), "it is not the secret of API token `lasting`, or not any more"),
        (secret("over"), "the secret of API token `over` ended at 2027-01-01T12:00:00Z"),
        (secret("turned-over", "p"), "the secret of API token `turned-over` ended at 2027-01-01T12:00:00Z"),
    ],
)
def test_why_not(engine: Engine, presented: str, said: str) -> None:
    """The operator is told why a secret is good for nothing, without it."""
    assert api_tokens.by_secret(engine, presented, NOW) is None
    assert api_tokens.refusal(engine, presented) == said


@pytest.mark.parametrize("token_id", ["lasting", "nobody"])
def test_same_steps(engine: Engine, token_id: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A wrong secret costs one hash and two comparisons, whether there is such a token or not."""
    calls: list[str] = []

    def counting(name: str, function: Any) -> Any:
        def counted(*args: Any) -> Any:
            calls.append(name)
            return function(*args)

        return counted

    monkeypatch.setattr(api_tokens, "compare_digest", counting("compare", api_tokens.compare_digest))
    monkeypatch.setattr(token_secrets, "sha256", counting("hash", token_secrets.sha256))
    assert api_tokens.by_secret(engine, secret(token_id, "w"), NOW) is None
    assert calls == ["hash", "compare", "compare"]


@pytest.mark.parametrize("token_id", ["lasting", "hour", "turned", "turned-over"])
def test_by_id(engine: Engine, token_id: str) -> None:
    """A token for which somebody else vouches is held as with its secret."""
    assert api_tokens.by_id(engine, token_id, NOW) == api_tokens.by_secret(engine, secret(token_id), NOW)


@pytest.mark.parametrize("token_id", ["over", "odd", "nobody", "", "other"])
def test_bad_by_id(engine: Engine, token_id: str) -> None:
    """A token that has expired, has no secret that anybody could have, or is not there, is held by nobody."""
    assert api_tokens.by_id(engine, token_id, NOW) is None
