"""Metrics: what is counted, with which tags, and that no request fails for want of a place to send them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from astro_auth_plugin.authorization import denials
from astro_auth_plugin.authorization.access_decision import AccessDecision
from astro_auth_plugin.authorization.access_request import AccessRequest
from astro_auth_plugin.runtime import audit_log, metrics
from astro_auth_plugin.runtime.audit_log import SIGN_IN_REFUSED, SIGNED_IN, Event
from astro_auth_plugin.runtime.policy_store import PolicyStore
from astro_auth_plugin.runtime.settings import Settings
from astro_auth_plugin.runtime.version_compat import stats
from tests.in_request import HEAD, facts_of

Counted = list[tuple[str, dict[str, str]]]


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> Counted:
    """Everything that is counted from now on."""
    found: Counted = []
    monkeypatch.setattr(stats(), "incr", lambda name, *, tags: found.append((name, tags)), raising=False)
    return found


def test_policy(tmp_path: Path, counted: Counted) -> None:
    """New versions of the policy are counted, those that cannot be used by themselves."""
    file = tmp_path / "policy.yaml"
    file.write_text(HEAD)
    store = PolicyStore(Settings(file, "dep"))
    for text in (HEAD + "users: []\n", HEAD + "usrs: []\n"):
        file.write_text(text)
        store.engine()
    assert counted == [("astro_auth.policy_loaded", {}), ("astro_auth.policy_refused", {})]


def test_denials(counted: Counted) -> None:
    """Denied reads and writes are counted."""
    decision = AccessDecision(allowed=False)
    denials.deny_write(None, decision)
    denials.deny_read(None, AccessRequest("GET", "variable"), decision)
    assert counted == [("astro_auth.denied", {"access": "write"}), ("astro_auth.denied", {"access": "read"})]


def test_sign_ins(counted: Counted, metadata_database: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Denied sign-ins are counted by their reason, also when there are too many for rows."""
    monkeypatch.setattr(audit_log, "_write_row", lambda *_: None)
    context = facts_of("POST /auth/token")
    context.scope["path"] = "/auth/token"
    for name in (SIGN_IN_REFUSED, SIGNED_IN):
        audit_log.record(context, Event(name, "x", {"reason": "wrong_credentials"}))
    assert counted == [("astro_auth.sign_in_refused", {"reason": "wrong_credentials"})]


def test_never_raises(monkeypatch: pytest.MonkeyPatch) -> None:
    """What cannot be sent is not worth a request."""

    def fail(*_: Any, **__: Any) -> None:
        raise OSError("no route")

    monkeypatch.setattr(stats(), "incr", fail, raising=False)
    metrics.count(metrics.DENIED, access="read")
