"""Measures this plugin beside other auth managers: `make bench`.

Real metadata databases are filled, every engine is asked the same and has to answer the same, and then everything is
timed in a new random order each round. Read the ratios, which are of one run; times are of this machine.
"""

from __future__ import annotations

import os
import sys
import tempfile
from argparse import ArgumentParser, Namespace
from contextlib import ExitStack
from pathlib import Path

from tools.bench import crowd, load, psycopg3, report
from tools.bench.databases import Databases, Postgres, SQLite, prepare, with_many_accounts
from tools.bench.engines import ENGINES
from tools.bench.results import Results
from tools.bench.rounds import ALL_PARTS, measure, tell
from tools.with_postgres import postgres

_SIZES = [100, 1_000, 10_000, 50_000]
_MANY_CONNECTIONS = "max_connections=400"


def arguments(words: list[str] | None = None) -> Namespace:
    """Return what the command line says."""
    parser = ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=_SIZES, help="numbers of Dags")
    parser.add_argument("--rounds", type=int, default=9, help="how many times each cell is measured")
    parser.add_argument("--only", choices=ALL_PARTS, nargs="+", default=list(ALL_PARTS), help="only these parts")
    parser.add_argument(
        "--engines", nargs="+", choices=[each.name for each in ENGINES], help="only these auth managers"
    )
    parser.add_argument("--seconds", type=float, default=4, help="how long each cell of the load takes")
    parser.add_argument("--crowd", type=int, default=30_000, help="how many requests many users make to one server")
    parser.add_argument("--write", action="store_true", help="write docs/benchmarks.md")
    parser.add_argument("--keep", type=Path, help="a new folder to keep the logs in")
    return parser.parse_args(words)


def run(args: Namespace, folder: Path, databases: Databases) -> Results:
    """Measure what the command line asks for."""
    engines = [each for each in ENGINES if not args.engines or each.name in args.engines]
    parts = tuple(args.only)
    addresses = prepare(folder, databases, sorted(args.sizes), tell)
    crowded = ""
    if "crowd" in parts or ("requests" in parts and any(each.many_accounts for each in engines)):
        crowded = with_many_accounts(folder, databases, min(args.sizes), tell)
    results = measure(folder, addresses, rounds=args.rounds, parts=parts, engines=engines, crowded=crowded)
    results.about = report.about(databases.kind, args.rounds)
    if results.disagreements:
        return results
    if "requests" in parts:
        psycopg3.ask(results, folder, databases, addresses)
    if "load" in parts:
        load.measure(results, folder, addresses, args.seconds, tell)
    if "crowd" in parts:
        crowd.measure(results, folder, crowded, args.crowd, tell)
    return results


def finish(results: Results, *, write: bool) -> int:
    """Print what was found, and return the exit status: 1 when the engines do not agree."""
    if results.disagreements:
        tell("The engines do not agree, so nothing was measured:")
        for line in results.disagreements:
            tell(f"  {line}")
        return 1
    report.show(results)
    if write:
        report.write(results)
    return 0


def main() -> int:
    """Measure what the command line asks for."""
    args = arguments()
    with ExitStack() as stack:
        folder = args.keep or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-")))
        folder = folder.resolve()
        databases: Databases
        if os.environ.get("DB") == "postgres":
            databases = Postgres(stack.enter_context(postgres(_MANY_CONNECTIONS)))
        else:
            databases = SQLite(folder / "databases")
        results = run(args, folder, databases)
    status = finish(results, write=args.write)
    if status == 0:
        report.draw(results)
    return status


if __name__ == "__main__":
    sys.exit(main())
