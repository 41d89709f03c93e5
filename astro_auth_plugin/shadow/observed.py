"""What another auth manager was asked in one request and has answered, kept until the request is over.

Everything here runs inside of a request of another auth manager: it keeps references, and neither decides, reads nor
raises anything.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any, NamedTuple

from astro_auth_plugin.auth_manager import AstroAuthManager

MOST_ANSWERS = 1000
"""How many answers of one request are compared at most."""

_BEGINNINGS = ("is_authorized_", "batch_is_authorized_", "get_authorized_", "filter_authorized_")
HOOKS = tuple(name for name in vars(AstroAuthManager) if name.startswith(_BEGINNINGS))
"""The hooks that the policy answers, too."""


class Asker(NamedTuple):
    """A user of another auth manager.

    Attributes:
        id: the id there; 0 for an anonymous user.
        name: the user name.
        email: the e-mail by which the policy knows the user; '' without one.
    """

    id: int | str
    name: str
    email: str


class Answer(NamedTuple):
    """A hook of another auth manager, with what it was asked and what it has answered."""

    hook: str
    asker: Asker
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    given: Any


class Observed:
    """One request.

    Attributes:
        scope: the ASGI scope; after the request it has the route and the ids of the path.
        body: what has come of a body that a decision depends on; None for all others.
        answers: what was answered.
        left_out: how many answers there were beyond the limit.
        ids: how many ids there are in the answers: a list of all Dags can have many thousands.
        inside: whether a hook is running, whose own calls of other hooks are no answers to Airflow.
    """

    __slots__ = ("answers", "body", "ids", "inside", "left_out", "scope")

    def __init__(self, scope: Any, body: bytearray | None) -> None:
        self.scope = scope
        self.body = body
        self.answers: list[Answer] = []
        self.left_out = 0
        self.ids = 0
        self.inside = False

    def note(self, hook: str, args: tuple[Any, ...], kwargs: dict[str, Any], given: Any) -> None:
        """Keep an answer."""
        if len(self.answers) >= MOST_ANSWERS:
            self.left_out += 1
            return
        # Of a user of FAB only texts are kept, and no session of the database.
        kept = {name: _kept(value) for name, value in kwargs.items() if name not in ("user", "session")}
        asked = tuple(_kept(value) for value in args)
        answer = Answer(hook, _asker(kwargs["user"]), asked, kept, _kept(given))
        self.answers.append(answer)
        # Of nothing else: to ask a set of another kind how large it is may make it read the database.
        listed = (value for value in (*asked, *kept.values(), answer.given) if isinstance(value, frozenset | tuple))
        self.ids += sum(map(len, listed))


current: ContextVar[Observed | None] = ContextVar("astro_auth_observed", default=None)
"""The request that is being served."""


def observe(manager: Any) -> None:
    """Make an auth manager note what it answers. Its class, and all else of it, stay as they are."""
    for name in HOOKS:
        hook = getattr(manager, name, None)
        if callable(hook):
            setattr(manager, name, _noting(name, hook))


def _noting(name: str, hook: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(hook)
    def noting(*args: Any, **kwargs: Any) -> Any:
        request = current.get()
        if request is None or request.inside:
            return hook(*args, **kwargs)
        request.inside = True
        try:
            given = hook(*args, **kwargs)
        finally:
            request.inside = False
        try:
            request.note(name, args, kwargs, given)
        except Exception:  # noqa: BLE001 - the answer is given, whatever becomes of the comparison
            request.left_out += 1
        return given

    return noting


def _kept(value: Any) -> Any:
    """Return a value that the caller cannot change afterwards."""
    if isinstance(value, (set, frozenset)):
        return frozenset(value)
    return tuple(value) if isinstance(value, list) else value


def _asker(user: Any) -> Asker:
    if user is None or getattr(user, "is_anonymous", False):
        return Asker(0, "anonymous", "")
    name, email = user.get_name(), getattr(user, "email", None)
    if not email and "@" in name:
        # Other auth managers than FAB's know users by one name.
        email = name
    return Asker(user.get_id(), str(getattr(user, "username", None) or name), str(email or ""))
