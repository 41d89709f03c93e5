"""How long the commands take with a large policy: `make bench-policy`.

Each command is a process of its own, started as a user starts it. `--write` puts the table into the docs.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import tempfile
import time
from argparse import ArgumentParser
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from rich.console import Console
from rich.progress import track

from astro_auth_plugin.cli.catalogue import COMMANDS
from astro_auth_plugin.cli.output import print_table
from tools import bench_policy_pages, bench_policy_store
from tools.bench_policy_store import Cost

PAGE = Path(__file__).resolve().parent.parent / "docs" / "benchmark-policy.md"
HEADINGS = ("Command", "Seconds", "of them on the processor", "Peak memory in MB")
DEPLOYMENT = "cldep0prod"
_MOST_SECONDS = 5
_MOST_MEGABYTES = 1024


class Size(NamedTuple):
    """How much a policy has."""

    people: int = 10_000
    teams: int = 500
    grants: int = 20_000
    dags: int = 10_000


class Measured(NamedTuple):
    """What a process took."""

    name: str
    seconds: float
    processor: float
    megabytes: float

    @property
    def good(self) -> bool:
        """Whether it is within what the project promises."""
        return self.seconds < _MOST_SECONDS and self.megabytes < _MOST_MEGABYTES


def lines(size: Size, *, changed: bool = False) -> Iterator[str]:
    """Yield the lines of a policy, the same ones each time.

    Args:
        size: how much it has.
        changed: whether it is the version after a change: every tenth Team has another role, and somebody more.
    """
    dice = random.Random(1)  # noqa: S311 - the same policy each time, and no secret
    people = [f"person{number}@example.com" for number in range(size.people)]
    tags = [f"team:tag{number}" for number in range(max(size.dags // 5, 1))]
    yield from ("version: 1", "organization_id: clorg0main", "workspaces: [{id: clws0data}]")
    yield from (f"deployments: [{{id: {DEPLOYMENT}, workspace_id: clws0data}}]", "teams:")
    of_teams = size.grants // 5
    for number in range(size.teams):
        another = changed and number % 10 == 0
        members = dice.sample(people, min(40, len(people)))
        yield f"  - name: team{number}"
        yield f"    members: [{', '.join([*members, *([f'joined{number}@example.com'] if another else [])])}]"
        yield "    dag_roles:"
        for _ in range(of_teams // size.teams):
            role = "DAG_AUTHOR" if another else "DAG_VIEWER"
            yield f'      - {{deployment_id: {DEPLOYMENT}, tag: "{dice.choice(tags)}", role: {role}}}'
    yield "users:"
    own = size.grants - of_teams // size.teams * size.teams
    for number, person in enumerate(people):
        yield f"  - email: {person}"
        yield "    dag_roles:"
        for _ in range(own // size.people + (number < own % size.people)):
            dag = f"dag{dice.randrange(size.dags)}"
            yield f"      - {{deployment_id: {DEPLOYMENT}, dag_id: {dag}, role: DAG_AUTHOR}}"


def dags(size: Size) -> list[dict[str, Any]]:
    """Return Dags with three tags each."""
    dice = random.Random(2)  # noqa: S311 - the same Dags each time
    tags = [f"team:tag{number}" for number in range(max(size.dags // 5, 1))]
    return [{"dag_id": f"dag{number}", "tags": dice.choices(tags, k=3)} for number in range(size.dags)]


def write_files(folder: Path, size: Size) -> None:
    """Write two versions of a policy, and the Dags."""
    (folder / "policy.yaml").write_text("\n".join(lines(size)) + "\n")
    (folder / "changed.yaml").write_text("\n".join(lines(size, changed=True)) + "\n")
    (folder / "dags.json").write_text(json.dumps(dags(size)))


def commands() -> dict[str, list[str]]:
    """Return the words of each command that is measured."""
    program = [str(Path(sys.executable).with_name("astro-auth"))]
    where = ["--policy", "policy.yaml", "--dags", "dags.json"]
    requested = {
        "explain": [*where, "--as", "person1@example.com", "trigger", "dag1"],
        "who-can": [*where, "trigger", "dag1"],
    }
    there = {command.name for command in COMMANDS}
    asking = {
        name: [*program, name, *words] if name in there else [sys.executable, "-m", __spec__.name, "--ask", name]
        for name, words in requested.items()
    }
    return {
        "validate": [*program, "validate", "policy.yaml"],
        "lint": [*program, "lint", "policy.yaml", "--dags", "dags.json"],
        **asking,
        "plan": [*program, "plan", "policy.yaml", "changed.yaml", "--dags", "dags.json"],
    }


def ask(name: str) -> None:
    """Answer with the engine what the command of this name will answer."""
    from astro_auth_plugin.cli.inputs import good_policy, read_dag_list  # noqa: PLC0415 - a process of its own
    from astro_auth_plugin.rbac.engine.engine import Engine  # noqa: PLC0415 - as above
    from astro_auth_plugin.rbac.model.permissions import mask  # noqa: PLC0415 - as above

    dag = read_dag_list(Path("dags.json"))[1]
    engine = Engine(good_policy(Path("policy.yaml")), DEPLOYMENT, datetime.now(UTC))
    trigger = mask("dagRun.create")
    if name == "explain":
        print(engine.check("person1@example.com", trigger, dag).reason)
    else:
        print(len(engine.who_can(trigger, dag)))


def measure(name: str, words: list[str], folder: Path) -> Measured:
    """Run a command and return what it took.

    Raises:
        RuntimeError: if the command failed.
    """
    root = str(PAGE.parent.parent)
    quiet = {name: value for name, value in os.environ.items() if not name.startswith(("AIRFLOW", "ASTRO_"))}
    begun = time.perf_counter()
    process = subprocess.Popen(
        words,
        cwd=folder,
        env={**quiet, "AIRFLOW_HOME": str(folder), "PYTHONPATH": root},
        stdout=subprocess.DEVNULL,
    )
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - begun
    process.returncode = os.waitstatus_to_exitcode(status)
    # 2 is an answer: denied.
    if process.returncode not in (0, 2):
        raise RuntimeError(f"{name} ended with {process.returncode}")
    return Measured(name, seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)


def rows(found: list[Measured]) -> list[list[str]]:
    """Return the rows of the table."""
    return [[each.name, f"{each.seconds:.1f}", f"{each.processor:.1f}", f"{each.megabytes:.0f}"] for each in found]


def table(headings: tuple[str, ...], cells: list[list[str]]) -> str:
    """Return a table in Markdown."""
    return "".join(f"| {' | '.join(row)} |\n" for row in (headings, ("---",) * len(headings), *cells))


def page(size: Size, found: list[Measured], costs: list[Cost], pages: list[bench_policy_pages.Cost]) -> str:
    """Return the page with the tables."""
    commands = table(HEADINGS, [[f"`{name}`", *rest] for name, *rest in rows(found)])
    stored = table(bench_policy_store.HEADINGS, bench_policy_store.rows(costs))
    shown = table(bench_policy_pages.HEADINGS, bench_policy_pages.rows(pages))
    return (
        "# What a large policy costs\n\n"
        f"A policy of {size.people:,} people, {size.teams:,} Teams and {size.grants:,} grants, and a list of "
        f"{size.dags:,} Dags. Each command is a process of its own, from start to end. The aim is less than "
        f"{_MOST_SECONDS} seconds and {_MOST_MEGABYTES} MB. Written by `make bench-policy ARGS=--write`, on two cores "
        f"that others used at the same time; so the column of the processor is more reliable.\n\n{commands}\n"
        "`plan` compares two versions of which every tenth Team has another role and one person more.\n\n"
        "The same policy [in the database](policy-store.md). Each server process keeps the version that it has checked "
        "last, and recognizes it by its digest, so it checks only what is new.\n\n"
        f"{stored}\n"
        "The [Access pages](access-pages.md) and their [API](api.md) with the same policy, an account per user, and "
        f"{size.dags:,} Dags in the database: each request as the api-server gets it from a Workspace Owner. "
        "The first time, a process makes what the next requests use.\n\n"
        f"{shown}"
    )


def main() -> int:
    """Measure every command; return 1 if one takes more than is promised."""
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", help="write docs/benchmark-policy.md")
    parser.add_argument("--ask", choices=("explain", "who-can"), help="only answer one question in this folder")
    args = parser.parse_args()
    if args.ask:
        ask(args.ask)
        return 0
    size = Size()
    with tempfile.TemporaryDirectory(prefix="bench-policy-") as name:
        folder = Path(name)
        write_files(folder, size)
        todo = track(commands().items(), "measuring", console=Console(stderr=True), transient=True)
        found = [measure(command, words, folder) for command, words in todo]
        costs = bench_policy_store.measure(folder)
        pages = bench_policy_pages.measure(folder)
    print_table(HEADINGS, rows(found))
    print_table(bench_policy_store.HEADINGS, bench_policy_store.rows(costs))
    print_table(bench_policy_pages.HEADINGS, bench_policy_pages.rows(pages))
    if args.write:
        PAGE.write_text(page(size, found, costs, pages), encoding="utf-8")
    good = [each.good for each in found] + [each.good for each in costs] + [each.good for each in pages]
    return 0 if all(good) else 1


if __name__ == "__main__":
    sys.exit(main())
