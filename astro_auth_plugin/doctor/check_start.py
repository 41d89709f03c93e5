"""Checks of what keeps the api-server from starting: what it builds at its start is built in a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Iterator
from configparser import InterpolationError
from pathlib import Path
from typing import Any

from airflow.configuration import conf
from airflow.exceptions import AirflowConfigException

from astro_auth_plugin.accounts import db_manager
from astro_auth_plugin.doctor.findings import hint, ok, wrong
from astro_auth_plugin.doctor.installation import Installation
from astro_auth_plugin.rbac.policy.diagnostics import Diagnostic
from astro_auth_plugin.runtime.settings import PERCENT

_TIMEOUT = 300
_WHAT = "sign-in pages"
_PACKAGE = str(Path(__file__).parents[1])


def percent_signs(_: Installation) -> Iterator[Diagnostic]:
    """Which options of airflow.cfg cannot be read because of a `%`."""
    for section in conf.sections():
        for name in conf.options(section):
            try:
                conf.get(section, name, fallback="", suppress_warnings=True)
            except InterpolationError:
                yield wrong(f"[{section}] {name}", f"{PERCENT}.")
            except AirflowConfigException:
                continue


def sign_in_pages(_: Installation) -> Iterator[Diagnostic]:
    """Whether the api-server can build FAB's application, with everything that webserver_config.py says."""
    if not db_manager.has_tables():
        yield wrong(
            "metadata database", "the tables of astro_auth_plugin are missing or outdated: run `airflow db migrate`."
        )
        return
    with tempfile.TemporaryDirectory() as folder:
        result = Path(folder) / "result.json"
        command = [sys.executable, "-c", f"from {__name__} import build; build({str(result)!r})"]
        # At its start FAB writes permissions into the database, unless this option says no.
        environment = os.environ | {"AIRFLOW__FAB__UPDATE_FAB_PERMS": "False"}
        try:
            done = subprocess.run(  # noqa: S603 - this interpreter, and no words of others
                command, env=environment, capture_output=True, timeout=_TIMEOUT, check=False
            )
        except subprocess.TimeoutExpired:
            yield hint(_WHAT, f"were not built within {_TIMEOUT} seconds, so they were not checked.")
            return
        found = json.loads(result.read_text()) if result.exists() else {"kind": f"exit code {done.returncode}"}
    yield _finding(found)


def _finding(found: dict[str, str]) -> Diagnostic:
    if not found:
        return ok(_WHAT, "can be built with this webserver_config.py.")
    if found.get("said"):
        return wrong(_WHAT, f"the api-server does not start: {found['said']}.")
    place = f" at {found['place']}" if found.get("place") else ""
    error = f"the api-server does not start: {found['kind']}{place}"
    missing = found.get("missing", "")
    if missing.isupper():
        return wrong(_WHAT, f"{error}: `{missing}` is not set. Set it in webserver_config.py.")
    about = f", about `{missing}`" if missing else ""
    return wrong(_WHAT, f"{error}{about}. Correct webserver_config.py, or the option concerned.")


def build(result: str) -> None:
    """Build FAB's application as the api-server does, and write to a file what went wrong: `{}` for nothing.

    The text of an error can have a secret in it, so only its kind, its place and the name that is missing are written.
    """
    from airflow.api_fastapi.app import create_auth_manager  # noqa: PLC0415 - only in a process of its own
    from airflow.providers.fab.auth_manager.security_manager import override  # noqa: PLC0415 - likewise

    # It would write roles into the database, and a check changes nothing.
    of_fab: Any = override.FabAirflowSecurityManagerOverride
    of_fab.create_db = lambda _: None
    found: dict[str, str] = {}
    try:
        manager: Any = create_auth_manager()
        manager.get_fastapi_app()
    except BaseException as error:  # noqa: BLE001 - webserver_config.py is Python, and may even exit
        found = _described(error)
    Path(result).write_text(json.dumps(found))


def _described(error: BaseException) -> dict[str, str]:
    frames = [(frame.filename, frame.lineno) for frame in traceback.extract_tb(error.__traceback__)]
    if isinstance(error, AirflowConfigException) and frames[-1][0].startswith(_PACKAGE):
        # Our own words, which have no secret in them.
        return {"said": str(error)}
    config = conf.get("fab", "config_file", fallback="")
    own = [frame for frame in frames if frame[0] == config]
    file, line = (own or frames)[-1]
    if isinstance(error, SyntaxError) and error.filename == config:
        file, line = config, error.lineno
    return {"kind": type(error).__name__, "place": f"{file}:{line}", "missing": _missing(error)}


def _missing(error: BaseException) -> str:
    """Return the name of the setting, module or attribute that is missing; '' for an error about something else."""
    name = error.args[0] if isinstance(error, KeyError) and error.args else getattr(error, "name", "")
    return name if isinstance(name, str) and name.replace(".", "_").isidentifier() else ""
