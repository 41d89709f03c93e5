"""What one server process has while it runs: made once, in the auth manager's `init`, and replaced as a whole.

Airflow 3.1 makes a second auth manager, and initializes only the first, so this belongs to the process and to neither.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from astro_auth_plugin.runtime.policy_store import PolicyStore
from astro_auth_plugin.runtime.settings import Settings

if TYPE_CHECKING:
    from astro_auth_plugin.authentication.authenticator import Authenticator
    from astro_auth_plugin.authorization.dag_cache import DagCache


@dataclass(frozen=True, kw_only=True)
class State:
    """The parts that requests share.

    Attributes:
        settings: the options, as they were when the server started.
        policy_store: the running policy.
        authenticator: finds who is behind a bearer credential.
        dag_cache: the Dags that have been read, with their tags.
        fab_app: the Flask application that serves FAB's pages, with their sessions; None until Airflow has requested
            it. Airflow makes other ones, for plugins of Airflow 2 and for FAB's API; this is the one that is served.
    """

    settings: Settings
    policy_store: PolicyStore
    authenticator: Authenticator
    dag_cache: DagCache
    fab_app: Any = None


_current: State | None = None


def current() -> State:
    """Return the state of this process.

    Raises:
        RuntimeError: before the auth manager's `init`.
    """
    if _current is None:
        raise RuntimeError("The auth manager has not been initialized, so there is no policy yet")
    return _current


def started() -> State | None:
    """Return the state of this process; None before the auth manager's `init`, and in commands."""
    return _current


def start(state: State) -> None:
    """Begin to serve with this state."""
    global _current  # noqa: PLW0603 - the one value of the process
    _current = state


def add_fab_app(app: Any) -> None:
    """Add the application that serves FAB's pages, where there is a state: `doctor` builds them without one."""
    if _current is not None:
        start(replace(_current, fab_app=app))


def is_started() -> bool:
    """Whether the auth manager has been initialized in this process; commands never do that."""
    return _current is not None


def reset() -> None:
    """Forget the state, as before `init`; for tests."""
    global _current  # noqa: PLW0603 - the one value of the process
    _current = None
