"""The bar of commands that take their time: on a terminal, on the error stream, and after a second."""

from __future__ import annotations

import io
from threading import Event

import pytest
from rich.console import Console

from astro_auth_plugin.cli import progress


class Screen(io.StringIO):
    """A terminal that tells when something is written to it."""

    def __init__(self) -> None:
        super().__init__()
        self.written = Event()

    def write(self, text: str) -> int:
        """Keep the text, and tell that there is some."""
        self.written.set()
        return super().write(text)


@pytest.fixture
def screen(monkeypatch: pytest.MonkeyPatch) -> Screen:
    """A terminal as the error stream."""
    screen = Screen()
    terminal = Console(file=screen, force_terminal=True, width=80)
    monkeypatch.setattr(progress, "console", lambda *, stderr: terminal if stderr else None)
    return screen


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "PATIENCE", 0)


def test_bar_on_a_terminal(screen: Screen, at_once: None) -> None:
    """Whoever waits sees what the command does; names are shown as they are, even with brackets."""
    with progress.progress("reading [b]policy.yaml"):
        assert screen.written.wait(60)
    assert "reading [b]policy.yaml" in screen.getvalue()


def test_steps(screen: Screen, at_once: None) -> None:
    """A command with steps names the one that it is at."""
    with progress.progress(steps=2) as step:
        step("reading the Dags")
        assert screen.written.wait(60)
        step("comparing")
    assert "comparing" in screen.getvalue()


def test_quick_commands_show_nothing(screen: Screen, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is done within a second leaves no trace on the terminal."""
    monkeypatch.setattr(progress, "PATIENCE", 60)
    with progress.progress(steps=1) as step:
        step("quick")
    assert screen.getvalue() == ""


def test_pipes_get_nothing(at_once: None, capsys: pytest.CaptureFixture[str]) -> None:
    """Without a terminal nothing is written."""
    with progress.progress(steps=1) as step:
        step("in a pipe")
    assert capsys.readouterr() == ("", "")


def test_bar_ends_with_an_error(screen: Screen, at_once: None) -> None:
    """A command that fails leaves no bar behind."""
    with pytest.raises(ValueError, match="failed"):
        fail(screen)
    assert screen.getvalue().endswith("\x1b[2K")  # the line is erased


def fail(screen: Screen) -> None:
    with progress.progress("reading"):
        assert screen.written.wait(60)
        raise ValueError("failed")
