"""Where each way to sign in says groups, and what is taken for none."""

from __future__ import annotations

from typing import Any

import pytest

from astro_auth_plugin.authentication import idp_groups

AT_USERINFO = {"roles": ["from userinfo"], "groups": ["wrong"]}


def never() -> dict[str, Any]:
    raise AssertionError("the provider need not be requested")


@pytest.mark.parametrize(
    ("claims", "info", "name", "found"),
    [
        pytest.param({}, {"role_keys": ["a", "b"]}, "", ["a", "b"], id="where FAB knows them"),
        pytest.param({"groups": ["a"]}, {}, "", ["a"], id="in the ID token"),
        pytest.param({}, {}, "", [], id="nowhere"),
        pytest.param({"groups": ["a"], "roles": ["r"]}, {"role_keys": ["a"]}, "roles", ["r"], id="under another name"),
        pytest.param({"roles": []}, {"role_keys": ["a"]}, "roles", [], id="under another name, and none"),
        pytest.param({"roles": "just one"}, {}, "roles", ["just one"], id="one text"),
        pytest.param({"roles": ["a", 7, None, ""]}, {}, "roles", ["a"], id="among what is no text"),
        pytest.param({"roles": {"a": 1}}, {}, "roles", [], id="a mapping"),
        pytest.param({"roles": True}, {}, "roles", [], id="a truth value"),
    ],
)
def test_claims(claims: dict, info: dict, name: str, found: list[str]) -> None:
    """Groups are texts in the claim of the option, or where FAB or the ID token have them; nothing else is one."""
    assert idp_groups.in_claims(claims, info, name, never) == found


def test_asked_of_the_provider() -> None:
    """A claim that is not in the ID token is asked of the provider."""
    assert idp_groups.in_claims({"sub": "ana"}, {"role_keys": ["wrong"]}, "roles", lambda: AT_USERINFO) == [
        "from userinfo"
    ]
    assert idp_groups.in_claims({}, {}, "missing", lambda: AT_USERINFO) == []


def test_too_many_to_say(caplog: pytest.LogCaptureFixture) -> None:
    """A provider that omitted the groups of somebody who has many is mentioned in the log."""
    assert idp_groups.in_claims({"_claim_names": {"groups": "src1"}}, {}, "", never) == []
    assert "omitted the groups" in caplog.text


def test_directory() -> None:
    """The values of the attribute are groups, each as it is, however the server spells the attribute."""
    attributes = {"mail": [b"ana@example.com"], "MEMBEROF": [b"cn=a, ou=x", "cn=caf\u00e9".encode()]}
    assert idp_groups.in_ldap(attributes, "memberOf") == ["cn=a, ou=x", "cn=caf\u00e9"]
    assert idp_groups.in_ldap({"mail": [b"x"]}, "memberOf") == []


def test_directory_without_text(caplog: pytest.LogCaptureFixture) -> None:
    """With a value that is no text, none counts: it is not the attribute that it was taken for."""
    assert idp_groups.in_ldap({"memberOf": [b"cn=a", b"\xff\xfe"]}, "memberOf") == []
    assert "all groups of this sign-in are ignored" in caplog.text
