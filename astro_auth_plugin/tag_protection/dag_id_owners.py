"""Which other file has a Dag of an id, so that its runs and logs are not opened by taking the id over."""

from __future__ import annotations

import logging
from collections.abc import Collection
from pathlib import Path
from typing import Any

from airflow.dag_processing.bundles.manager import DagBundlesManager

from astro_auth_plugin.authorization.dag_lookup import read_dags_with_files, read_stale_dag_ids
from astro_auth_plugin.rbac.model.scopes import Dag, DagFile

log = logging.getLogger(__name__)


def owners_of(dag_ids: Collection[str], own: DagFile) -> dict[str, Dag]:
    """Return the Dags with these ids that other files define.

    A Dag is stale when its file is gone, but also when its file cannot be parsed, which another file may cause.
    """
    others = {dag.id: dag for dag in read_dags_with_files(dag_ids) if not _is_in(dag.file, own)}
    if not others:
        return {}
    stale = read_stale_dag_ids(others)
    gone = _gone_files({file for dag_id in stale if (file := others[dag_id].file)})
    return {dag.id: dag for dag in others.values() if dag.id not in stale or dag.file not in gone}


def _gone_files(files: Collection[DagFile]) -> set[DagFile]:
    # Each bundle is made once, which may be slow, and each file looked at once, which may have thousands of Dags.
    folders = {bundle: _folder(bundle) for bundle in {file.bundle for file in files}}
    return {file for file in files if _is_gone(file.path, folders[file.bundle])}


def _is_in(place: DagFile | None, file: DagFile) -> bool:
    return place is not None and place.bundle == file.bundle and file.contains(place.path)


def _folder(bundle: str) -> Path | None:
    """Return the folder of a bundle; None where it cannot be read."""
    bundles: Any = DagBundlesManager
    try:
        folder = Path(bundles().get_bundle(bundle).path)
    except Exception:  # noqa: BLE001 - a bundle is a class of the operator's
        log.warning("Cannot read bundle %r; its stale Dags keep their ids", bundle)
        return None
    return folder if folder.is_dir() else None


def _is_gone(path: str, folder: Path | None) -> bool:
    """Whether a file, or the archive that it was in, has left its bundle; a bundle that cannot be read keeps it."""
    if folder is None:
        return False
    place = Path(path)
    return not any((folder / part).is_file() for part in (place, *place.parents))
