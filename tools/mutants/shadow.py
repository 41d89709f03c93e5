"""Faults in shadow mode."""

from __future__ import annotations

from tools.mutants.fault import Fault

_SHADOW = ("tests/shadow/test_shadow.py",)

FAULTS = (
    Fault(
        "a comparison that cannot be prepared fails the request",
        "_noting.noting",
        "request.left_out += 1",
        "raise",
        _SHADOW,
    ),
    Fault(
        "a hook's own calls are compared, too",
        "_noting.noting",
        "request is None or request.inside",
        "request is None",
        _SHADOW,
    ),
    Fault(
        "any number of ids waits to be compared",
        "Comparing._put",
        "self._ids + request.ids > MOST_IDS",
        "False",
        _SHADOW,
    ),
    Fault(
        "a user is an API token by the name",
        "_identity",
        "user_subject(asker.email) if is_email(asker.email) else ''",
        "asker.email",
        _SHADOW,
    ),
    Fault("a list that cannot be read is empty", "_differences", "says.read()", "frozenset(says)", _SHADOW),
    Fault(
        "a denial in shadow mode counts as one",
        "deny_read",
        "context is not None and context.is_over",
        "False",
        _SHADOW,
    ),
    Fault(
        "passwords are kept for a comparison",
        "_decides",
        "request_bodies.needs_body(scope['method'], path)",
        "True",
        _SHADOW,
    ),
    Fault(
        "shadow mode runs beside itself",
        "shadow_middleware",
        "not is_shadow_on() or is_active()",
        "not is_shadow_on()",
        _SHADOW,
    ),
)
