"""Import errors change the Dags of their own bundle only."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from airflow.dag_processing import collection
from airflow.models import DagModel
from airflow.models.dagbundle import DagBundleModel
from sqlalchemy import event, select, update
from sqlalchemy.orm import Session

from astro_auth_plugin.tag_protection import import_errors

BUNDLES = {"errors-own": "own", "errors-other": "other"}


@pytest.fixture
def session(metadata_database: Any) -> Iterator[Session]:
    """A session, and two Dags of the same path in two bundles; nothing of it is stored."""
    if not event.contains(Session, "do_orm_execute", import_errors._keep_to_bundle):
        import_errors.install()
    with Session(metadata_database) as opened:
        opened.add_all(DagBundleModel(name=name) for name in BUNDLES)
        opened.flush()
        for bundle, dag_id in BUNDLES.items():
            opened.add(DagModel(dag_id=dag_id, bundle_name=bundle, relative_fileloc="a.py", is_stale=False))
        opened.flush()
        yield opened
        opened.rollback()


def stored(session: Session) -> dict[str, tuple[str, bool, bool]]:
    """The bundle of both Dags, whether they are stale, and whether they have import errors."""
    columns = DagModel.dag_id, DagModel.bundle_name, DagModel.is_stale, DagModel.has_import_errors
    found = session.execute(select(*columns).where(DagModel.dag_id.in_(BUNDLES.values())))
    return {dag_id: (bundle, bool(stale), bool(errors)) for dag_id, bundle, stale, errors in found}


def test_an_import_error(session: Session) -> None:
    """The installed Airflow leaves Dags of the same path in other bundles as they are."""
    errors = {("errors-own", "a.py"): "why"}
    collection._update_import_errors({("errors-own", "a.py")}, "errors-own", errors, session)
    assert stored(session) == {"own": ("errors-own", True, True), "other": ("errors-other", False, False)}


def test_the_statement_of_airflow_3_1(session: Session) -> None:
    """What Airflow 3.1 sends changes no Dag of another bundle; other changes of a Dag's bundle are as they were."""
    of_path = update(DagModel).where(DagModel.relative_fileloc == "a.py")
    session.execute(of_path.values(has_import_errors=True, bundle_name="errors-own", is_stale=True))
    assert stored(session) == {"own": ("errors-own", True, True), "other": ("errors-other", False, False)}
    session.execute(of_path.values(has_import_errors=False))
    session.execute(of_path.values(bundle_name="errors-own"))
    assert {bundle for bundle, *_ in stored(session).values()} == {"errors-own"}
