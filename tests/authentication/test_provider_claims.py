"""Which e-mail of an OAuth or OpenID Connect provider counts, and what its stable id of a person is."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest
import requests
from authlib.integrations.flask_client import OAuth
from flask import Flask

from astro_auth_plugin.accounts.identities import Identity
from astro_auth_plugin.accounts.identity_binding import SignInRefused
from astro_auth_plugin.authentication import provider_claims
from astro_auth_plugin.authentication.provider_claims import person_of

ANA = "ana@example.com"
ID = {"iss": "https://sso", "sub": "7"}
VOUCHED = {"email": ANA, "email_verified": True}


class _Answer(dict):
    """An answer of the provider's API."""

    def json(self) -> Any:
        return self.get("list", dict(self))

    def raise_for_status(self) -> None:
        """It is always good."""


def manager(provider: str, said: Any = None, scope: str = "openid email", **by_path: Any) -> Any:
    """A security manager that asks a provider which answers so."""
    paths = {path.replace("_", "/"): answer for path, answer in by_path.items()}
    remote = SimpleNamespace(userinfo=lambda: said, client_kwargs={"scope": scope}, get=lambda path: paths[path])
    remote.api_base_url, remote.authorize_url = f"https://api.{provider}/", f"https://{provider}/authorize"
    return SimpleNamespace(
        oauth_remotes={provider: remote},
        _decode_and_validate_azure_jwt=lambda token: token,
        _get_authentik_token_info=lambda token: token,
    )


@pytest.mark.parametrize("provider", ["sso", "okta", "auth0"])
@pytest.mark.parametrize(
    ("id_token", "userinfo", "counts"),
    [
        (ID | VOUCHED, {"sub": "7"} | VOUCHED, True),
        (ID, {"sub": "7"} | VOUCHED, True),
        (ID | VOUCHED, {"sub": "7"}, True),
        (ID | VOUCHED, {"sub": "7", "email": "ANA@example.com", "email_verified": "true"}, True),
        (ID, {"sub": "7", "email": ANA}, False),
        (ID, {"sub": "7", "email": ANA, "email_verified": False}, False),
        (ID | VOUCHED, {"sub": "7", "email": ANA, "email_verified": None}, False),
        (ID | VOUCHED, {"sub": "7", "email": ANA, "email_verified": "no"}, False),
        (ID | {"email_verified": True}, {"sub": "7", "email": ANA}, False),
        (ID | {"email_verified": False}, {"sub": "7"} | VOUCHED, False),
        (ID | VOUCHED, {"sub": "7", "email_verified": False}, False),
        (ID | VOUCHED | {"xms_edov": False}, {"sub": "7"}, False),
        (ID | VOUCHED, {"sub": "7", "verified_email": "false"}, False),
        (ID | {"xms_edov": True}, {"sub": "7", "email": ANA, "verified_email": True}, False),
        (ID | VOUCHED, {"sub": "8"} | VOUCHED, False),
        (ID | VOUCHED, VOUCHED, False),
        (ID | VOUCHED, {"sub": "7", "email": "bo@example.com", "email_verified": True}, False),
        (ID, {"sub": "7"}, False),
        (ID | {"email": "", "email_verified": True}, {"sub": "7"}, False),
        (ID | {"email": "ana", "email_verified": True}, {"sub": "7"}, False),
        (ID | {"email": "a@b\nc@d", "email_verified": True}, {"sub": "7"}, False),
        (ID | {"email": [ANA], "email_verified": True}, {"sub": "7"}, False),
        (ID | {"email": "\ud800@b", "email_verified": True}, {"sub": "7"}, False),
        (ID | {"email": "\u212aate@example.com", "email_verified": True}, {"sub": "7"}, False),
        (ID | {"email": "a" * 400 + "@b", "email_verified": True}, {"sub": "7"}, False),
        (VOUCHED, VOUCHED, False),
        ({}, {"sub": "7"} | VOUCHED, False),
        (ID | VOUCHED, None, False),
    ],
)
def test_openid(provider: str, id_token: Any, userinfo: Any, counts: bool) -> None:
    """An e-mail counts that no document contradicts and one vouches for, in documents of one person."""
    requested = manager(provider, userinfo, userinfo=_Answer(userinfo or {}))
    if counts:
        person = person_of(requested, provider, {"userinfo": id_token}, {"email": ANA}, trusted=False)
        assert person == (Identity(f"oauth {provider}", "https://sso", "7"), (person.emails[0],), "", frozenset())
        assert person.emails[0].lower() == ANA
        return
    with pytest.raises(SignInRefused):
        person_of(requested, provider, {"userinfo": id_token}, {}, trusted=False)


def test_what_was_made_of_it() -> None:
    """An e-mail that FAB or the installation's code has from elsewhere is refused; none is no matter."""
    requested = manager("sso", {"sub": "7"})
    for info in ({"email": "olga@example.com"}, {"email": ["x"]}):
        with pytest.raises(SignInRefused):
            person_of(requested, "sso", {"userinfo": ID | VOUCHED}, info, trusted=False)
    assert person_of(requested, "sso", {"userinfo": ID | VOUCHED}, {}, trusted=False).emails == (ANA,)


def test_trusted_provider() -> None:
    """The e-mails of a provider that the operator trusts count where it says nothing, not where it denies."""
    said = {"sub": "7", "email": ANA}
    assert person_of(manager("sso", said), "sso", {"userinfo": ID}, {}, trusted=True).emails == (ANA,)
    with pytest.raises(SignInRefused):
        person_of(manager("sso", said | {"email_verified": False}), "sso", {"userinfo": ID}, {}, trusted=True)


@pytest.mark.parametrize(
    ("claims", "trusted", "email"),
    [
        ({"email": ANA, "xms_edov": True}, False, ANA),
        ({"email": ANA, "xms_edov": "1"}, False, ANA),
        ({"email": ANA, "xms_edov": False}, True, None),
        ({"email": ANA, "xms_edov": True, "verified_email": False}, True, None),
        ({"upn": ANA, "xms_edov": False}, True, None),
        ({"upn": ANA, "email_verified": False}, True, None),
        ({"email": ANA}, False, None),
        ({"email": ANA}, True, ANA),
        ({"upn": ANA}, False, None),
        ({"upn": ANA}, True, ANA),
        ({}, True, None),
    ],
)
def test_entra_id(claims: Any, trusted: bool, email: str | None) -> None:
    """Entra ID's e-mail counts where it says that the domain's owner is verified, or the operator trusts it."""
    answer = {"id_token": ID | claims}
    if email is None:
        with pytest.raises(SignInRefused):
            person_of(manager("azure", scope="User.read"), "azure", answer, {}, trusted=trusted)
    else:
        person = person_of(manager("azure", scope="User.read"), "azure", answer, {}, trusted=trusted)
        assert (person.identity, person.emails) == (Identity("oauth azure", "https://sso", "7"), (email,))


def test_github() -> None:
    """GitHub's stable id is its number, not the name that one can change; the e-mail is the primary, verified one."""
    emails = [
        {"email": "other@example.com", "primary": False, "verified": True},
        {"email": ANA, "primary": True, "verified": True},
    ]
    requested = manager("github", user=_Answer(id=7, login="olga"), user_emails=_Answer(list=emails))
    person = person_of(requested, "github", {}, {"username": "github_olga"}, trusted=False)
    assert (person.identity, person.emails) == (Identity("oauth github", "https://api.github", "7"), (ANA,))
    requested.oauth_remotes["github"].api_base_url = "https://github.example.com/api/v3"
    elsewhere = person_of(requested, "github", {}, {}, trusted=False).identity
    assert elsewhere == Identity("oauth github", "https://github.example.com/api/v3", "7")
    requested.oauth_remotes["github"].api_base_url = None
    assert person_of(requested, "github", {}, {}, trusted=False).identity == elsewhere._replace(
        issuer="https://github/authorize"
    )
    for changed in ([{**emails[1], "verified": False}], emails[:1], []):
        requested = manager("github", user=_Answer(id=7), user_emails=_Answer(list=changed))
        with pytest.raises(SignInRefused):
            person_of(requested, "github", {}, {}, trusted=False)


def test_google_and_others() -> None:
    """Google's older document has `id` and `verified_email`; Keycloak's is where FAB asks for it; others are refused."""
    said = _Answer(id="7", email=ANA, verified_email=True)
    requested = manager("google", scope="email profile", userinfo=said)
    assert person_of(requested, "google", {}, {}, trusted=False).identity == Identity(
        "oauth google", "https://api.google", "7"
    )
    remote = {"openid-connect/userinfo": _Answer({"sub": "7", **VOUCHED})}
    requested = manager("keycloak")
    requested.oauth_remotes["keycloak"].get = remote.__getitem__
    assert person_of(requested, "keycloak", {"userinfo": ID}, {}, trusted=False).emails == (ANA,)
    person = person_of(manager("authentik", scope="email"), "authentik", {"id_token": ID | VOUCHED}, {}, trusted=False)
    assert person.identity == Identity("oauth authentik", "https://sso", "7")
    for provider in ("twitter", "openshift", "linkedin"):
        with pytest.raises(SignInRefused):
            person_of(manager(provider, scope=""), provider, {"access_token": "t"}, {"username": "olga"}, trusted=True)


@pytest.fixture
def silent() -> Iterator[str]:
    """The URL of a server that accepts connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        # Whoever waits without end is let go, and fails.
        end = threading.Timer(5, server.close)
        end.start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}"
        end.cancel()


REQUESTS_TO_A_PROVIDER: dict[str, Callable[[Any], Any]] = {
    "metadata": lambda remote: remote.load_server_metadata(),
    "token": lambda remote: remote.fetch_access_token(code="x"),
    "keys": lambda remote: remote.fetch_jwk_set(),
    "userinfo": lambda remote: remote.userinfo(token={"access_token": "x", "token_type": "Bearer"}),
}


@pytest.mark.parametrize("requested", REQUESTS_TO_A_PROVIDER)
def test_provider_that_never_answers(requested: str, silent: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing that is requested from a provider is waited for without end."""
    monkeypatch.setattr(provider_claims, "LONGEST_ANSWER", 0.2)
    known = {"access_token_url": silent, "jwks_uri": silent, "userinfo_endpoint": silent}
    known = {"server_metadata_url": silent} if requested == "metadata" else known
    app = Flask("fab")
    remote = OAuth(app).register("sso", client_id="x", client_secret="y", **known)
    provider_claims.limit_waiting({"sso": remote})
    with app.test_request_context(), pytest.raises(requests.Timeout):
        REQUESTS_TO_A_PROVIDER[requested](remote)


def test_limit_of_the_operator() -> None:
    """The limit in `webserver_config.py` stays."""
    remotes = {"sso": SimpleNamespace(client_kwargs={"default_timeout": 30}), "okta": SimpleNamespace(client_kwargs={})}
    provider_claims.limit_waiting(remotes)
    assert remotes["sso"].client_kwargs == {"default_timeout": 30}
    assert remotes["okta"].client_kwargs == {"default_timeout": 10}
