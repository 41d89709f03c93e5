"""Signing in with API tokens, through the real auth manager; the clock is moved, not waited for."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import jwt
import pytest
from airflow.api_fastapi.auth.managers.models.resource_details import DagDetails
from airflow.providers.fab.auth_manager.fab_auth_manager import FabAuthManager
from fastapi import HTTPException

from astro_auth_plugin.accounts import sign_ins
from astro_auth_plugin.auth_manager import AstroAuthManager
from astro_auth_plugin.authentication import api_tokens, token_use
from astro_auth_plugin.rbac.model import token_secrets
from astro_auth_plugin.runtime.identity import AstroIdentity
from tests.in_request import HEAD, facts_of, serving
from tests.process_state import start

pytestmark = pytest.mark.usefixtures("metadata_database")

HOUR = timedelta(hours=1)


def secret(character: str, token_id: str = "ci") -> str:
    return token_secrets.compose(token_id, character * token_secrets.RANDOM_LENGTH)


SECRET, NEXT = secret("a"), secret("b")


def entry(secret_text: str = SECRET, expires_at: Any = None, role: str = "DEPLOYMENT_ADMIN", **more: Any) -> str:
    """Return the policy with one token; `role` may be '' for none."""
    end = (expires_at or datetime.now(UTC) + HOUR).isoformat() if expires_at != "never" else "never"
    roles = f"[{{role: {role}, entity_type: DEPLOYMENT, entity_id: dep}}]" if role else "[]"
    keys = {"id": "ci", "name": "ci", "secret_sha256": token_secrets.sha256(secret_text), "expires_at": end, **more}
    lines = "\n".join(f'    {key}: "{value}"' for key, value in keys.items())
    return f"{HEAD}api_tokens:\n  -\n{lines}\n    roles: {roles}\n"


@pytest.fixture
def policy(tmp_path: Path) -> Callable[[str], None]:
    """A function that writes the policy; the auth manager sees it on its next look."""
    path = tmp_path / "policy.yaml"
    path.write_text(entry())
    start(path)

    def write(text: str) -> None:
        (tmp_path / "new").write_text(text)
        (tmp_path / "new").rename(path)

    return write


@pytest.fixture
def manager(policy: Any) -> AstroAuthManager:
    """The auth manager, as after `init`."""
    return AstroAuthManager()


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Callable[[timedelta], None]:
    """A function that moves the plugin's clock on."""
    moved = [timedelta(0)]
    monkeypatch.setattr(api_tokens, "now", lambda: datetime.now(UTC) + moved[0])

    def move(time: timedelta) -> None:
        moved[0] += time

    return move


def who(manager: AstroAuthManager, credential: str) -> AstroIdentity:
    return asyncio.run(manager.get_user_from_token(credential))


def refused(manager: AstroAuthManager, credential: str) -> HTTPException:
    with pytest.raises(HTTPException) as info:
        who(manager, credential)
    assert info.value.status_code == 401
    assert info.value.headers == {"WWW-Authenticate": 'Bearer error="invalid_token"'}
    assert credential not in str(info.value)
    return info.value


def exchange(manager: AstroAuthManager, credential: str, **limits: int) -> str:
    user = manager.create_token(headers={}, body={"token": credential})
    return manager.generate_jwt(user, **limits)


def claims(token: str) -> dict[str, Any]:
    return jwt.decode(token, options={"verify_signature": False})


def may_see_dags(manager: AstroAuthManager, user: AstroIdentity) -> bool:
    return manager.is_authorized_dag(method="GET", details=DagDetails(id="any"), user=user)


def both(manager: AstroAuthManager) -> tuple[str, str]:
    """Return a secret and a JWT that are good now."""
    return SECRET, exchange(manager, SECRET)


def test_identity(manager: AstroAuthManager) -> None:
    """Secret and JWT are the same token, with its roles, and with an id and a name that no account has."""
    for credential in both(manager):
        user = who(manager, credential)
        assert (user.get_id(), user.get_name(), user.subject) == ("token:ci", "token ci", "token:ci")
        assert user.is_token
        assert may_see_dags(manager, user)
        assert who(manager, credential) is not user
        assert repr(user) == "<AstroIdentity token:ci token ci>"


def test_jwt_says_little(manager: AstroAuthManager) -> None:
    """A JWT of a token says which token and secret it is of, without the hash of the policy, and no roles."""
    said = claims(exchange(manager, SECRET))
    assert {"sub", "exp", "iat", "nbf", "astro_token_key"} <= set(said)
    assert set(said) <= {"sub", "exp", "iat", "nbf", "aud", "iss", "jti", "astro_token_key"}
    assert said["sub"] == "token:ci"
    assert said["astro_token_key"] not in token_secrets.sha256(SECRET)


def test_long_name(manager: AstroAuthManager, policy: Any) -> None:
    """A name longer than Airflow's columns is cut in what Airflow writes down."""
    policy(entry(name="x" * 3000))
    assert len(who(manager, SECRET).get_name()) == 200


def test_revoked(manager: AstroAuthManager, policy: Any) -> None:
    """A token that is taken out of the policy is out at once, and so is its JWT."""
    credentials = both(manager)
    policy(HEAD)
    for credential in credentials:
        refused(manager, credential)
    policy(entry())
    for credential in credentials:
        assert who(manager, credential).is_token


def test_narrowed(manager: AstroAuthManager, policy: Any) -> None:
    """A role that is taken away is gone at once, for the JWT too."""
    credentials = both(manager)
    policy(entry(role="DEPLOYMENT_ACCESSOR"))
    for credential in credentials:
        assert not may_see_dags(manager, who(manager, credential))
    policy(entry(role=""))
    for credential in credentials:
        assert not who(manager, credential).access.anywhere


def test_expired(manager: AstroAuthManager, clock: Any) -> None:
    """An expired token is out, and so is its JWT, whose own end Airflow would see some seconds later."""
    credentials = both(manager)
    clock(HOUR - timedelta(seconds=30))
    for credential in credentials:
        assert who(manager, credential).is_token
    clock(timedelta(seconds=31))
    for credential in credentials:
        refused(manager, credential)


def test_expiry_moved(manager: AstroAuthManager, policy: Any) -> None:
    """An expiry that is moved to the past counts at once."""
    credentials = both(manager)
    policy(entry(expires_at=datetime.now(UTC) - timedelta(seconds=1)))
    for credential in credentials:
        refused(manager, credential)


def test_rotated(manager: AstroAuthManager, policy: Any) -> None:
    """A rotation without overlap ends the old secret and what it was exchanged for."""
    credentials = both(manager)
    policy(entry(NEXT))
    for credential in credentials:
        refused(manager, credential)
    assert who(manager, NEXT).is_token


def test_rotated_with_overlap(manager: AstroAuthManager, policy: Any, clock: Any) -> None:
    """With overlap both secrets and their JWTs work until the stated time, and then the new ones only."""
    old = both(manager)
    end = datetime.now(UTC) + HOUR
    previous = {
        "previous_secret_sha256": token_secrets.sha256(SECRET),
        "previous_secret_expires_at": end.isoformat(),
    }
    policy(entry(NEXT, datetime.now(UTC) + 3 * HOUR, **previous))
    new = (NEXT, exchange(manager, NEXT))
    later = exchange(manager, SECRET)
    assert claims(later)["exp"] <= end.timestamp()
    for credential in (*old, *new, later):
        assert who(manager, credential).is_token
    clock(HOUR)
    for credential in (*old, later):
        refused(manager, credential)
    for credential in new:
        assert who(manager, credential).is_token


def test_another_token_of_the_same_id(manager: AstroAuthManager, policy: Any) -> None:
    """A JWT dies with its token, also when another token gets the same id."""
    token = exchange(manager, SECRET)
    policy(HEAD)
    policy(entry(NEXT))
    refused(manager, token)


# -- JWTs and their end --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("wanted", [60, 86_400, 10**9])
def test_jwt_never_outlives_the_token(manager: AstroAuthManager, wanted: int) -> None:
    """However long a JWT is asked for, it ends with its token."""
    end = datetime.now(UTC) + HOUR
    exp = claims(exchange(manager, SECRET, expiration_time_in_seconds=wanted))["exp"]
    assert exp <= end.timestamp()
    assert exp >= (datetime.now(UTC) + min(HOUR, timedelta(seconds=wanted))).timestamp() - 5


def test_jwt_of_a_lasting_token(manager: AstroAuthManager, policy: Any) -> None:
    """A token that never expires still gives JWTs that do."""
    policy(entry(expires_at="never"))
    token = exchange(manager, SECRET, expiration_time_in_seconds=100)
    assert claims(token)["exp"] <= datetime.now(UTC).timestamp() + 100
    assert who(manager, token).ends_at is not None


def test_jwt_does_not_prolong_itself(manager: AstroAuthManager, policy: Any, clock: Any) -> None:
    """A JWT that asks for a JWT, as POST /ui/auth/token lets it, gets none that ends later, nor with another binding."""
    policy(entry(expires_at="never"))
    token = exchange(manager, SECRET, expiration_time_in_seconds=100)
    first = claims(token)
    for _ in range(5):
        token = manager.generate_jwt(who(manager, token), expiration_time_in_seconds=86_400)
        said = claims(token)
        assert said["exp"] <= first["exp"]
        assert (said["sub"], said["astro_token_key"]) == (first["sub"], first["astro_token_key"])
    user = who(manager, token)
    clock(timedelta(seconds=500))
    late = claims(manager.generate_jwt(user, expiration_time_in_seconds=86_400))
    assert late["exp"] < datetime.now(UTC).timestamp()


def test_jwt_of_a_person_is_as_before(manager: AstroAuthManager, accounts: Any) -> None:
    """People's JWTs are what FAB makes: the account and nothing else, for as long as was asked."""
    user = manager.deserialize_user({"sub": str(accounts("vera", "vera@example.com"))})
    said = claims(manager.generate_jwt(user, expiration_time_in_seconds=1000))
    assert said["exp"] - said["iat"] == 1000
    assert "astro_token_key" not in said
    assert manager.generate_jwt(user)


def test_jwt_of_a_person_does_not_prolong_itself(manager: AstroAuthManager, accounts: Any) -> None:
    """A person's JWT that asks for a JWT, as POST /ui/auth/token lets it, gets none that ends later."""
    vera = manager.deserialize_user({"sub": str(accounts("vera", "vera@example.com"))})
    token = manager.generate_jwt(vera, expiration_time_in_seconds=100)
    first = claims(token)
    for _ in range(3):
        token = manager.generate_jwt(who(manager, token), expiration_time_in_seconds=86_400)
        assert claims(token)["exp"] <= first["exp"]


def test_password_changed_meanwhile(manager: AstroAuthManager, accounts: Any, metadata_database: Any) -> None:
    """A person's JWT that ended after its request began is given no other one."""
    account_id = accounts("vera", "vera@example.com")
    vera = manager.deserialize_user({"sub": str(account_id), "iat": datetime.now(UTC).timestamp()})
    assert manager.generate_jwt(vera)
    with metadata_database.begin() as connection:
        sign_ins.end_all(connection, account_id)
    with pytest.raises(HTTPException) as refused:
        manager.generate_jwt(vera)
    assert refused.value.status_code == 401


def test_swapped_subjects(manager: AstroAuthManager, policy: Any, accounts: Any) -> None:
    """No JWT, however signed, makes an account of a token or a token of an account."""
    account_id = accounts("olga", "olga@example.com")
    policy(entry(id=str(account_id)))
    key = token_secrets.key_of(token_secrets.sha256(SECRET))
    exp = int((datetime.now(UTC) + HOUR).timestamp())
    good = {"sub": f"token:{account_id}", "astro_token_key": key, "exp": exp}
    assert manager.deserialize_user(good).subject == f"token:{account_id}"
    assert manager.deserialize_user({"sub": str(account_id), "exp": exp}).subject == "olga@example.com"
    bad: list[dict[str, Any]] = [
        {**good, "sub": str(account_id)},
        {"sub": f"token:{account_id}", "exp": exp},
        {**good, "astro_token_key": ""},
        {**good, "astro_token_key": None},
        {**good, "astro_token_key": [key]},
        {**good, "astro_token_key": token_secrets.sha256(SECRET)},
        {**good, "sub": "token:"},
        {**good, "sub": f"token:token:{account_id}"},
        {**good, "sub": f"TOKEN:{account_id}"},
        {**good, "sub": f" token:{account_id}"},
        *(
            {"sub": sub, "exp": exp}
            for sub in ("", "-1", "1.0", " 1", "1_0", "\u0661", "9" * 40, "None", None, True, [1])
        ),
        {"exp": exp},
    ]
    for said in bad:
        with pytest.raises((ValueError, KeyError)):
            manager.deserialize_user(said)


# -- POST /auth/token ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("credential", ["", "x", NEXT, SECRET[:-1], secret("a", "cj"), " " + SECRET])
def test_bad_exchange(manager: AstroAuthManager, credential: str, caplog: pytest.LogCaptureFixture) -> None:
    """What is no good secret is exchanged for nothing, and the log says why without the secret."""
    with caplog.at_level(logging.DEBUG):
        assert manager.create_token(headers={}, body={"token": credential}) is None
    assert "Refused an API token" in caplog.text
    assert not credential.strip() or credential.strip() not in caplog.text.replace("Refused an API token", "")


def test_jwt_is_not_exchanged(manager: AstroAuthManager) -> None:
    """A JWT is no secret, so it is not exchanged for another one."""
    assert manager.create_token(headers={}, body={"token": exchange(manager, SECRET)}) is None


@pytest.mark.parametrize("more", [{"username": "x"}, {"password": "x"}, {"username": "", "password": ""}])
def test_token_or_password(manager: AstroAuthManager, more: dict[str, str]) -> None:
    """A body with a token and a password is refused, whichever of them is good."""
    with pytest.raises(ValueError, match="Pass either `token`, or `username` and `password`"):
        manager.create_token(headers={}, body={"token": SECRET, **more})


@pytest.mark.parametrize("value", [None, 1, True, [SECRET], {"token": SECRET}])
def test_token_is_text(manager: AstroAuthManager, value: Any) -> None:
    """A token that is no text is refused, without repeating it."""
    with pytest.raises(ValueError, match=r"^`token` has to be text$"):
        manager.create_token(headers={}, body={"token": value})


# -- around it -----------------------------------------------------------------------------------------------------


def test_sign_out_leaves_the_secret(manager: AstroAuthManager, policy: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Airflow, which logs what it cannot end, is asked to end only what it verifies, accepted or not."""
    reported: list[str] = []
    # Airflow 3.1 ends no tokens.
    monkeypatch.setattr(FabAuthManager, "revoke_token", lambda _, token: reported.append(token), raising=False)
    manager.revoke_token(SECRET)
    assert reported == []
    assert who(manager, SECRET).is_token
    issued = exchange(manager, SECRET)
    foreign = jwt.encode(claims(issued), "x" * 64, algorithm="HS512")
    for garbage in ("garbage", "a.b.c", foreign, issued + "x"):
        manager.revoke_token(garbage)
    assert reported == []
    policy(HEAD)
    refused(manager, issued)
    manager.revoke_token(issued)
    assert reported == [issued]


def test_account_pages(manager: AstroAuthManager) -> None:
    """A token has no account and changes none: no page of accounts opens for it, its own or of others."""
    user = who(manager, SECRET)
    for name in ("My Password", "My Profile", "Users"):
        assert not manager.is_authorized_custom_view(method="GET", resource_name=name, user=user)


def test_reason_in_the_log(manager: AstroAuthManager, policy: Any, caplog: pytest.LogCaptureFixture) -> None:
    """The answer is one and the same; the log tells the operator why."""
    answers = {str(refused(manager, credential)) for credential in (NEXT, secret("a", "cj"), SECRET[:-1])}
    policy(entry(expires_at=datetime(2020, 1, 1, tzinfo=UTC)))
    answers.add(str(refused(manager, SECRET)))
    assert len(answers) == 1
    for said in (
        "it is not the secret of API token `ci`, or not any more",
        "the policy has no API token `cj`",
        "it is no secret of an API token, or not a whole one",
        "the secret of API token `ci` ended at 2020-01-01T00:00:00Z",
    ):
        assert said in caplog.text


def test_use_is_noted_once(manager: AstroAuthManager, monkeypatch: pytest.MonkeyPatch) -> None:
    """A use is due once an hour for each secret of a token, and never for a person."""
    monkeypatch.setattr(token_use, "_recorded", {})
    with serving(facts_of()) as context:
        user = who(manager, SECRET)
        assert context.api_token is user
    times = iter([0.0, 10.0, 3599.0, 3600.0, 3601.0])
    monkeypatch.setattr(token_use, "time", SimpleNamespace(monotonic=lambda: next(times)))
    assert [token_use.is_due(user) for _ in range(5)] == [True, False, False, True, False]
    user.key = ""
    assert not token_use.is_due(user)


def test_use_that_cannot_be_written(manager: AstroAuthManager, monkeypatch: pytest.MonkeyPatch, caplog: Any) -> None:
    """When the database is away, the request is answered all the same, and the log says what is missing."""

    def away(**_: Any) -> Any:
        raise OSError("away")

    monkeypatch.setattr(token_use, "create_session", away)
    token_use.record(who(manager, SECRET))
    assert "Could not write to the audit log that token:ci was used" in caplog.text
