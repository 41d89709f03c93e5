"""Keeps protected tags and ids in their place where Dags are parsed.

A Dag's file runs in a process of its own, and can say and change there what it likes. So the tags are looked at twice:
in that process, which makes a clear import error and can be deceived, and in the dag-processor that started it, on what
came back. The dag-processor knows itself which file it was, and no code of a Dag runs in it: what a result could have
Airflow run is refused there, whatever its tags.
"""

from __future__ import annotations

import functools
import logging
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from types import ModuleType
from typing import Any

import wrapt
from airflow.configuration import conf
from airflow.exceptions import AirflowClusterPolicyViolation, AirflowConfigException

from astro_auth_plugin.rbac.engine.engine import Engine
from astro_auth_plugin.rbac.model.scopes import Dag, DagFile
from astro_auth_plugin.runtime.policy_store import PolicyRefused, PolicyStore
from astro_auth_plugin.runtime.settings import SettingsError, policy_is_named, read_settings
from astro_auth_plugin.tag_protection import serialized_form

log = logging.getLogger(__name__)

_STOPPED = (
    "Stopped, since the {} of Dag `{}` cannot be checked: {}\n"
    "Of this Dag's bundle nothing was stored; bundles that were parsed before it are stored.\n"
    "Run this command where the policy can be read, for instance in the dag-processor's container."
)

_being_parsed: DagFile | None = None
"""The file that this process parses: set by the dag-processor just before it starts the process."""


def install(manager: ModuleType) -> None:
    """Put the guard into the dag-processor, before any file is parsed.

    Raises:
        AttributeError: if this Airflow has other functions; the dag-processor does not start then.
    """
    wrapt.wrap_function_wrapper(manager, "DagFileProcessorManager._create_process", _before_parsing)
    if hasattr(manager.DagFileProcessorManager, "persist_parsing_result"):
        wrapt.wrap_function_wrapper(manager, "DagFileProcessorManager.persist_parsing_result", _before_storing)
    else:
        wrapt.wrap_function_wrapper(manager, "process_parse_results", _after_parsing)


def engine() -> Engine | None:
    """Return the engine of the newest valid policy; None where this plugin has not been set up, or another auth
    manager. A process that parses a file takes the one it began with: it has no database, and is soon over.

    Raises:
        SettingsError: if an option is missing.
        PolicyRefused: if there has been no valid policy since this process started.
    """
    if not _is_set_up():
        return None
    return _store().newest if _being_parsed else _store().engine()


def _is_set_up() -> bool:
    name = conf.get("core", "auth_manager", fallback="")
    if "astro_auth_plugin" in name:
        return True
    if not policy_is_named():
        return False
    if name == conf.get_default_value("core", "auth_manager"):
        # None is configured: a dag-processor needs none, and has been given the policy.
        return True
    try:
        chosen: Any = conf.getimport("core", "auth_manager")
    except AirflowConfigException:
        return True
    return any(base.__module__.startswith("astro_auth_plugin.") for base in chosen.__mro__)


@functools.cache
def _store() -> PolicyStore:
    return PolicyStore(read_settings())


# -- in the dag-processor ------------------------------------------------------------------------------------------


def _before_parsing(wrapped: Callable[..., Any], _manager: Any, args: Any, kwargs: Any) -> Any:
    global _being_parsed  # noqa: PLW0603 - the process that is about to be forked finds it here
    # Loads the policy here, so that not every process has to; without one the dag-processor stops here, loudly.
    found = engine()
    if found is not None:
        _warn_of_surroundings(tags_are_protected=bool(found.tag_rules))
    (dag_file,) = args
    _being_parsed = DagFile(dag_file.bundle_name, str(dag_file.rel_path))
    try:
        return wrapped(*args, **kwargs)
    finally:
        _being_parsed = None


@functools.cache
def _warn_of_surroundings(*, tags_are_protected: bool) -> None:
    """Log once what code in Dag files could read or write here."""
    from astro_auth_plugin.doctor import check_parsing  # noqa: PLC0415 - a process of a task needs none of it

    check_parsing.warn(tags_are_protected=tags_are_protected)


def _before_storing(wrapped: Callable[..., Any], _manager: Any, args: Any, kwargs: Any) -> Any:
    """Check a result where Airflow stores it, from 3.3 on; if that fails Airflow logs it, and stores nothing."""
    _check(kwargs)
    return wrapped(*args, **kwargs)


def _after_parsing(wrapped: Callable[..., Any], _none: Any, args: Any, kwargs: Any) -> Any:
    """Check a result in the function that stores it before Airflow 3.3; an exception would end the dag-processor."""
    try:
        _check(kwargs)
    except Exception:
        file, bundle = kwargs["relative_fileloc"], kwargs["bundle_name"]
        log.exception("Stored nothing of %s of bundle %s: its Dags could not be checked", file, bundle)
        kwargs = {**kwargs, "parsing_result": None}
    return wrapped(*args, **kwargs)


def _check(kwargs: dict[str, Any]) -> None:
    result, found = kwargs["parsing_result"], engine()
    if result is not None and found is not None:
        _sift(result, DagFile(kwargs["bundle_name"], kwargs["relative_fileloc"]), found)


def _sift(result: Any, file: DagFile, found: Engine) -> None:
    """Take out of a result what the file may not say, and leave an import error for it."""
    # A file may report errors of itself only: one of another file would stop that one's Dags.
    reported = (result.import_errors or {}).items()
    errors = [(path if file.contains(path) else file.path, text) for path, text in reported]
    owners = _owners(result, file) if found.tag_rules or found.id_rules else {}
    kept = []
    for dag in result.serialized_dags:
        refusals = list(_refusals(dag, file, owners, found))
        serialized_form.name_params(dag.data)
        claimed = _said(dag).get("relative_fileloc")
        errors += [(claimed if _is_own(claimed, file) else file.path, refusal) for refusal in refusals]
        kept += [] if refusals else [dag]
    result.serialized_dags = kept
    # Warnings of a Dag are shown with it, so a file may give them to its own Dags only.
    own = {_said(dag).get("dag_id") for dag in kept}
    result.warnings = [warning for warning in result.warnings or () if _dag_of(warning) in own]
    result.import_errors = {}
    for path, text in errors:
        before = result.import_errors.get(path)
        result.import_errors[path] = f"{before}\n{text}" if before else text


def _owners(result: Any, file: DagFile) -> dict[str, Dag]:
    """Return the Dags of other files that have the id of one of the result's."""
    from astro_auth_plugin.tag_protection.dag_id_owners import owners_of  # noqa: PLC0415 - a Dag's process has no database

    dag_ids = (_said(dag).get("dag_id") for dag in result.serialized_dags)
    return owners_of({dag_id for dag_id in dag_ids if isinstance(dag_id, str)}, file)


def _dag_of(warning: Any) -> Any:
    """Return the id of the Dag that a warning is about; it may be of any shape."""
    dag_id = warning.get("dag_id") if isinstance(warning, dict) else getattr(warning, "dag_id", None)
    return dag_id if isinstance(dag_id, str) else None


def _said(dag: Any) -> dict[str, Any]:
    """Return what a file says of a Dag; it may be of any shape."""
    said = dag.data.get("dag")
    return said if isinstance(said, dict) else {}


def _refusals(dag: Any, file: DagFile, owners: dict[str, Dag], found: Engine) -> Iterator[str]:
    """Yield what a serialized Dag may not say."""
    said = _said(dag)
    dag_id, tags = said.get("dag_id"), said.get("tags") or []
    if words := serialized_form.objection(dag.data):
        yield _refusal(dag_id, file, words)
        return
    if not isinstance(dag_id, str) or not isinstance(tags, list) or not all(isinstance(tag, str) for tag in tags):
        yield _refusal(dag_id, file, "its id and tags have to be text")
        return
    if not _is_own(said.get("relative_fileloc"), file):
        yield _refusal(dag_id, file, f"it says that it is in `{said.get('relative_fileloc')}`")
    for tag in sorted(tags):
        objection = found.tag_rules.objection(tag, file.bundle, file.path)
        if objection:
            yield _refusal(dag_id, file, objection)
    if owner := owners.get(dag_id):
        yield from _refusals_of_id(tags, file, owner, found)


def _refusals_of_id(tags: Iterable[str], file: DagFile, owner: Dag, found: Engine) -> Iterator[str]:
    """Yield why a file may not have the id of another file's Dag.

    It is logged, too: Airflow's list of import errors leaves out that of a file whose path has Dags in another bundle.
    """
    for words in _claims(tags, file, owner, owner.file, found) if owner.file else ():
        refusal = _refusal(owner.id, file, f"{words}; choose another id, or remove that one first")
        log.warning("%r", refusal)
        yield refusal


def _claims(tags: Iterable[str], file: DagFile, owner: Dag, owners_file: DagFile, found: Engine) -> Iterator[str]:
    """Yield why a file may not take the id of another file's Dag: its runs and logs would change hands."""
    where = f"`{owners_file.path}` of bundle `{owners_file.bundle}` has a Dag of this id"
    # A row from Airflow 2 has no path until its Dag is parsed, which this may be.
    if owners_file.path and (objection := found.id_rules.objection(owners_file, file)):
        yield f"{where}, and {objection}"
    for tag in sorted(found.with_effective_tags(owner).tags):
        objection = found.tag_rules.objection(tag, file.bundle, file.path)
        if objection:
            yield f"{where} with the tag `{tag}`, and {objection}"
    for tag in sorted(tags) if owners_file.path else ():
        objection = found.tag_rules.objection(tag, owners_file.bundle, owners_file.path)
        if objection:
            yield f"{where}, and {objection}"


def _is_own(path: Any, file: DagFile) -> bool:
    """Whether a path is where a Dag of a file can be: the file, or a module in it when it is an archive."""
    if path == file.path:
        return True
    is_archive = file.path.lower().endswith(".zip")  # as `parsed_file` has it
    return is_archive and isinstance(path, str) and file.contains(path) and "/" not in path[len(file.path) + 1 :]


# -- in the process that runs a Dag's file, and in commands --------------------------------------------------------


def check_dag(dag: Any) -> None:
    """Refuse a Dag that carries a protected tag out of its place.

    Raises:
        AirflowClusterPolicyViolation: saying which tag, which file, and where it may be.
        SystemExit: in a command that cannot read the policy, before it stores anything of this Dag's bundle.
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
        if _being_parsed is None and threading.current_thread() is threading.main_thread():
            # An import error here would make `airflow dags reserialize` take down every Dag that has tags.
            sys.exit(_STOPPED.format("tags", dag.dag_id, error))
        raise AirflowClusterPolicyViolation(
            _refusal(dag.dag_id, file, f"its tags cannot be checked: {error}")
        ) from None
    for tag in sorted(map(str, dag.tags)) if found is not None else ():
        objection = found.tag_rules.objection(tag, _being_parsed and _being_parsed.bundle, file.path) if found else ""
        if objection:
            raise AirflowClusterPolicyViolation(_refusal(dag.dag_id, file, objection))


def check_bag(bag: Any, bundle: str) -> None:
    """Refuse Dags that a command has parsed in a bundle, and whose ids are those of another bundle's files.

    Raises:
        SystemExit: if there is one and the policy cannot be read, before anything of this bundle is stored.
    """
    if not _is_set_up():
        return
    from astro_auth_plugin.tag_protection.dag_id_owners import owners_of  # noqa: PLC0415 - few processes need it

    owners = owners_of(bag.dags.keys(), DagFile(bundle, ""))
    for dag_id, owner in owners.items():
        if owner.file is None or owner.file.bundle == bundle:
            continue
        try:
            found = _store().engine()
        except (SettingsError, PolicyRefused) as error:
            sys.exit(_STOPPED.format("id", dag_id, error))
        dag = bag.dags[dag_id]
        file = DagFile(bundle, dag.relative_fileloc or "")
        if refusals := [*_refusals_of_id(map(str, dag.tags), file, owner, found)]:
            del bag.dags[dag_id]
            before = bag.import_errors.get(file.path)
            bag.import_errors[file.path] = "\n".join(filter(None, [before, *refusals]))


def _in_task() -> bool:
    """Whether this process runs a task: it stores no tags, and its machine may be without the policy file."""
    return hasattr(sys.modules.get("airflow.sdk.execution_time.task_runner"), "SUPERVISOR_COMMS")


def _refusal(dag_id: Any, file: DagFile, why: str) -> str:
    bundle = f" of bundle `{file.bundle}`" if file.bundle else ""
    contact = conf.get("astro_auth", "access_contact", fallback="").strip()
    ask = f" Ask {contact}." if contact else ""
    return f"Dag `{dag_id}` in `{file.path}`{bundle} is refused: {why}.{ask}"
