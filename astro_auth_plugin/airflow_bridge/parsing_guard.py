"""Keeps protected tags in their place where Dags are parsed.

A Dag's file runs in a process of its own, and can say and change there what it likes. So the tags are looked at twice:
in that process, which makes a clear import error and can be deceived, and in the dag-processor that started it, on what
came back. The dag-processor knows itself which file it was, and no code of a Dag runs in it.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

import wrapt
from airflow.configuration import conf
from airflow.exceptions import AirflowClusterPolicyViolation

from astro_auth_plugin.airflow_bridge.policy_store import PolicyRefused, PolicyStore
from astro_auth_plugin.airflow_bridge.settings import SettingsError, policy_is_named, read_settings
from astro_auth_plugin.rbac.engine import Engine
from astro_auth_plugin.rbac.scopes import Dag, DagFile

_being_parsed: DagFile | None = None
"""The file that this process parses: set by the dag-processor just before it starts the process."""


def install(manager: ModuleType) -> None:
    """Put the guard into the dag-processor, before any file is parsed.

    Raises:
        AttributeError: if this Airflow has other functions; the dag-processor does not start then.
    """
    wrapt.wrap_function_wrapper(manager, "DagFileProcessorManager._create_process", _before_parsing)
    wrapt.wrap_function_wrapper(manager, "process_parse_results", _after_parsing)


def engine() -> Engine | None:
    """Return the engine of the newest good policy; None where this plugin has not been set up.

    Raises:
        SettingsError: if an option is missing.
        PolicyRefused: if there has been no good policy since this process started.
    """
    if not policy_is_named() and "astro_auth_plugin" not in conf.get("core", "auth_manager", fallback=""):
        return None
    return _store().engine()


@functools.cache
def _store() -> PolicyStore:
    return PolicyStore(read_settings())


# -- in the dag-processor ------------------------------------------------------------------------------------------


def _before_parsing(wrapped: Callable[..., Any], _manager: Any, args: Any, kwargs: Any) -> Any:
    global _being_parsed  # noqa: PLW0603 - the process that is about to be forked finds it here
    # Loads the policy here, so that not every process has to; without one the dag-processor stops here, loudly.
    engine()
    (dag_file,) = args
    _being_parsed = DagFile(dag_file.bundle_name, str(dag_file.rel_path))
    try:
        return wrapped(*args, **kwargs)
    finally:
        _being_parsed = None


def _after_parsing(wrapped: Callable[..., Any], _none: Any, args: Any, kwargs: Any) -> Any:
    result = kwargs["parsing_result"]
    file = DagFile(kwargs["bundle_name"], kwargs["relative_fileloc"])
    found = engine()
    if result is not None and found is not None and found.tag_rules:
        _sift(result, file, found)
    return wrapped(*args, **kwargs)


def _sift(result: Any, file: DagFile, found: Engine) -> None:
    """Take out of a result what the file may not say, and leave an import error for it."""
    # A file may report errors of itself only: one of another file would stop that one's Dags.
    told = (result.import_errors or {}).items()
    errors = [(path if _is_of(path, file) else file.path, text) for path, text in told]
    owners = _owners(result, file)
    kept = []
    for dag in result.serialized_dags:
        refusals = list(_refusals(_said(dag), file, owners, found))
        claimed = _said(dag).get("relative_fileloc")
        errors += [(claimed if _is_own(claimed, file) else file.path, refusal) for refusal in refusals]
        kept += [] if refusals else [dag]
    result.serialized_dags = kept
    result.import_errors = {}
    for path, text in errors:
        before = result.import_errors.get(path)
        result.import_errors[path] = f"{before}\n{text}" if before else text


def _owners(result: Any, file: DagFile) -> dict[str, Dag]:
    """Return the Dags of other files that have the id of one of the result's."""
    from astro_auth_plugin.airflow_bridge.metadata import read_live_dags  # noqa: PLC0415 - a Dag's process has no database

    dag_ids = [_said(dag).get("dag_id") for dag in result.serialized_dags]
    live = read_live_dags({dag_id for dag_id in dag_ids if isinstance(dag_id, str)})
    return {
        dag.id: dag for dag in live if dag.file and not (dag.file.bundle == file.bundle and _is_of(dag.file.path, file))
    }


def _said(dag: Any) -> dict[str, Any]:
    """Return what a file says of a Dag; it may be of any shape."""
    said = dag.data.get("dag")
    return said if isinstance(said, dict) else {}


def _refusals(dag: dict[str, Any], file: DagFile, owners: dict[str, Dag], found: Engine) -> Iterator[str]:
    """Yield what a serialized Dag may not say."""
    dag_id, tags = dag.get("dag_id"), dag.get("tags") or []
    if not isinstance(dag_id, str) or not isinstance(tags, list) or not all(isinstance(tag, str) for tag in tags):
        yield _refusal(dag_id, file, "its id and tags have to be text")
        return
    if not _is_own(dag.get("relative_fileloc"), file):
        yield _refusal(dag_id, file, f"it says that it is in `{dag.get('relative_fileloc')}`")
    for tag in sorted(tags):
        objection = found.tag_rules.objection(tag, file.bundle, file.path)
        if objection:
            yield _refusal(dag_id, file, objection)
    owner = owners.get(dag_id)
    for tag in sorted(found.counted(owner).tags) if owner else ():
        objection = found.tag_rules.objection(tag, file.bundle, file.path)
        if owner and owner.file and objection:
            where = f"`{owner.file.path}` of bundle `{owner.file.bundle}` has a Dag of this id with the tag `{tag}`"
            yield _refusal(dag_id, file, f"{where}, and {objection}; choose another id, or remove that one first")


def _is_own(path: Any, file: DagFile) -> bool:
    """Whether a path is where a Dag of a file can be: the file, or a module in it when it is an archive."""
    return _is_of(path, file) and "/" not in path[len(file.path) + 1 :]


def _is_of(path: Any, file: DagFile) -> bool:
    """Whether a path is that of a file, or within it: archives have Dags in them."""
    return isinstance(path, str) and (path == file.path or path.startswith(f"{file.path}/"))


# -- in the process that runs a Dag's file, and in commands --------------------------------------------------------


def check_dag(dag: Any) -> None:
    """Refuse a Dag that carries a protected tag out of its place.

    Raises:
        AirflowClusterPolicyViolation: saying which tag, which file, and where it may be.
    """
    if _being_parsed is None and _in_task():
        return
    path = dag.relative_fileloc or dag.fileloc or ""
    if _being_parsed and path != _being_parsed.path and _is_own(path, _being_parsed):
        # In an archive. Airflow would file the error under the archive, and drop it again: left to the dag-processor.
        return
    file = _being_parsed or DagFile("", path)
    try:
        found = engine()
    except (SettingsError, PolicyRefused) as error:
        if not dag.tags:
            return
        raise AirflowClusterPolicyViolation(
            _refusal(dag.dag_id, file, f"its tags cannot be checked: {error}")
        ) from None
    for tag in sorted(map(str, dag.tags)) if found is not None else ():
        objection = found.tag_rules.objection(tag, _being_parsed and _being_parsed.bundle, file.path) if found else ""
        if objection:
            raise AirflowClusterPolicyViolation(_refusal(dag.dag_id, file, objection))


def _in_task() -> bool:
    """Whether this process runs a task: it stores no tags, and its machine may be without the policy file."""
    return hasattr(sys.modules.get("airflow.sdk.execution_time.task_runner"), "SUPERVISOR_COMMS")


def _refusal(dag_id: Any, file: DagFile, why: str) -> str:
    bundle = f" of bundle `{file.bundle}`" if file.bundle else ""
    contact = conf.get("astro_auth", "access_contact", fallback="").strip()
    ask = f" Ask {contact}." if contact else ""
    return f"Dag `{dag_id}` in `{file.path}`{bundle} is refused: {why}.{ask}"
