"""A pytest plugin: scenario files are tests, in every project that has this package installed.

Files are known by name (`*.astro-auth.yaml`, or what the ini option `astro_auth_files` says). Everything else of pytest
stays as it is: nothing of the package is imported until there is such a file.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from astro_auth_plugin.rbac.review.scenario_results import Result

_NAMES = ["*.astro-auth.yaml", "*.astro-auth.yml"]


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option of the names."""
    parser.addini("astro_auth_files", "Scenario files of astro_auth_plugin, as patterns", "args", default=_NAMES)


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    """Take the files that the option names."""
    if any(file_path.match(pattern) for pattern in parent.config.getini("astro_auth_files")):
        return ScenarioFile.from_parent(parent, path=file_path)
    return None


class ScenarioFile(pytest.File):
    """A scenario file; each of its expectations is a test."""

    def collect(self) -> Iterator[pytest.Item]:
        """Run the file, which takes milliseconds; what came of each expectation is reported when its test runs."""
        from astro_auth_plugin.cli.exit_codes import CommandFailed  # noqa: PLC0415 - as above
        from astro_auth_plugin.cli.review.scenario_files import run_file  # noqa: PLC0415 - only where there is such a file

        try:
            results = run_file(self.path)
        except CommandFailed as failure:
            raise self.CollectError(str(failure)) from None
        for result in results:
            yield Expectation.from_parent(self, name=f"{result.line}: {result.title}", result=result)


class Expectation(pytest.Item):
    """One expectation of a scenario file."""

    def __init__(self, *, result: Result, **more: object) -> None:
        super().__init__(**more)  # type: ignore[arg-type]
        self.result = result

    def runtest(self) -> None:
        """Fail if another answer came."""
        if not self.result.passed:
            raise _Unexpected(self.result)

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: object = None) -> str:  # noqa: ARG002
        """Report what was expected, what came and why."""
        from astro_auth_plugin.cli.review.scenarios import reported  # noqa: PLC0415 - only where something failed

        where = f"{self.path}:{self.result.line}: {self.result.title}"
        return "\n".join([where, *(f"    {line}" for line in reported(self.result))])

    def reportinfo(self) -> tuple[Path, int, str]:
        """Report where the expectation is."""
        return self.path, self.result.line - 1, f"{self.path.name}:{self.result.line}"


class _Unexpected(Exception):
    """Another answer came than the one expected."""
