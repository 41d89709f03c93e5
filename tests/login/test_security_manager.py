"""What is mixed into FAB's security manager: the time of signing in, during which accounts are not guarded."""

from __future__ import annotations

from typing import Any

import pytest

from astro_auth_plugin.airflow_bridge.request import current_request
from astro_auth_plugin.login.security_manager import SignInMixin
from tests.in_request import facts_of, serving

METHODS = ("auth_user_ldap", "auth_user_oauth", "auth_user_remote_user")


class Configured:
    """Stands for the security manager of an installation; every way in says whether it is being signed in."""

    def _told(self, *args: Any, fail: bool = False) -> Any:
        if fail:
            raise RuntimeError("refused")
        facts = current_request()
        return args, facts.signing_in if facts else None

    auth_user_ldap = auth_user_oauth = auth_user_remote_user = _told


class Mixed(SignInMixin, Configured):
    """What `with_sign_in` makes, without FAB's views."""


@pytest.mark.parametrize("method", METHODS)
def test_signing_in(method: str) -> None:
    """While FAB signs somebody in the request says so, and no longer, also when it fails."""
    with serving(facts_of("POST /auth/login")) as facts:
        assert getattr(Mixed(), method)("ana") == (("ana",), True)
        assert facts.signing_in is False
        with pytest.raises(RuntimeError, match="refused"):
            getattr(Mixed(), method)(fail=True)
        assert facts.signing_in is False


@pytest.mark.parametrize("method", METHODS)
def test_outside_of_a_request(method: str) -> None:
    """Where no request is known, FAB signs in as ever."""
    assert getattr(Mixed(), method)("ana") == (("ana",), None)


class Provider:
    """What FAB would make of a provider's answer."""

    def get_oauth_user_info(self, provider: str, resp: Any) -> dict[str, Any]:
        """Return a person, whatever the answer is."""
        return {"username": "ana", "email": "ana@example.com"}


@pytest.mark.parametrize(
    ("resp", "believed"),
    [
        ({"userinfo": {"email_verified": True}}, True),
        ({"userinfo": {"email": "ana@example.com"}}, True),
        ({"access_token": "t"}, True),
        ("not a mapping", True),
        ({"userinfo": {"email_verified": False}}, False),
        ({"userinfo": {"email_verified": "false"}}, False),
    ],
)
def test_unverified_email(resp: Any, believed: bool) -> None:
    """An e-mail that the provider marks as not verified signs nobody in."""

    class Manager(SignInMixin, Provider):
        pass

    found = Manager().get_oauth_user_info("okta", resp)
    assert found == ({"username": "ana", "email": "ana@example.com"} if believed else {})
