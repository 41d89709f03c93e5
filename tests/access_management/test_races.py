"""Changes that several processes make at once, processes that are killed in the middle of one, on each database; and one
that is away.

`RACE_ROUNDS=50 make test-postgres ARGS=tests/access_management/test_races.py` runs each race fifty times.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import create_engine, delete, make_url

from astro_auth_plugin.rbac.policy import loader, yaml_reader
from astro_auth_plugin.rbac.policy.loader import Policy
from astro_auth_plugin.runtime import policy_versions
from astro_auth_plugin.runtime.policy_source import PolicyUnavailable
from astro_auth_plugin.runtime.policy_store import PolicyStore
from astro_auth_plugin.runtime.policy_versions import VERSIONS, Change
from astro_auth_plugin.runtime.settings import Settings
from tests.account_rows import add_account
from tests.in_request import HEAD
from tests.on_server import ON_EACH, SERVER, in_use, made_on_the_server

from .racer import HELD, HOLD, LEAVE, MEMBER, Racer, Wanted, racers

ROUNDS = int(os.environ.get("RACE_ROUNDS", "3"))
# Each kills a process, and a new one takes seconds to import Airflow.
KILLS = max(2, ROUNDS // 10)
RACES = "races@'127.0.0.1'"
"""The user of the database on MariaDB, which refuses a user and not a database."""
BEGIN = f"""\
{HEAD}users:
  - {{email: olga@example.com, organization_role: ORGANIZATION_OWNER}}
  - {{email: bo@example.com, organization_role: ORGANIZATION_OWNER}}
"""


@pytest.fixture(scope="module", params=ON_EACH)
def address(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A database with the tables that a change needs, and with accounts of the two Owners."""
    if request.param == "sqlite":
        address = f"sqlite:///{tmp_path_factory.mktemp('races')}/airflow.db"
    else:
        address = _made_on_the_server()
    with in_use(address) as engine:
        for name in ("olga", "bo"):
            add_account(engine, name, f"{name}@example.com")
        yield address


def _made_on_the_server() -> str:
    url = make_url(made_on_the_server("races"))
    if url.get_dialect().name != "mysql":
        return url.render_as_string(hide_password=False)
    server = create_engine(SERVER, isolation_level="AUTOCOMMIT")
    with server.connect() as connection:
        connection.exec_driver_sql(f"CREATE OR REPLACE USER {RACES} IDENTIFIED BY '{url.password}'")
        connection.exec_driver_sql(f"GRANT ALL ON races.* TO {RACES}")
    server.dispose()
    return url.set(username="races").render_as_string(hide_password=False)


@pytest.fixture(scope="module")
def two(address: str) -> Iterator[list[Racer]]:
    """Two processes over the database."""
    with racers(address, 2) as started:
        yield started


def begin(**more: Any) -> None:
    """Make the policy of the tests the only version."""
    with policy_versions.connect() as connection:
        connection.execute(delete(VERSIONS))
        connection.commit()
    values = {**yaml_reader.read(BEGIN.encode()).values, **more}
    policy_versions.publish(0, values, Change("root", "shell", "import"))


def chain() -> list[Policy]:
    """Return the policy of each version; the numbers have no gap, and each document is whole."""
    numbers = [version.id for version in policy_versions.history()]
    assert numbers == [*range(len(numbers), 0, -1)]
    policies = [
        loader.from_values(version.values).policy for number in numbers if (version := policy_versions.read(number))
    ]
    found = [policy for policy in policies if policy is not None]
    assert len(found) == len(numbers)
    return found


def emails() -> list[str]:
    """Return the users of the newest version."""
    return [user.email for user in chain()[0].document.users]


def members(*names: str) -> list[Wanted]:
    """Return changes by Olga: each gives a user a role."""
    return [("olga", MEMBER, name) for name in names]


@pytest.mark.parametrize("round_", range(ROUNDS))
def test_different_users(round_: int, two: list[Racer]) -> None:
    """Of 24 changes of different users at once, from two processes, each is made, in a version of its own."""
    begin()
    for number, racer in enumerate(two):
        racer.start(*members(*(f"new{number}-{index}" for index in range(12))))
    assert [racer.answers(12) for racer in two] == [["Published"] * 12] * 2
    assert len(chain()) == 25
    assert set(emails()[2:]) == {f"new{number}-{index}@example.com" for number in range(2) for index in range(12)}


@pytest.mark.parametrize("round_", range(ROUNDS))
def test_the_same_user(round_: int, two: list[Racer]) -> None:
    """Of 8 times the same change at once, from two processes, one is made, and the others find it made."""
    begin()
    for racer in two:
        racer.start(*members(*["zoe"] * 4))
    answers = Counter(answer for racer in two for answer in racer.answers(4))
    assert answers == {"Published": 1, "EditError": 7}
    assert emails() == ["olga@example.com", "bo@example.com", "zoe@example.com"]
    assert len(chain()) == 2


@pytest.mark.parametrize(("names", "second"), [(("bo", "olga"), "ChangeDenied"), (("olga", "bo"), "LastOwner")])
@pytest.mark.parametrize("round_", range(ROUNDS))
def test_two_owners(names: tuple[str, str], second: str, round_: int, two: list[Racer]) -> None:
    """Of two Owners who take each other's role at once, or who both leave, each in a process, exactly one is left."""
    begin()
    for racer, actor, name in zip(two, ("olga", "bo"), names, strict=True):
        racer.start((actor, LEAVE, name))
    assert sorted(racer.answers(1)[0] for racer in two) == sorted(["Published", second])
    document = chain()[0].document
    assert [user.organization_role.role for user in document.users if user.organization_role] == ["ORGANIZATION_OWNER"]


# -- processes that are killed -------------------------------------------------------------------------------------


def test_killed_before_the_end_of_a_transaction(address: str, two: list[Racer]) -> None:
    """A process that is killed when it has written a version, and not yet ended the transaction, leaves nothing of it."""
    begin()
    for number in range(KILLS):
        with racers(address, 1) as (racer,):
            racer.start(("olga", HOLD, f"lost{number}"))
            assert racer.wait() == HELD
            racer.kill()
        two[0].start(*members(f"next{number}"))
        assert two[0].answers(1) == ["Published"]
        assert emails()[2:] == [f"next{index}@example.com" for index in range(number + 1)]


def test_killed_while_many_changes_run(address: str, two: list[Racer]) -> None:
    """What a process has made before it is killed stays, the versions have no gap, and the next change is made."""
    begin()
    for number in range(KILLS):
        before = len(chain())
        with racers(address, 1) as (racer,):
            names = [f"u{number}-{index}" for index in range(12)]
            racer.start(*members(*names))
            two[0].start(*members(*(f"other{number}-{index}" for index in range(4))))
            made = [racer.wait() for _ in range(2 * number % 11 + 1)]
            racer.kill()
        assert {answer for _, answer in made} == {"Published"}
        assert two[0].answers(4) == ["Published"] * 4
        two[1].start(*members(f"next{number}"))
        assert two[1].answers(1) == ["Published"]
        assert {f"{names[index]}@example.com" for index, _ in made} < set(emails())
        assert len(made) + 5 <= len(chain()) - before <= 12 + 5


# -- the database away ---------------------------------------------------------------------------------------------


@contextmanager
def away() -> Iterator[None]:
    """Have the server refuse all that is asked of the database meanwhile."""
    server = create_engine(SERVER, isolation_level="AUTOCOMMIT")
    ways = {
        "postgresql": (
            "ALTER DATABASE races ALLOW_CONNECTIONS false",
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'races'",
            "ALTER DATABASE races ALLOW_CONNECTIONS true",
        ),
        "mysql": (
            f"ALTER USER {RACES} ACCOUNT LOCK",
            # With the host, it would be the name of the host that counts.
            "KILL USER races",
            f"ALTER USER {RACES} ACCOUNT UNLOCK",
        ),
    }
    refuse, disconnect, allow = ways[server.dialect.name]
    with server.connect() as connection:
        connection.exec_driver_sql(refuse)
        try:
            connection.exec_driver_sql(disconnect)
            yield
        finally:
            connection.exec_driver_sql(allow)
    server.dispose()


@pytest.mark.skipif(not SERVER, reason="needs a server, which can refuse all")
@pytest.mark.parametrize("address", ["server"], indirect=True)
def test_database_away_and_back(address: str, two: list[Racer]) -> None:
    """While the database refuses all, changes fail and no policy is taken for current; afterwards all goes on by itself."""
    begin()
    store = PolicyStore(Settings(None, "dep"))
    two[0].start(*members("before"))
    assert two[0].answers(1) == ["Published"]
    assert store.engine().entry_of("before@example.com")
    with away():
        for _ in range(2):
            with pytest.raises(PolicyUnavailable):
                store.engine()
            two[0].start(*members("meanwhile"))
            assert two[0].answers(1) == ["OperationalError"]
    two[0].start(*members("after"))
    assert two[0].answers(1) == ["Published"]
    engine = store.engine()
    assert engine.entry_of("after@example.com") and not engine.entry_of("meanwhile@example.com")
    assert len(chain()) == 3
