"""The check of shadow mode: whether it runs, and since when without a difference."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import timedelta

from sqlalchemy.exc import SQLAlchemyError

from astro_auth_plugin.doctor.findings import hint, ok, wrong
from astro_auth_plugin.doctor.installation import Installation
from astro_auth_plugin.rbac.policy.diagnostics import Diagnostic
from astro_auth_plugin.runtime import shadow_records
from astro_auth_plugin.runtime.settings import SettingsError, is_active, is_shadow_on

_WHAT = "shadow mode"
_REPORT = "see `airflow astro-auth shadow report`"


def shadow_mode(_: Installation) -> Iterator[Diagnostic]:
    """Whether answers of another auth manager are compared, and for how long none was different."""
    try:
        if not is_shadow_on():
            return
    except SettingsError as error:
        yield wrong(_WHAT, f"{error}.")
        return
    if is_active():
        yield hint(_WHAT, "has no effect, because this auth manager decides. Remove [astro_auth] shadow.")
        return
    try:
        found = shadow_records.read()
    except SQLAlchemyError:
        yield wrong(
            _WHAT, "cannot write what it finds: the table astro_auth_shadow is missing. Run `airflow db migrate`."
        )
        return
    if not found.compared.answers:
        yield hint(_WHAT, "has compared no answer yet. Restart the api-server, and see its log.")
        return
    ago = _duration(int(time.time()) - found.compared.last_at)
    so_far = f"{found.compared.answers} answers compared, the last one {ago} ago"
    for_long = _duration(found.without_difference)
    if found.differences:
        number = len(found.differences)
        yield hint(_WHAT, f"{so_far}; {number} different, {_REPORT}. None for the last {for_long}.")
    else:
        yield ok(_WHAT, f"{so_far}; none different in {for_long}.")
    if found.failed.answers or found.left_out.answers:
        yield hint(
            _WHAT, f"{found.failed.answers} answers could not be compared and {found.left_out.answers} were left out."
        )


def _duration(seconds: int) -> str:
    return str(timedelta(seconds=max(0, seconds)))
