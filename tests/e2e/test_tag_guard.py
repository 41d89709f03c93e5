"""Protected tags in a real dag-processor: who takes one out of its place is refused and gains nothing."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from . import smuggling
from .client import Caller, Everybody
from .database import Database
from .live import in_a_file
from .parsing import ParsingAirflow, changes, import_errors, put
from .smuggling import PLAIN

POLICY = """\
version: 1
organization_id: org-e2e
workspaces: [{id: ws-data}]
deployments: [{id: dep-prod, workspace_id: ws-data}]
protect_granted_tags: true
protected_tags:
  - deployment_id: dep-prod
    tag: "guard:finance"
    only_in: [{bundle: dags-folder, files: ["finance/**"]}, {bundle: other-finance, files: ["**"]}]
  - deployment_id: dep-prod
    tag: "guard:*"
    only_in: [{bundle: dags-folder, files: ["ops/"]}]
users:
  - {email: organization.owner@example.com, organization_role: ORGANIZATION_OWNER}
  - {email: tag.viewer@example.com, dag_roles: [{deployment_id: dep-prod, tag: "guard:finance", role: DAG_VIEWER}]}
  - {email: fresh.tag@example.com, dag_roles: [{deployment_id: dep-prod, tag: "guard:ops", role: DAG_AUTHOR}]}
  - {email: fresh.id@example.com, dag_roles: [{deployment_id: dep-prod, tag: "unplaced", role: DAG_AUTHOR}]}
"""
LIVES = ("inside", "out", "handed", "retagged", "renamed")
GOOD = {"good", "owned", "zipped", "far", *LIVES}


class Guarded(ParsingAirflow):
    """An Airflow with three bundles, whose Dags a real dag-processor parses."""

    def __init__(self, home: Path) -> None:
        super().__init__(home, database=f"sqlite:///{home}/airflow.db")
        self.configure(
            {"dags-folder": home / "dags", "other-finance": home / "other-finance", "other-ops": home / "other-ops"}
        )
        self.owner: Caller | None = None
        self.viewer: Caller | None = None

    def meanwhile(self) -> None:
        """No user gains anything in between."""
        assert self.seen() <= GOOD | {"renamed_too"}

    def seen(self) -> set[str]:
        """The Dags that whoever holds a role on `guard:finance` sees, by list and one by one."""
        assert self.viewer is not None
        return {dag["dag_id"] for dag in self.viewer.json("/api/v2/dags?limit=500&exclude_stale=false")["dags"]}

    def errors(self) -> dict[str, str]:
        """The import errors by bundle and file."""
        assert self.owner is not None
        return import_errors(self.owner)


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    """The Airflow, after its first Dags have been parsed."""
    live = Guarded(tmp_path_factory.mktemp("guarded"))
    for name in ("other-finance", "other-ops"):
        (live.home / name).mkdir()
    live.prepare()
    # The Dags of the other tests go.
    (live.home / "dags").rename(live.home / "unused")
    live.policy.write_text(POLICY)
    live.start()
    with httpx.Client(base_url=live.url, timeout=180) as client:
        everybody = Everybody(client)
        live.owner, live.viewer = everybody["organization.owner"], everybody["tag.viewer"]
        dags = live.home / "dags"
        put(dags / "finance" / "good.py", "good", "guard:finance")
        put(dags / "finance" / "owned.py", "owned", "guard:finance")
        for name in LIVES:
            put(dags / "finance" / f"{name}.py", name, "guard:finance")
        (dags / "finance" / "factory.py").write_text(
            "from airflow.sdk import DAG\ndef make(dag_id): return DAG(dag_id, schedule=None, tags=['guard:finance'])\n"
        )
        with smuggling.zipfile.ZipFile(dags / "finance" / "pack.zip", "w") as archive:
            archive.writestr("zipped.py", PLAIN.replace("{id}", "zipped").replace("{tags}", "['guard:finance']"))
        put(live.home / "other-finance" / "deep" / "far.py", "far", "guard:finance")
        put(live.home / "other-ops" / "finance" / "elsewhere.py", "elsewhere", "guard:finance")
        put(dags / "ops" / "operated.py", "operated", "guard:ops")
        put(dags / "unplaced.py", "unplaced", "unplaced")
        live.first_log = live.parse()
        yield live
    live.stop()


def test_in_its_place(guarded: Guarded) -> None:
    """A Dag in a place of its tag works, in an archive and in a bundle of its own, too."""
    assert guarded.seen() == GOOD
    assert not {name for name in guarded.errors() if "/finance/" in name} - {"other-ops/finance/elsewhere.py"}


def test_out_of_its_place(guarded: Guarded) -> None:
    """A Dag of the same path in another bundle does not appear, and the error says which tag, where it may be, whom to ask."""
    reported = guarded.errors()["other-ops/finance/elsewhere.py"]
    assert "Dag `elsewhere` in `finance/elsewhere.py` of bundle `other-ops` is refused" in reported
    where = "`finance/**` of bundle `dags-folder`; `**` of bundle `other-finance`"
    assert f"the tag `guard:finance` is only for Dags in {where}. Ask access@example.com." in reported
    assert guarded.owner.get("/api/v2/dags/elsewhere").status_code == 404


def test_no_place(guarded: Guarded) -> None:
    """A tag that a grant uses and no entry names may be carried by no Dag."""
    reported = guarded.errors()["dags-folder/unplaced.py"]
    assert "no Dag may use the tag `unplaced`, because `protected_tags` of the policy names no place for it" in reported


def test_who_gained_is_told(guarded: Guarded) -> None:
    """A new Dag that somebody gains by its tag is one line."""
    (reported,) = [entry for entry in changes(guarded.first_log) if entry["dag_id"] == "good"]
    assert reported == {
        "dag_id": "good",
        "bundle": "dags-folder",
        "file": "finance/good.py",
        "old_bundle": "",
        "old_file": "",
        "old_tags": [],
        "new_tags": ["guard:finance"],
        "gained": ["tag.viewer@example.com"],
        "gained_count": 1,
        "lost": [],
        "lost_count": 0,
    }
    assert {entry["dag_id"] for entry in changes(guarded.first_log)} == GOOD | {"operated"}


@pytest.fixture(scope="module")
def smuggled(guarded: Guarded, database_of: Database) -> Iterator[dict[str, str]]:
    """The import errors after every way to smuggle a tag has been tried."""
    operated = guarded.home / "dags" / "ops" / "operated.py"
    text = operated.read_text()
    operated.unlink()
    shutil.rmtree(operated.parent)
    smuggling.write(operated.parent)
    operated.write_text(text)
    guarded.smuggling_log = guarded.parse()
    yield guarded.errors()
    for path in operated.parent.iterdir():
        if path != operated and path.is_file():
            path.unlink()


@pytest.fixture(scope="module")
def database_of(guarded: Guarded) -> Database:
    """The metadata database."""
    return Database(guarded.engine)


@pytest.mark.parametrize("way", [*smuggling.WAYS, "linked", "packed"])
def test_smuggling(way: str, guarded: Guarded, smuggled: dict[str, str], database_of: Database) -> None:
    """However a Dag takes the tag, it is refused with an import error, and its row carries no such tag."""
    suffix = "zip" if way == "packed" else "py"
    errors = [text for name, text in smuggled.items() if f"ops/{way}.{suffix}" in name]
    assert errors or way in smuggling.SILENT
    carried = "SELECT dag_id FROM dag_tag WHERE name = :tag AND dag_id = :dag"
    assert database_of.rows(carried, tag=smuggling.TAG, dag=way) == []
    assert way not in guarded.seen()
    assert guarded.viewer.get(f"/api/v2/dags/{way}").status_code == 403


def test_smuggling_harms_nobody(guarded: Guarded, smuggled: dict[str, str], database_of: Database) -> None:
    """What others wrote stays as it was: in its place, not stale, without an error of somebody else's."""
    assert guarded.seen() == GOOD
    good = database_of.rows("SELECT dag_id, relative_fileloc, is_stale FROM dag WHERE dag_id IN ('good', 'owned')")
    assert sorted(good) == [("good", "finance/good.py", 0), ("owned", "finance/owned.py", 0)]
    assert not {name for name in smuggled if name.startswith("dags-folder/finance/")}
    assert not list(guarded.home.rglob("*.ran")), "Airflow has run what the data of a Dag name"
    assert "tags changed access" not in guarded.smuggling_log
    assert "of a Dag of this id" not in guarded.smuggling_log


def test_ids_are_not_taken_over(smuggled: dict[str, str]) -> None:
    """A file cannot define a Dag that another file defines with a tag that it may not carry itself."""
    assert (
        "`finance/owned.py` of bundle `dags-folder` has a Dag of this id"
        in smuggled["dags-folder/ops/id_of_another.py"]
    )


def test_linked_folder(smuggled: dict[str, str]) -> None:
    """A link to the folder of a tag is another place."""
    assert "`guard:finance` is only for" in smuggled["dags-folder/ops/linked_folder/far.py"]


def reported(entry: dict) -> tuple:
    """Which Dag it is about, who gained and who lost."""
    return entry["dag_id"], entry["old_tags"], entry["new_tags"], entry["gained"], entry["lost"]


VIEWER, AUTHOR = ["tag.viewer@example.com"], ["fresh.tag@example.com"]


def test_lives(guarded: Guarded, smuggled: dict[str, str]) -> None:
    """Moved, handed over, renamed, its tag taken and given back: whose Dag it is follows, and each change is one line."""
    dags = guarded.home / "dags"
    (dags / "finance" / "deep").mkdir()
    (dags / "finance" / "inside.py").rename(dags / "finance" / "deep" / "inside.py")
    (dags / "finance" / "out.py").rename(dags / "ops" / "out.py")
    (dags / "finance" / "handed.py").unlink()
    put(dags / "ops" / "handed.py", "handed", "guard:ops")
    put(dags / "finance" / "retagged.py", "retagged")
    (dags / "finance" / "renamed.py").unlink()
    put(dags / "finance" / "renamed_too.py", "renamed_too", "guard:finance")
    log = guarded.parse()
    # Moved out it is no Dag any more; what it was stays with those who had it.
    assert "is only for Dags in" in guarded.errors()["dags-folder/ops/out.py"]
    assert guarded.seen() == GOOD - {"handed", "retagged"} | {"renamed_too"}
    assert sorted(map(reported, changes(log))) == [
        ("handed", ["guard:finance"], ["guard:ops"], AUTHOR, VIEWER),
        ("renamed_too", [], ["guard:finance"], VIEWER, []),
        ("retagged", ["guard:finance"], [], [], VIEWER),
    ]
    (dags / "ops" / "out.py").rename(dags / "finance" / "out.py")
    (dags / "ops" / "handed.py").unlink()
    put(dags / "finance" / "handed.py", "handed", "guard:finance")
    put(dags / "finance" / "retagged.py", "retagged", "guard:finance")
    log = guarded.parse()
    assert guarded.seen() == GOOD | {"renamed_too"}
    assert sorted(map(reported, changes(log))) == [
        ("handed", ["guard:ops"], ["guard:finance"], VIEWER, AUTHOR),
        ("retagged", [], ["guard:finance"], VIEWER, []),
    ]


def test_what_got_into_the_database(guarded: Guarded, database_of: Database) -> None:
    """A protected tag in the database counts only for a Dag whose row is of the right bundle and file."""
    database_of.run("INSERT INTO dag_tag (name, dag_id) VALUES ('guard:finance', 'operated')")
    assert "operated" not in guarded.seen()
    assert guarded.viewer.get("/api/v2/dags/operated").status_code == 403
    database_of.run("UPDATE dag SET relative_fileloc = 'finance/../ops/operated.py' WHERE dag_id = 'operated'")
    assert "operated" not in guarded.seen()
    database_of.run("UPDATE dag SET relative_fileloc = NULL WHERE dag_id = 'operated'")
    assert "operated" not in guarded.seen()
    database_of.run("UPDATE dag SET relative_fileloc = 'finance/operated.py' WHERE dag_id = 'operated'")
    assert "operated" in guarded.seen()
    database_of.run(
        "DELETE FROM dag_tag WHERE name = 'guard:finance' AND dag_id = 'operated'",
        "UPDATE dag SET relative_fileloc = 'ops/operated.py' WHERE dag_id = 'operated'",
    )


def test_policy_changes(guarded: Guarded) -> None:
    """A place that the policy takes away is no place from the next request on, parsed or not."""
    before = guarded.seen()
    guarded.put_policy(POLICY.replace('"finance/**"', '"finance/owned.py"').encode())
    assert guarded.seen() == {"owned", "far"}
    guarded.put_policy(POLICY.encode())
    assert guarded.seen() == before


@in_a_file
def test_without_a_policy(guarded: Guarded) -> None:
    """A dag-processor that cannot read the policy stops and says why, and changes nothing."""
    before = guarded.seen()
    guarded.policy.rename(guarded.home / "away.yaml")
    try:
        with pytest.raises(AssertionError, match="cannot read the policy file"):
            guarded.parse()
    finally:
        (guarded.home / "away.yaml").rename(guarded.policy)
    assert guarded.seen() == before
