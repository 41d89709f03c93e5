"""An Airflow of the tests' own, configured before anything imports Airflow, and its metadata database."""

from __future__ import annotations

import atexit
import gc
import logging
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, Protocol

import pytest
from hypothesis import Phase, settings

from tests.shared import alone, copy_database, shared_folder

pytest_plugins = ["tests.dag_fixtures", "tests.policy_fixtures"]

# Airflow's hundreds of thousands of objects are there to stay; to look through them for garbage takes a fifth of the time.
gc.set_threshold(100_000, 50, 100)

# How long an example takes says more about what else the machine does than about the code.
settings.register_profile("tests", deadline=None)
# That a fault is noticed is enough; the smallest example of it takes minutes.
settings.register_profile("mutants", deadline=None, phases=(Phase.explicit, Phase.reuse, Phase.generate))
settings.load_profile("tests")

HOME = Path(tempfile.mkdtemp(prefix="astro-auth-tests-"))
atexit.register(shutil.rmtree, HOME, ignore_errors=True)
MIGRATED = shared_folder() / "migrated.db"
"""The metadata database as it is before the first test writes to it."""

# What the caller's own Airflow is configured to must not change what the tests see.
for name in [name for name in os.environ if name.startswith(("AIRFLOW", "ASTRO_"))]:
    del os.environ[name]
os.environ.update(
    {
        "AIRFLOW_HOME": str(HOME),
        "AIRFLOW__CORE__AUTH_MANAGER": "astro_auth_plugin.auth_manager.AstroAuthManager",
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__DAGS_FOLDER": str(HOME / "dags"),
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{HOME}/airflow.db",
    }
)


def _take_own_database() -> None:
    """Give each process of pytest-xdist a database of its own where the tests were given a server."""
    address, worker = os.environ.get("E2E_SQL_ALCHEMY_CONN", ""), os.environ.get("PYTEST_XDIST_WORKER", "")
    if not address.startswith(("postgresql", "mysql")) or not worker:
        return
    from sqlalchemy import create_engine, make_url, text

    url = make_url(address)
    engine = create_engine(url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {worker}"))
    engine.dispose()
    os.environ["E2E_SQL_ALCHEMY_CONN"] = url.set(database=worker).render_as_string(hide_password=False)


_take_own_database()


class CountStatements(Protocol):
    """Counts what a block asks the database."""

    def __call__(self) -> AbstractContextManager[list[str]]:
        """Return the block; what it gives is the list of statements."""


@pytest.fixture(scope="session")
def metadata_database() -> Any:
    """SQLAlchemy's engine of a migrated and empty metadata database, FAB's tables included."""
    from airflow import settings
    from airflow.utils import db

    # The copy is for other processes, and for servers that begin with nothing, whatever the tests have written.
    with alone(MIGRATED.name) as migrated:
        if migrated.exists():
            copy_database(migrated, HOME / "airflow.db")
        else:
            db.initdb()
            copy_database(HOME / "airflow.db", migrated)
    return settings.engine


@pytest.fixture
def statements(metadata_database: Any) -> CountStatements:
    """A context manager that lists the statements which are sent to the metadata database inside it."""
    from sqlalchemy import event

    @contextmanager
    def listed() -> Iterator[list[str]]:
        sent: list[str] = []

        def keep(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
            sent.append(statement)

        event.listen(metadata_database, "before_cursor_execute", keep)
        try:
            yield sent
        finally:
            event.remove(metadata_database, "before_cursor_execute", keep)

    return listed


class Clock:
    """Seconds that stand still until they are moved."""

    now = 100.0

    def __call__(self) -> float:
        """Return them."""
        return self.now


@pytest.fixture
def clock() -> Clock:
    """A clock for what takes one."""
    return Clock()


@pytest.fixture(autouse=True)
def whole_log() -> Iterator[None]:
    """What a test logs is all there, however much the tests before it have logged."""
    yield
    log_lines = sys.modules.get("astro_auth_plugin.runtime.log_filters")
    for name in log_lines._LOGGERS if log_lines else ():
        logger = logging.getLogger(name)
        logger.filters[:] = [each for each in logger.filters if not isinstance(each, log_lines.FewLines)]


@pytest.fixture(autouse=True)
def fresh_state() -> Iterator[None]:
    """A test begins and ends without a state of the process, as before the auth manager's `init`."""
    yield
    state = sys.modules.get("astro_auth_plugin.runtime.state")
    if state is not None:
        state.reset()


@pytest.fixture
def accounts(metadata_database: Any) -> Iterator[Any]:
    """A function that adds an account and returns its id; they are all gone afterwards."""
    from functools import partial

    from astro_auth_plugin.accounts import accounts as login_accounts
    from tests.account_rows import add_account, remove_accounts

    login_accounts._logged.clear()
    remove_accounts(metadata_database)
    yield partial(add_account, metadata_database)
    remove_accounts(metadata_database)


# -- tests in several processes ------------------------------------------------------------------------------------

# What has a server of its own begins first, or one process would still be at it when the others are done.
_FIRST = ("e2e/browser", "e2e/sign_in", "e2e/behind_proxy", "e2e/", "doctor/", "rbac/", "cli/")
# What has one server for several files: that of the browser, and that of API tokens.
_TOGETHER = ("e2e/browser/", "e2e/test_api_token")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Sorts the tests by what takes longest."""
    here = Path(__file__).parent

    def turn(item: pytest.Item) -> int:
        place = str(item.path.relative_to(here))
        return next((at for at, first in enumerate(_FIRST) if place.startswith(first)), len(_FIRST))

    items.sort(key=turn)
    for item in items:
        if item.path.is_relative_to(here / "rbac"):
            item.add_marker(pytest.mark.rbac)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """A file's tests stay in one process of pytest-xdist, and so do all that share a certain Airflow."""
    from xdist.scheduler import LoadFileScheduling

    class ByServer(LoadFileScheduling):
        def _split_scope(self, nodeid: str) -> str:
            file = nodeid.partition("::")[0]
            return next((place for place in _TOGETHER if place in file), file)

    return ByServer(config, log)


_SUMMARIES: list[str] = []


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Keeps what a process of pytest-xdist has to say at the end."""
    _SUMMARIES.extend(getattr(node, "workeroutput", {}).get("how_much", ()))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Says how much each process has asked."""
    for line in sorted(_SUMMARIES):
        terminalreporter.write_line(line)
