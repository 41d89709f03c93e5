"""`airflow astro-auth shadow`: what shadow mode has found."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TypeVar

from astro_auth_plugin.cli.exit_codes import DENIED, FAILED, YES, CommandFailed, command
from astro_auth_plugin.cli.output import console, count, only_on_stderr, print_table, print_values

if TYPE_CHECKING:
    from astro_auth_plugin.runtime.shadow_records import Records

T = TypeVar("T")


@command
def report(args: Namespace) -> int:
    """List the differences; exit with 2 if there are any."""
    with only_on_stderr():
        from astro_auth_plugin.runtime import shadow_records  # noqa: PLC0415 - Airflow takes seconds

        found = _of_database(shadow_records.read)
    if args.output == "table":
        _print(found)
    else:
        print_values(_values(found), args.output)
    if found.differences:
        return DENIED
    return YES if found.compared.answers else FAILED


@command
def reset(_: Namespace) -> None:
    """Delete everything that was found."""
    with only_on_stderr():
        from astro_auth_plugin.runtime import shadow_records  # noqa: PLC0415 - Airflow takes seconds

        number = _of_database(shadow_records.clear)
    console().print(f"{count(number, 'difference')} deleted.")


def _of_database(read: Callable[[], T]) -> T:
    from sqlalchemy.exc import SQLAlchemyError  # noqa: PLC0415 - takes time

    try:
        return read()
    except SQLAlchemyError as error:
        kind = type(error).__name__
        raise CommandFailed(f"the table astro_auth_shadow cannot be read ({kind}): run `airflow db migrate`") from None


def _print(found: Records) -> None:
    if found.differences:
        rows = [
            (
                each.who,
                each.question,
                each.object,
                _word(each.allowed),
                _word(not each.allowed),
                seen.answers,
                _time(seen.first_at),
                _time(seen.last_at),
            )
            for each, seen in found.differences
        ]
        print_table(("User", "Question", "Object", "Today", "Policy", "Answers", "First", "Last"), rows)
    if not found.compared.answers:
        console().print("No answer has been compared yet.")
        return
    since = f"{_time(found.compared.first_at)} to {_time(found.compared.last_at)}"
    console().print(
        f"{count(found.compared.answers, 'answer')} compared, {since}: {count(len(found.differences), 'difference')}."
    )
    for seen, what in ((found.failed, "could not be compared"), (found.left_out, "left out")):
        if seen.answers:
            console().print(f"{count(seen.answers, 'answer')} {what}, last {_time(seen.last_at)}.")


def _values(found: Records) -> dict[str, Any]:
    return {
        "compared": found.compared.answers,
        "failed": found.failed.answers,
        "left_out": found.left_out.answers,
        "first_at": _time(found.compared.first_at),
        "last_at": _time(found.compared.last_at),
        "differences": [
            {
                "user": each.who,
                "question": each.question,
                "object": each.object,
                "today": _word(each.allowed),
                "policy": _word(not each.allowed),
                "answers": seen.answers,
                "first_at": _time(seen.first_at),
                "last_at": _time(seen.last_at),
            }
            for each, seen in found.differences
        ],
    }


def _word(allowed: bool) -> str:
    return "yes" if allowed else "no"


def _time(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds") if seconds else ""
