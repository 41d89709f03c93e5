"""What code in a Dag file could read or write in the dag-processor: secrets, the policy, and the bundles of others."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from itertools import chain, islice
from pathlib import Path
from typing import Any

from airflow.configuration import conf

from astro_auth_plugin.doctor.findings import hint, ok, wrong
from astro_auth_plugin.rbac.policy.diagnostics import Diagnostic
from astro_auth_plugin.runtime.settings import read_settings

log = logging.getLogger(__name__)

PLACEHOLDER = "unused"
"""The value of a secret that is not used, if every component gets the same environment variables."""

_MOST_FILES = 1_000
_ONLY_FOR = {
    ("api_auth", "jwt_secret"): ("sign in as any user", "the api-server and the scheduler"),
    ("api_auth", "jwt_private_key_path"): ("sign in as any user", "the api-server and the scheduler"),
    ("api", "secret_key"): ("create web sessions of any user", "the api-server and to components that serve task logs"),
}


def secrets(_: object = None) -> Iterator[Diagnostic]:
    """Whether the dag-processor has a secret with which Dag code could impersonate users."""
    sources: Any = conf.as_dict(display_source=True)
    found = False
    for (section, name), (power, components) in _ONLY_FOR.items():
        _value, source = sources.get(section, {}).get(name) or ("", "default")
        value = conf.get(section, name, fallback="")
        if value and value != PLACEHOLDER and not source.startswith(("default", "provider")):
            found = True
            yield wrong(
                f"[{section}] {name}",
                f"is set for the dag-processor, which does not need it. Code in a Dag file can read it and {power}. "
                f"Set it for {components} only, or set it to `{PLACEHOLDER}` for the dag-processor.",
            )
    if not found:
        yield ok("secrets", "the dag-processor has none with which Dag code could impersonate users.")


def writable_policy(_: object = None) -> Iterator[Diagnostic]:
    """Whether Dag code could change the policy."""
    what, file = "policy file", read_settings().policy_file
    if file is None:
        return
    if writable := [path for path in (file, file.parent) if _can_write(path)]:
        yield wrong(
            what,
            f"the dag-processor can write `{writable[0]}`, so code in a Dag file can grant any role to any user. "
            f"Mount the folder read-only.{_as_root()}",
        )
    else:
        yield ok(what, f"the dag-processor can only read {file}.")


def writable_bundles(_: object = None) -> Iterator[Diagnostic]:
    """Whether Dag code could write a Dag file into a folder or bundle in which it may carry protected tags."""
    from airflow.dag_processing.bundles.manager import DagBundlesManager  # noqa: PLC0415 - takes seconds

    manager: Any = DagBundlesManager
    for bundle in manager().get_all_dag_bundles():
        what = f"bundle {bundle.name}"
        writable = next(filter(_can_write, islice(_inside(bundle.path), _MOST_FILES)), None)
        if writable:
            yield hint(
                what,
                f"the dag-processor can write `{writable}`, so code in any Dag file can create Dags there, with the "
                "protected tags of that place. Mount it read-only, and fetch it outside Airflow, for example with "
                f"git-sync.{_as_root()}",
            )
        else:
            yield ok(what, f"the dag-processor can only read {bundle.path}.")


def warn(*, tags_are_protected: bool) -> None:
    """Log the findings when a dag-processor starts. Never raises."""
    checks = (secrets, writable_policy, writable_bundles) if tags_are_protected else (secrets, writable_policy)
    for check in checks:
        try:
            for found in check():
                if found.severity != "ok":
                    log.warning("%s: %s", found.subject, found.message)
        except Exception as error:  # noqa: BLE001 - the text of an error may have a secret in it
            log.warning("Could not check the %s: %s", check.__name__.replace("_", " "), type(error).__name__)


def _inside(root: Path) -> Iterator[Path]:
    """Yield a folder, and the folders and files in it."""
    for folder, _, files in os.walk(root):
        yield from chain([Path(folder)], (Path(folder, name) for name in files))


def _can_write(path: Path) -> bool:
    """Whether this process can write there, or could after a change of the mode of what it owns."""
    try:
        is_read_only = os.statvfs(path).f_flag & os.ST_RDONLY
        return not is_read_only and (os.access(path, os.W_OK) or path.stat().st_uid == os.geteuid())
    except OSError:
        return False


def _as_root() -> str:
    return " As root it can write wherever a mount is not read-only." if os.geteuid() == 0 else ""
