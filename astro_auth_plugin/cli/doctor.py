"""`airflow astro-auth doctor`: what is wrong with the configuration, in words."""

from __future__ import annotations

import textwrap
from argparse import Namespace
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING

from astro_auth_plugin.cli.failing import FAILED, YES, command
from astro_auth_plugin.cli.output import console, count, only_on_stderr, print_values, printable

if TYPE_CHECKING:
    from astro_auth_plugin.airflow_bridge.findings import Finding
    from astro_auth_plugin.airflow_bridge.installation import Installation

    Check = Callable[[Installation], Iterable[Finding]]

_STYLES = {"ok": "green", "hint": "yellow", "wrong": "red"}
_WIDTH = 110


@command
def doctor(args: Namespace) -> int:
    """Check the configuration; exit with 1 when something is wrong with it."""
    with only_on_stderr():
        findings = list(_all(_checks(), args))
    wrongs = sum(found.verdict == "wrong" for found in findings)
    if args.output == "table":
        _print(findings, wrongs)
    else:
        print_values([{**found._asdict(), "verdict": str(found.verdict)} for found in findings], args.output)
    return FAILED if wrongs else YES


def _checks() -> tuple[Check, ...]:
    """Return every check, in the order in which they are told."""
    from astro_auth_plugin.airflow_bridge import check_accounts, check_address, check_basics, check_trust  # noqa: PLC0415 - takes seconds

    return (
        check_basics.version,
        check_basics.auth_manager,
        check_basics.policy,
        check_basics.secrets,
        check_address.base_url,
        check_address.tls,
        check_address.believed_proxies,
        check_address.redirect_uris,
        check_address.cookies,
        check_trust.header_sign_in,
        check_trust.other_issuers,
        check_accounts.registration,
        check_accounts.idle_settings,
        check_accounts.idle_roles,
        check_accounts.twins,
        check_accounts.sessions,
    )


def _all(checks: Iterable[Check], args: Namespace) -> Iterator[Finding]:
    """Yield what the checks find; one that cannot run says so, and does not stop the others."""
    from astro_auth_plugin.airflow_bridge.findings import wrong  # noqa: PLC0415 - takes seconds
    from astro_auth_plugin.airflow_bridge.installation import Installation, UnreadableConfig  # noqa: PLC0415 - takes seconds

    installation = Installation(proxy_headers=args.proxy_headers)
    for check in checks:
        what = check.__name__.replace("_", " ")
        try:
            yield from check(installation)
        except UnreadableConfig as error:
            yield wrong(what, f"could not be checked: {error}.")
        except Exception as error:  # noqa: BLE001 - the text of an error may have a password of the database in it
            yield wrong(what, f"could not be checked: {type(error).__name__}.")


def _print(findings: list[Finding], wrongs: int) -> None:
    out = console()
    for found in findings:
        lines = textwrap.wrap(
            printable(f"{found.verdict:<6} {found.what}: {found.words}"),
            _WIDTH,
            subsequent_indent=" " * 7,
            break_long_words=False,
            break_on_hyphens=False,
        )
        out.print("\n".join(lines), style=_STYLES[found.verdict])
    hints = sum(found.verdict == "hint" for found in findings)
    out.print(f"{wrongs} wrong, {count(hints, 'hint')}.")
