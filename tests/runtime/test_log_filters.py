"""What strangers can make the log say, and how much of it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from airflow.providers.fab.www import app as fab_application
from flask import Flask
from werkzeug.test import Client

from astro_auth_plugin.runtime import log_filters
from astro_auth_plugin.runtime.log_filters import FEW, FEW_FAULTS, FewLines


class Time:
    """A clock that a test moves, with what is to be called later."""

    now = 1000.0

    def __init__(self) -> None:
        self.later: list[Callable[[], None]] = []

    def keep(self, _seconds: float, call: Callable[[], None]) -> None:
        """Keep what is to be called later."""
        self.later.append(call)


@pytest.fixture
def clock() -> Time:
    return Time()


@pytest.fixture
def log(clock: Time) -> Iterator[logging.Logger]:
    """A logger with the filter."""
    logger, few = logging.getLogger("strangers"), FewLines(lambda: clock.now, clock.keep)
    logger.addFilter(few)
    yield logger
    logger.removeFilter(few)


def test_few(log: logging.Logger, clock: Time, caplog: pytest.LogCaptureFixture) -> None:
    """Of 500 lines of a kind in a minute the first are written, and one with the number of the others."""
    for number in range(500):
        log.warning("Refused an API token: %s", number)
    assert caplog.messages == [f"Refused an API token: {number}" for number in range(FEW)]
    caplog.clear()
    assert len(clock.later) == 1
    clock.later.pop()()
    assert caplog.messages == [f"{500 - FEW} more lines like this in a minute: Refused an API token: %s"]


def test_next_minute(log: logging.Logger, clock: Time, caplog: pytest.LogCaptureFixture) -> None:
    """A minute later the first lines are written again, and other kinds of lines are written all the time."""
    for _ in range(FEW + 1):
        log.warning("Refused %s", "x")
    caplog.clear()
    log.warning("Refused %s", "x")
    log.warning("Another kind")
    assert caplog.messages == ["Another kind"]
    clock.now += log_filters.MINUTE
    log.warning("Refused %s", "x")
    assert caplog.messages[-1] == "Refused x"


def test_many_kinds(log: logging.Logger, caplog: pytest.LogCaptureFixture) -> None:
    """Messages that are put together before they are logged are no way around it."""
    for number in range(5 * log_filters._MOST_KINDS):
        log.warning(f"Refused {number}")  # noqa: G004 - the case
    assert len(caplog.messages) == log_filters._MOST_KINDS + FEW


def test_escaped(log: logging.Logger, caplog: pytest.LogCaptureFixture) -> None:
    """Ends of lines and control characters of a caller are shown as such; text of any language stays as it is."""
    log.warning("Login Failed for user: %s", "ana\nFORGED\r\x1b[2J\u2028ünïcode")
    assert caplog.messages == ["Login Failed for user: ana\\nFORGED\\r\\x1b[2J\\u2028ünïcode"]


def test_faults(log: logging.Logger, clock: Time, caplog: pytest.LogCaptureFixture) -> None:
    """More lines with a traceback are written than others, of each type of exception, but not without end."""
    for error in (ValueError("x"), KeyError("x")):
        for _ in range(2 * FEW_FAULTS):
            log.error("Failed", exc_info=error)
    assert len(caplog.messages) == 2 * FEW_FAULTS
    caplog.clear()
    clock.later.pop()()
    assert caplog.messages == [f"{FEW_FAULTS} more lines like this in a minute: Failed"]


def test_long_messages(log: logging.Logger, clock: Time, caplog: pytest.LogCaptureFixture) -> None:
    """What a caller sends makes no line longer than a message may be, nor what is kept of it to count lines."""
    log.warning("Login Failed for user: %s", "x" * 3_000_000)
    assert caplog.messages[0].startswith("Login Failed for user: xxx")
    assert caplog.messages[0].endswith("x... (3000023 characters)")
    for _ in range(FEW + 1):
        log.warning("\x00" * 3_000_000)
    clock.later.pop()()
    # One character of a caller is ten of the line at most, as `\\U0001f600` is.
    assert max(len(message) for message in caplog.messages) < 11 * log_filters.LONGEST


@pytest.mark.parametrize("behind", [False, True])
def test_long_exceptions(log: logging.Logger, caplog: pytest.LogCaptureFixture, *, behind: bool) -> None:
    """The text of an exception, or of one behind it, is cut, and where it was raised is written; a short one stays."""
    long = ValueError("x\n" * 2_000_000)
    try:
        try:
            raise long
        except ValueError:
            if behind:
                raise KeyError("short") from None
            raise
    except (ValueError, KeyError) as error:
        log.exception("Failed", exc_info=error)
        log.exception("Short", exc_info=KeyError("y"))
    failed, short = caplog.records
    assert "test_long_exceptions" in failed.getMessage()
    assert ("KeyError: 'short'" if behind else "ValueError: x\\nx") in failed.getMessage()
    assert len(logging.Formatter().format(failed)) < 2 * log_filters.LONGEST_FAULT
    assert short.exc_info


def test_requests_that_are_no_http(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    """Requests that are no HTTP, which anybody can send, are few lines."""
    server = logging.getLogger("uvicorn.error")
    # A server that ran in this process before has its own configuration of the logs.
    for each in (server, logging.getLogger("uvicorn")):
        monkeypatch.setattr(each, "propagate", True)
        monkeypatch.setattr(each, "handlers", [])
        monkeypatch.setattr(each, "disabled", False)
    monkeypatch.setattr(server, "level", logging.INFO)
    monkeypatch.setattr(server, "filters", [])
    log_filters.install()
    for _ in range(1000):
        server.warning("Invalid HTTP request received.")
    assert len(caplog.messages) == FEW


def test_every_module_of_signing_in() -> None:
    """No module that strangers can make write lines is forgotten."""
    package = Path(log_filters.__file__).parents[1]
    found = {
        f"astro_auth_plugin.authentication.{module.stem}"
        for module in (package / "authentication").glob("*.py")
        if "logging.getLogger" in module.read_text()
    }
    assert len(found) > 5
    assert found <= set(log_filters._LOGGERS)


def test_pages_that_fail(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a page that fails in each request, some tracebacks are logged."""
    log_filters.install()
    app = Flask("airflow.providers.fab.www.app")
    app.add_url_rule("/page", view_func=lambda: 1 / 0, endpoint="page")
    monkeypatch.setattr(app.logger, "propagate", True)
    for _ in range(100):
        assert Client(app).get("/page").status_code == 500
    assert len(caplog.records) == FEW_FAULTS


def test_the_logger_of_pages() -> None:
    """FAB's application logs under the name of the module that makes it."""
    assert fab_application.Flask(fab_application.__name__).logger.name in log_filters._LOGGERS


def test_installed_once() -> None:
    """Each logger of signing in has the filter once, however often it is installed."""
    log_filters.install()
    log_filters.install()
    for name in log_filters._LOGGERS:
        assert [type(each) for each in logging.getLogger(name).filters].count(FewLines) == 1
