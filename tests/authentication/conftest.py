"""What stands for python-ldap, which is not there without OpenLDAP's headers; tests/e2e/sign_in has the real one."""

from __future__ import annotations

import sys
from types import SimpleNamespace

import pytest


@pytest.fixture(autouse=True)
def _python_ldap(monkeypatch: pytest.MonkeyPatch) -> None:
    options = {"network": None, "timeout": 5}
    fake = SimpleNamespace(OPT_NETWORK_TIMEOUT="network", OPT_TIMEOUT="timeout", options=options)
    fake.get_option, fake.set_option = options.get, options.__setitem__
    monkeypatch.setitem(sys.modules, "ldap", fake)
    monkeypatch.setitem(sys.modules, "ldap.filter", SimpleNamespace(escape_filter_chars=str))
