"""Shows a run at the terminal, and writes it into the docs."""

from __future__ import annotations

import math
import os
import platform
from importlib.metadata import PackageNotFoundError, version

from astro_auth_plugin.cli.output import console, print_table
from tools.bench.engines import ROOT
from tools.bench.results import Results
from tools.bench.sections import Section, noise, sections

PAGE = ROOT / "docs" / "benchmarks.md"
PICTURES = ROOT / ".bench"
"""Where the pictures of the last run are; git ignores it."""

_PACKAGES = (
    "apache-airflow", "apache-airflow-providers-fab", "apache-airflow-providers-keycloak", "sqlalchemy", "cedarpy",
    "casbin",
)  # fmt: skip

_HEAD = """# Benchmarks

How long this plugin takes for Airflow's permission checks, compared with other auth managers. Written by
`make bench ARGS=--write` (`DB=postgres` before it for PostgreSQL), on {database}, with {machine}, {rounds} rounds;
{versions}. What decisions cost, and what was tried, is in [0009](decisions/0009-what-a-decision-costs.md) and
[0019](decisions/0019-one-statement-per-request.md),
why targets are missed in [0023](decisions/0023-speed-that-is-missed.md).

**Compare ratios, not times**: all are from one run on one machine, which may have been busy otherwise. They are no
guarantee.{trust}

The databases are migrated by Airflow and have these numbers of Dags, with three of 200 tags each and one run per Dag.
*restricted* may see every tenth Dag: through 20 tags with this plugin, through as many rows `can_read DAG:...` with
FAB. *all* may see every Dag. Each auth manager runs in its own process, and must first return the correct answers.
Then each cell is run once per round, in a random order, and the table shows its median; a cell that takes longer than
half a second is run in every other round, and requests about one Dag in 40 rounds. Caches are warm unless a row says
otherwise; those of FAB, Keycloak and this plugin's `tag_cache_ttl` are kept for an hour instead of 30 seconds, so that
they do not expire during a round. `make bench` prints more tables than this page has.
"""


def about(database: str, rounds: int) -> dict[str, str]:
    """Return what a reader has to know about the machine and the versions."""
    versions = [f"{name} {found}" for name in _PACKAGES if (found := _version(name))]
    return {
        "database": database,
        "rounds": str(rounds),
        "machine": f"{os.cpu_count()} cores, Python {platform.python_version()}",
        "versions": ", ".join(versions),
    }


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ""


def show(results: Results) -> None:
    """Print the tables."""
    for section in sections(results):
        note = f"\n{section.note}" if section.note else ""
        console().print(f"\n{section.title}{note}")
        print_table(section.headings, section.rows)


def write(results: Results) -> None:
    """Write the page."""
    PAGE.write_text(page(results), encoding="utf-8")


def draw(results: Results) -> None:
    """Draw the pictures, and say where they are."""
    from tools.bench import pictures  # noqa: PLC0415 - needs matplotlib

    for file in pictures.draw(results, PICTURES):
        console().print(file.relative_to(ROOT), soft_wrap=True)


def page(results: Results) -> str:
    """Return the page."""
    found = results.about
    spread = noise(results)
    trust = "" if math.isnan(spread) else f" The middle half of a request's times lay {spread:.0%} of the median apart."
    head = _HEAD.format(trust=trust, **found)
    return head + "".join(map(_markdown, sections(results, page=True)))


def _markdown(section: Section) -> str:
    cells = [section.headings, ("---",) * len(section.headings), *section.rows]
    table = "".join(f"| {' | '.join(row)} |\n" for row in cells)
    note = f"{section.note}\n\n" if section.note else ""
    return f"\n## {section.title}\n\n{note}{table}"
