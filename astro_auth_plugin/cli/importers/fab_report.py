"""How a comparison with FAB is printed: a table for people or a pull request, and plain values for machines."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from astro_auth_plugin.cli.importers.fab_differences import DEPLOYMENT, OTHER_DAGS, Change, Comparison, Row
from astro_auth_plugin.cli.output import count, print_table, printable
from astro_auth_plugin.cli.review.plan_report import as_code, joined

_FEW = 6
"""How many names a cell lists before it only has their number; `--output json` has all of them."""

_COLUMNS = ("Person", "Roles in FAB", "FAB today", "The policy", "Lost", "Gained")
_ACTIONS = {"dag.get": "see", "dagRun.create": "run", "dag.update": "change", "dag.delete": "delete"}

Quote = Callable[[str], str]


def print_comparison(found: Comparison, *, stderr: bool = False) -> None:
    """Print a row for each person, lost and gained permissions with the Dags."""
    print_table(_COLUMNS, (_cells(row, found.dags, printable) for row in found.rows), stderr=stderr)


def markdown(found: Comparison, name: str) -> str:
    """Return a comparison as a comment of a pull request. No word of FAB or the policy can become markup."""
    rows = [[_cell(each) for each in _cells(row, found.dags, as_code)] for row in found.rows]
    lines = [f"### FAB today and {as_code(name)}: {verdict(found, as_code)}", ""]
    lines += [_line(_COLUMNS), _line(["---"] * len(_COLUMNS)), *map(_line, rows)]
    return joined(lines)


def verdict(found: Comparison, quote: Quote = printable) -> str:
    """Return in a sentence for how many people something changes."""
    losing, gaining = sum(row.loses for row in found.rows), sum(bool(row.gains) for row in found.rows)
    groups = f" Not counted: members of the groups {_some([*map(quote, found.groups)])}." if found.groups else ""
    return f"of {count(len(found.rows), 'row')} {losing} with losses, {gaining} with gains.{groups}"


def values(found: Comparison, name: str) -> dict[str, Any]:
    """Return a comparison as plain values, with everything that cells only have as numbers."""
    return {
        "old": "fab",
        "new": name,
        "widens": any(row.gains for row in found.rows),
        "groups_not_counted": list(found.groups),
        "people": [_row_values(row) for row in found.rows],
    }


# -- cells ---------------------------------------------------------------------------------------------------------


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _cell(text: str) -> str:
    # A bar would begin another cell, in code too.
    return text.replace("|", "\\|")


def _cells(row: Row, dags: tuple[str, ...], quote: Quote) -> list[str]:
    who = quote(row.subject) if not row.subject.startswith("token:") else f"API token {quote(row.subject[6:])}"
    pages = [f"{quote(f'{action} on {resource}')}, which only FAB has" for action, resource in row.lost_pages]
    losses = _changes(row.losses, dags, quote)
    return [
        f"{who} ({row.note})" if row.note else who,
        ", ".join(map(quote, row.roles)) or "none",
        _summary(row.fab, dags, quote),
        _summary(row.policy, dags, quote),
        "everything" if row.fab and not row.policy else "; ".join([*losses, *pages]) or "nothing",
        "; ".join(_changes(row.gains, dags, quote)) or "nothing",
    ]


def _summary(given: Mapping[str, tuple[str, ...]], dags: tuple[str, ...], quote: Quote) -> str:
    """Return in a few words what someone has: what can be done with which Dags, and what of the Deployment."""
    actions: dict[tuple[str, ...], list[str]] = {}
    for permission, action in _ACTIONS.items():
        actions.setdefault(given.get(permission, ()), []).append(action)
    found = [f"{', '.join(those)} {_where(places, dags, quote)}" for places, those in actions.items() if places]
    objects = dict.fromkeys(
        permission.partition(".")[0]
        for permission, places in given.items()
        if DEPLOYMENT in places and not permission.endswith(".get")
    )
    found += [f"change {', '.join(objects)}"] if objects else []
    return "; ".join(found) or (f"only {_some(given)}" if given else "nothing")


def _changes(changes: Iterable[Change], dags: tuple[str, ...], quote: Quote) -> Iterator[str]:
    by_places: dict[tuple[str, ...], list[str]] = {}
    for change in changes:
        part = f" ({', '.join(change.questions)})" if change.questions else ""
        by_places.setdefault(change.places, []).append(f"{change.permission}{part}")
    for places, permissions in by_places.items():
        yield f"{_some(permissions)} on {_where(places, dags, quote)}"


def _where(places: tuple[str, ...], dags: tuple[str, ...], quote: Quote) -> str:
    if places == (DEPLOYMENT,):
        return "the Deployment"
    named = [place for place in places if place not in (DEPLOYMENT, OTHER_DAGS)]
    if OTHER_DAGS not in places:
        return _some([*map(quote, named)])
    but = [quote(dag) for dag in dags if dag not in places]
    return f"all Dags but {_some(but)}" if but else "all Dags"


def _some(listed: Iterable[str]) -> str:
    names = list(listed)
    more = f" and {len(names) - _FEW} more" if len(names) > _FEW else ""
    return f"{', '.join(names[:_FEW])}{more}"


# -- values --------------------------------------------------------------------------------------------------------


def _row_values(row: Row) -> dict[str, Any]:
    return {
        "subject": row.subject,
        "account": row.account,
        "fab_roles": list(row.roles),
        "note": row.note,
        "fab": [{"permission": permission, **_places(places)} for permission, places in row.fab.items()],
        "policy": [{"permission": permission, **_places(places)} for permission, places in row.policy.items()],
        "gains": [_change_values(each) for each in row.gains],
        "losses": [_change_values(each) for each in row.losses],
        "lost_pages": [f"{action} on {resource}" for action, resource in row.lost_pages],
    }


def _change_values(change: Change) -> dict[str, Any]:
    return {"permission": change.permission, "in_part": list(change.questions), **_places(change.places)}


def _places(places: tuple[str, ...]) -> dict[str, Any]:
    return {
        "deployment": DEPLOYMENT in places,
        "other_dags": OTHER_DAGS in places,
        "dags": [place for place in places if place not in (DEPLOYMENT, OTHER_DAGS)],
    }
