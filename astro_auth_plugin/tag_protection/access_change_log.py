"""One line in the log for each Dag whose new tags or new file change who has access, when the change has been stored.

SQLAlchemy reports which rows a transaction changes, and the dag-processor locks a Dag's row while it changes its tags,
so of several dag-processors exactly the one that makes a change logs it.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable
from typing import Any

from airflow.models.dag import DagModel
from sqlalchemy import event, inspect
from sqlalchemy.orm import Session

from astro_auth_plugin.rbac.engine.engine import Engine
from astro_auth_plugin.rbac.model.scopes import Dag, DagFile, Label, label_of, labels
from astro_auth_plugin.rbac.policy.grants import grants, subjects_by_principal
from astro_auth_plugin.tag_protection import dag_processor

log = logging.getLogger(__name__)

MAX_NAMES = 100
"""How many of those who gained or lost are named; the line says how many there are."""

_KEY = "astro_auth_tag_changes"


def install() -> None:
    """Watch what the sessions of this process store."""
    event.listen(Session, "before_flush", _note)
    event.listen(Session, "after_commit", _tell)
    event.listen(Session, "after_rollback", lambda session: session.info.pop(_KEY, None))


def _note(session: Session, *_: Any) -> None:
    """Keep how each changed Dag was before the transaction, and how it is going to be."""
    for row in (*session.new, *session.dirty):
        if isinstance(row, DagModel) and ("tags" in inspect(row).dict or row in session.new):
            changes: dict[str, tuple[Dag, Dag]] = session.info.setdefault(_KEY, {})
            before = changes[row.dag_id][0] if row.dag_id in changes else _before(row, is_new=row in session.new)
            changes[row.dag_id] = (
                before,
                _dag(row, (tag.name for tag in row.tags), row.bundle_name, row.relative_fileloc),
            )


def _before(row: DagModel, *, is_new: bool) -> Dag:
    if is_new:
        return _dag(row, (), None, None)
    state: Any = inspect(row)
    was: dict[str, Any] = {name: state.attrs[name].history for name in ("tags", "bundle_name", "relative_fileloc")}
    tags = [tag.name for tag in (*was["tags"].unchanged, *was["tags"].deleted)]
    bundle, path = ((*was[name].deleted, *was[name].unchanged, None)[0] for name in ("bundle_name", "relative_fileloc"))
    return _dag(row, tags, bundle, path)


def _dag(row: DagModel, tags: Iterable[str], bundle: str | None, path: str | None) -> Dag:
    return Dag(row.dag_id, frozenset(tags), DagFile(bundle or "", path or ""))


def _tell(session: Session) -> None:
    if session.in_nested_transaction():
        return
    changes = session.info.pop(_KEY, {})
    try:
        for before, after in changes.values():
            if before != after:
                _tell_of(before, after, dag_processor.engine())
    except Exception:
        # The change is stored: its author is not affected by what fails here.
        log.exception("Could not log who gained and lost access by a change of tags or files")


def _tell_of(before: Dag, after: Dag, engine: Engine | None) -> None:
    if engine is None:
        return
    before, after = engine.with_effective_tags(before), engine.with_effective_tags(after)
    had, has = labels(before), labels(after)
    gained, lost = [], []
    for subject in _concerned(engine, had ^ has) if had != has else ():
        access = engine.access(subject)
        held, holds = access.on(before), access.on(after)
        gained += [subject] if holds & ~held else []
        lost += [subject] if held & ~holds else []
    if gained or lost:
        entry = {
            "dag_id": after.id,
            "bundle": after.file and after.file.bundle,
            "file": after.file and after.file.path,
            "old_bundle": before.file and before.file.bundle,
            "old_file": before.file and before.file.path,
            "old_tags": sorted(before.tags),
            "new_tags": sorted(after.tags),
            "gained": sorted(gained)[:MAX_NAMES],
            "gained_count": len(gained),
            "lost": sorted(lost)[:MAX_NAMES],
            "lost_count": len(lost),
        }
        log.warning("tags changed access %s", json.dumps(entry))


def _concerned(engine: Engine, changed: frozenset[Label]) -> set[str]:
    """Return everybody who is given a role on one of the tags, bundles or folders, here or in another Deployment."""
    document = engine.policy.document
    given = {grant.principal for grant in grants(document) if label_of(grant.scope) in changed}
    by_principal = subjects_by_principal(document, engine.at) if given else {}
    return {subject for principal in given for subject in by_principal[principal]}
