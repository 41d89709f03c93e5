"""The state of the process as the auth manager's `init` makes it, with a policy of the tests."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from astro_auth_plugin.authentication.authenticator import Authenticator
from astro_auth_plugin.authentication.trusted_issuers import Issuers
from astro_auth_plugin.authorization.dag_cache import DagCache
from astro_auth_plugin.runtime import state
from astro_auth_plugin.runtime.policy_store import PolicyStore
from astro_auth_plugin.runtime.settings import Settings
from astro_auth_plugin.runtime.state import State


def start(policy_file: Path, *, issuers: Issuers | None = None, **parts: Any) -> None:
    """Begin with this policy; `parts` replace those of the state. The fixture `fresh_state` ends it."""
    settings = Settings(policy_file, "dep")
    store = PolicyStore(settings)
    dag_cache = parts.pop("dag_cache", None) or DagCache()
    made = {"authenticator": Authenticator(store, issuers or Issuers(()), dag_cache), **parts}
    state.start(State(settings=settings, policy_store=store, dag_cache=dag_cache, **made))


def start_with(**parts: Any) -> None:
    """Begin with these parts alone, for code that needs no other one."""
    without: dict[str, Any] = dict.fromkeys(("settings", "policy_store", "authenticator", "dag_cache"))
    state.start(State(**{**without, **parts}))
