"""Who has the id of a Dag: other files, also where their Dag is stale because it cannot be parsed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from airflow.models import DagModel
from airflow.models.dagbundle import DagBundleModel
from sqlalchemy.orm import Session

from astro_auth_plugin.authorization import dag_lookup
from astro_auth_plugin.rbac.model.scopes import Dag, DagFile
from astro_auth_plugin.tag_protection.dag_id_owners import owners_of
from tests.conftest import CountStatements

LOCAL = "airflow.dag_processing.bundles.local.LocalDagBundle"
TAKER = DagFile("of-owners", "x/a.py")
OWNED = {"owned": "fin/a.py", "zipped": "fin.zip/a.py"}


@pytest.fixture
def folder(tmp_path: Path, metadata_database: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder of the bundle with the files of two stale Dags, one of them in an archive."""
    config = [{"name": "of-owners", "classpath": LOCAL, "kwargs": {"path": str(tmp_path / "dags")}}]
    monkeypatch.setenv("AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_CONFIG_LIST", json.dumps(config))
    (tmp_path / "dags" / "fin").mkdir(parents=True)
    (tmp_path / "dags" / "fin" / "a.py").touch()
    (tmp_path / "dags" / "fin.zip").touch()
    with Session(metadata_database) as session:
        session.merge(DagBundleModel(name="of-owners"))
        session.flush()
        for dag_id, path in OWNED.items():
            session.add(DagModel(dag_id=dag_id, bundle_name="of-owners", relative_fileloc=path, is_stale=True))
        session.commit()
    yield tmp_path / "dags"
    with Session(metadata_database) as session:
        for dag_id in OWNED:
            session.delete(session.get(DagModel, dag_id))
        session.delete(session.get(DagBundleModel, "of-owners"))
        session.commit()


def test_stale_dag_whose_file_is_there(folder: Path) -> None:
    """A stale Dag keeps its id until its file, or the archive that it is in, is gone."""
    assert owners_of(set(OWNED), TAKER) == {
        dag_id: Dag(dag_id, frozenset(), DagFile("of-owners", path)) for dag_id, path in OWNED.items()
    }
    (folder / "fin.zip").unlink()
    assert set(owners_of(set(OWNED), TAKER)) == {"owned"}
    (folder / "fin" / "a.py").unlink()
    assert owners_of(set(OWNED), TAKER) == {}


def test_unreadable_bundle(folder: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    """Where a bundle is not there or not known, its stale Dags keep their ids."""
    folder.rename(folder.with_name("elsewhere"))
    assert set(owners_of(set(OWNED), TAKER)) == set(OWNED)
    monkeypatch.setenv("AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_CONFIG_LIST", "[]")
    assert set(owners_of(set(OWNED), TAKER)) == set(OWNED)
    assert "keep their ids" in caplog.text


@pytest.mark.usefixtures("folder")
def test_own_file() -> None:
    """A file and an archive own their Dags themselves."""
    assert set(owners_of(set(OWNED), DagFile("of-owners", "fin/a.py"))) == {"zipped"}
    assert set(owners_of(set(OWNED), DagFile("of-owners", "fin.zip"))) == {"owned"}
    assert set(owners_of(set(OWNED), DagFile("plain", "fin.zip"))) == set(OWNED)


@pytest.mark.usefixtures("dags")
def test_statements(statements: CountStatements, monkeypatch: pytest.MonkeyPatch) -> None:
    """Files of Dags are read in one statement, stale ones only where another file has the id; none for no id."""
    with statements() as sent:
        assert owners_of(set(), TAKER) == {}
        assert not sent
        assert owners_of({"no such Dag"}, TAKER) == {}
        assert len(sent) == 1
        assert set(owners_of({"ops_sync"}, TAKER)) == {"ops_sync"}
        assert len(sent) == 3
    # Databases limit the parameters of a statement.
    monkeypatch.setattr(dag_lookup, "MAX_PARAMETERS", 1)
    with statements() as sent:
        assert set(owners_of({"ops_sync", "fin_daily"}, TAKER)) == {"ops_sync", "fin_daily"}
    assert not any("dag_id IN" in statement for statement in sent)
