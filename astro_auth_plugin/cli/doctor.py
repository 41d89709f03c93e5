"""`airflow astro-auth doctor`: what is wrong with the configuration, as text."""

from __future__ import annotations

import textwrap
from argparse import Namespace
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING

from astro_auth_plugin.cli.exit_codes import FAILED, YES, command
from astro_auth_plugin.cli.output import console, count, only_on_stderr, print_values, printable

if TYPE_CHECKING:
    from astro_auth_plugin.doctor.installation import Installation
    from astro_auth_plugin.rbac.policy.diagnostics import Diagnostic

    Check = Callable[[Installation], Iterable[Diagnostic]]

VERDICTS = {"ok": "ok", "info": "hint", "error": "wrong"}
"""What the command says for each severity."""

_STYLES = {"ok": "green", "info": "yellow", "error": "red"}
_WIDTH = 110


@command
def doctor(args: Namespace) -> int:
    """Check the configuration; exit with 1 when something is wrong with it."""
    with only_on_stderr():
        findings = list(_all(_dag_processor_checks() if args.dag_processor else _checks(), args))
    wrongs = sum(found.severity == "error" for found in findings)
    if args.output == "table":
        _print(findings, wrongs)
    else:
        print_values([_values(found) for found in findings], args.output)
    return FAILED if wrongs else YES


def _checks() -> tuple[Check, ...]:
    """Return every check, in the order in which they are reported."""
    from astro_auth_plugin.doctor import (  # noqa: PLC0415 - takes seconds
        check_accounts,
        check_address,
        check_basics,
        check_shadow,
        check_start,
        check_trust,
    )

    return (
        check_basics.version,
        check_basics.auth_manager,
        check_basics.policy,
        check_basics.ignored_policy_file,
        check_shadow.shadow_mode,
        check_basics.secrets,
        check_start.percent_signs,
        check_start.sign_in_pages,
        check_address.base_url,
        check_address.tls,
        check_address.trusted_forwarders,
        check_address.redirect_uris,
        check_address.cookies,
        check_trust.header_sign_in,
        check_trust.large_networks,
        check_trust.other_issuers,
        check_accounts.registration,
        check_accounts.unused_settings,
        check_accounts.unused_roles,
        check_accounts.duplicate_accounts,
        check_accounts.users,
        check_accounts.access_control,
        check_accounts.sessions,
    )


def _dag_processor_checks() -> tuple[Check, ...]:
    """Return the checks of the place where Dags are parsed, which has no address and should have no secrets."""
    from astro_auth_plugin.doctor import check_basics, check_parsing  # noqa: PLC0415 - takes seconds

    return (
        check_basics.version,
        check_basics.auth_manager,
        check_basics.policy,
        check_basics.ignored_policy_file,
        check_parsing.secrets,
        check_parsing.writable_policy,
        check_parsing.writable_bundles,
    )


def _all(checks: Iterable[Check], args: Namespace) -> Iterator[Diagnostic]:
    """Yield what the checks find; one that cannot run says so, and does not stop the others."""
    from astro_auth_plugin.doctor.findings import wrong  # noqa: PLC0415 - takes seconds
    from astro_auth_plugin.doctor.installation import Installation, UnreadableConfig  # noqa: PLC0415 - takes seconds

    installation = Installation(proxy_headers=args.proxy_headers)
    for check in checks:
        what = check.__name__.replace("_", " ")
        try:
            yield from check(installation)
        except UnreadableConfig as error:
            yield wrong(what, f"could not be checked: {error}.")
        except (Exception, SystemExit) as error:  # noqa: BLE001 - the text of an error may have a password of the database in it
            yield wrong(what, f"could not be checked: {type(error).__name__}.")


def _values(found: Diagnostic) -> dict[str, str]:
    return {"verdict": VERDICTS[found.severity], "what": found.subject, "words": found.message}


def _print(findings: list[Diagnostic], wrongs: int) -> None:
    out = console()
    for found in findings:
        lines = textwrap.wrap(
            printable(f"{VERDICTS[found.severity]:<6} {found.subject}: {found.message}"),
            _WIDTH,
            subsequent_indent=" " * 7,
            break_long_words=False,
            break_on_hyphens=False,
        )
        out.print("\n".join(lines), style=_STYLES[found.severity])
    hints = sum(found.severity == "info" for found in findings)
    out.print(f"{wrongs} wrong, {count(hints, 'hint')}.")
