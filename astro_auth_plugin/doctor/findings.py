"""What the checks of `airflow astro-auth doctor` report: that something is right, can be better, or is wrong."""

from __future__ import annotations

from astro_auth_plugin.rbac.policy.diagnostics import Diagnostic


def ok(what: str, words: str) -> Diagnostic:
    """Return that nothing is to be done about something."""
    return Diagnostic((), words, "ok", subject=what)


def hint(what: str, words: str) -> Diagnostic:
    """Return that something can stay as it is, but may not be meant."""
    return Diagnostic((), words, "info", subject=what)


def wrong(what: str, words: str) -> Diagnostic:
    """Return that a user cannot sign in, or another user could."""
    return Diagnostic((), words, "error", subject=what)
