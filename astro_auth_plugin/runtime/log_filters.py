"""Lines of the log that strangers' requests cause: few of a kind in a minute, and nothing that begins another line."""

from __future__ import annotations

import logging
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from typing import NamedTuple

FEW = 10
"""How many lines of a kind are written in a minute; the rest of them are counted."""
FEW_FAULTS = 30
"""How many lines with a traceback are written of a kind in a minute."""
MINUTE = 60
LONGEST = 2000
"""How many characters of a message are written."""
LONGEST_FAULT = 20_000
"""How many characters the text of an exception may have before it is cut like a message."""
_MOST_KINDS = 200

# Who signs in, or fails to, has words in all of these.
_LOGGERS = (
    "airflow.api_fastapi.auth.managers.base_auth_manager",
    "airflow.providers.fab.auth_manager.security_manager.override",
    "airflow.providers.fab.auth_manager.views.auth_oauth",
    # Every fault of a page is a line here.
    "airflow.providers.fab.www.app",
    "airflow.providers.fab.www.auth",
    "astro_auth_plugin.accounts.account_guard",
    "astro_auth_plugin.accounts.accounts",
    "astro_auth_plugin.auth_manager",
    "astro_auth_plugin.authentication.api_tokens",
    "astro_auth_plugin.authentication.authenticator",
    "astro_auth_plugin.authentication.external_tokens",
    "astro_auth_plugin.authentication.idp_groups",
    "astro_auth_plugin.authentication.ldap_directory",
    "astro_auth_plugin.authentication.provider_claims",
    "astro_auth_plugin.authentication.security_manager",
    "astro_auth_plugin.authentication.sign_in",
    "astro_auth_plugin.authentication.token_use",
    "astro_auth_plugin.authentication.trusted_issuers",
    "astro_auth_plugin.web.logout",
    "flask-limiter",
    "flask_appbuilder.api",
    "flask_appbuilder.security.decorators",
    "flask_appbuilder.security.manager",
    "flask_appbuilder.security.registerviews",
    "flask_appbuilder.security.views",
    # A request that is no HTTP is a line here, whatever its sender.
    "uvicorn.error",
)


class EndedOnPurpose(Exception):
    """What ends a request on purpose: its text is written, and no traceback."""


class _Kind(NamedTuple):
    """What lines have in common that are counted together; `fault` is the type of the exception, '' for none."""

    logger: str
    level: int
    message: str
    fault: str


def _kind_of(record: logging.LogRecord) -> _Kind:
    fault = record.exc_info[0] if record.exc_info else None
    return _Kind(record.name, record.levelno, shortened(str(record.msg)), fault.__name__ if fault else "")


class FewLines(logging.Filter):
    """Shortens and escapes messages, and leaves out lines of which there have been many in a minute.

    A kind of line is its message without what is put into it, so that a stranger cannot make new kinds. The lines that
    were left out are counted in one line when the minute has passed.

    Args:
        clock: seconds that only grow.
        later: calls something after some seconds.
    """

    def __init__(
        self,
        clock: Callable[[], float] = time.monotonic,
        later: Callable[[float, Callable[[], None]], None] | None = None,
    ) -> None:
        super().__init__()
        self._clock = clock
        self._later = later or _in_a_thread
        self._lock = threading.Lock()
        self._written: dict[_Kind, tuple[float, int]] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Return whether the line is written, with its message escaped."""
        kind = _kind_of(record)
        record.msg, record.args = escaped(shortened(record.getMessage())), ()
        _cut_exception(record)
        # Different faults may have the same words, so more of them are written.
        few = FEW_FAULTS if kind.fault else FEW
        with self._lock:
            if kind not in self._written and len(self._written) >= _MOST_KINDS:
                kind = kind._replace(message="")
            since, lines = self._written.get(kind, (0.0, 0))
            if not lines or self._clock() - since >= MINUTE:
                since, lines = self._clock(), 0
            self._written[kind] = since, lines + 1
        if lines == few:
            self._later(MINUTE, lambda: self._count(kind, since, few))
        return lines < few

    def _count(self, kind: _Kind, since: float, few: int) -> None:
        with self._lock:
            begun, lines = self._written.get(kind, (since, 0))
            if begun == since:
                self._written.pop(kind, None)
        if begun == since and lines > few:
            # Of another kind, so it is neither counted nor left out.
            logging.getLogger(f"{kind.logger}.left_out").log(
                kind.level, "%d more lines like this in a minute: %s", lines - few, escaped(kind.message)
            )


def _in_a_thread(seconds: float, call: Callable[[], None]) -> None:
    timer = threading.Timer(seconds, call)
    timer.daemon = True
    timer.start()


def _cut_exception(record: logging.LogRecord) -> None:
    """Put an exception with a very long text, its own or that of a cause, into the message, with its text cut."""
    error = record.exc_info[1] if record.exc_info else None
    if isinstance(error, EndedOnPurpose):
        record.msg, record.exc_info = escaped(str(error)), None
        return
    if error is None or max(map(len, _texts(error))) <= LONGEST_FAULT:
        return
    frames = "".join(traceback.format_tb(error.__traceback__))
    record.msg += f"\n{frames}{type(error).__name__}: {escaped(shortened(next(_texts(error))))}"
    record.exc_info, record.exc_text = None, None


def _texts(error: BaseException) -> Iterator[str]:
    """Yield the texts of an exception and of those behind it."""
    seen: list[BaseException] = []
    behind: BaseException | None = error
    while behind is not None and behind not in seen:
        yield str(behind)
        seen.append(behind)
        behind = behind.__cause__ or behind.__context__


def shortened(text: str) -> str:
    """Return a message no longer than is written."""
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}... ({len(text)} characters)"


def escaped(text: str) -> str:
    """Return a text with whatever is not printable, ends of lines above all, in Python's notation."""
    return "".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in text)


def install() -> None:
    """Put the filter on the loggers of signing in, once for the process."""
    for name in _LOGGERS:
        logger = logging.getLogger(name)
        if not any(isinstance(each, FewLines) for each in logger.filters):
            logger.addFilter(FewLines())
