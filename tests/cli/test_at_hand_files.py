"""The Dags of `--dags` may say where they are, in the words of Airflow's REST API."""

from __future__ import annotations

import json
from argparse import Namespace
from pathlib import Path

import pytest

from astro_auth_plugin.cli.at_hand import read_dags
from astro_auth_plugin.rbac.scopes import Dag, DagFile


@pytest.mark.parametrize(
    ("said", "file"),
    [
        ({}, None),
        ({"bundle_name": "b", "relative_fileloc": "a.py"}, DagFile("b", "a.py")),
        ({"bundle_name": None, "relative_fileloc": None}, DagFile("", "")),
        ({"relative_fileloc": "a.py"}, DagFile("", "a.py")),
    ],
)
def test_files_of_dags(said: dict, file: DagFile | None, tmp_path: Path) -> None:
    """A Dag that says nothing of its place is where its tags count; one that says half of it is nowhere."""
    path = tmp_path / "dags.json"
    path.write_text(json.dumps({"dags": [{"dag_id": "d", "tags": [{"name": "t"}], **said}]}))
    assert read_dags(Namespace(dags=str(path))) == [Dag("d", frozenset("t"), file)]
