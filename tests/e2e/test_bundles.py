"""Roles on bundles and folders with a real dag-processor and a real server: what users see follows docs/bundles.md."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pytest

from .client import Caller, Everybody
from .parsing import ParsingAirflow, changes, import_errors, put
from .tables import BEFORE_3_2

# Users by what they have a role on.
USERS = {
    "finance": "id.author",
    "ops": "tag.author",
    "retired": "run.operator",
    "before": "fresh.id",
    "after": "fresh.tag",
    "loads": "id.viewer",
    "reports": "tag.viewer",
}
FOLDERS = {"loads": "finance", "reports": "finance"}
POLICY = """\
version: 1
organization_id: org-e2e
workspaces: [{id: ws-data}]
deployments: [{id: dep-prod, workspace_id: ws-data}]
users:
  - {email: organization.owner@example.com, organization_role: ORGANIZATION_OWNER}
""" + "".join(
    f"  - {{email: {user}@example.com, dag_roles: [{{deployment_id: dep-prod, bundle: {FOLDERS.get(place, place)}, "
    + (f"folder: {place}/, role: DAG_VIEWER}}]}}\n" if place in FOLDERS else "role: DAG_AUTHOR}]}\n")
    for place, user in USERS.items()
)
BUNDLES = ("finance", "ops", "retired", "before", "one", "two")
FIRST_RUN = "first"


class Answers(NamedTuple):
    """What a user is answered about a Dag: whether it is in the list, and in that of stale Dags, too; single requests."""

    listed: bool
    listed_with_stale: bool
    get: int
    runs: int
    trigger: int


ALL = Answers(True, True, 200, 200, 200)
READS = ALL._replace(trigger=403)
NOTHING = Answers(False, False, 403, 403, 403)
STALE = Answers(False, True, 200, 200, 404)
# Airflow 3.1 leaves the Dags of a bundle that is not configured any more as they are.
OF_REMOVED_BUNDLE = ALL if BEFORE_3_2 else STALE


class Bundles:
    """The Airflow, and the users who ask it."""

    def __init__(self, live: ParsingAirflow, everybody: Everybody) -> None:
        self.live = live
        self.owner = everybody["organization.owner"]
        self.users: dict[str, Caller] = {place: everybody[user] for place, user in USERS.items()}
        self.folders = {name: live.home / "bundles" / name for name in BUNDLES}

    def path(self, bundle: str, file: str) -> Path:
        """Where a file of a bundle is."""
        return self.folders[bundle] / file

    def parse(self, **other_folders: Path | None) -> str:
        """Parses the bundles, of which some have other folders, or are not configured (None)."""
        folders = {**self.folders, **other_folders}
        self.live.configure({name: folder for name, folder in folders.items() if folder})
        return self.live.parse()

    def errors(self) -> dict[str, str]:
        """The import errors by bundle and file."""
        return import_errors(self.owner)

    def asked(self, place: str, dag_id: str) -> Answers:
        """What the user of a place is answered about a Dag."""
        caller, path = self.users[place], f"/api/v2/dags/{dag_id}"
        return Answers(
            dag_id in listed(caller, "true"),
            dag_id in listed(caller, "false"),
            caller.get(path).status_code,
            caller.get(f"{path}/dagRuns").status_code,
            caller.request("POST", f"{path}/dagRuns", json={"logical_date": None}).status_code,
        )

    def having(self, dag_id: str) -> dict[str, Answers]:
        """The users who are answered anything but `NOTHING` about a Dag, and what."""
        answers = {place: self.asked(place, dag_id) for place in self.users}
        return {place: answer for place, answer in answers.items() if answer != NOTHING}

    def runs(self, place: str, dag_id: str) -> set[str]:
        """The runs of a Dag, as the user of a place sees them."""
        found: Any = self.users[place].json(f"/api/v2/dags/{dag_id}/dagRuns?limit=500")
        return {run["dag_run_id"] for run in found["dag_runs"]}

    def run(self, place: str, dag_id: str) -> None:
        """Has the user of a place make the first run of a Dag."""
        body = {"dag_run_id": FIRST_RUN, "logical_date": None}
        made = self.users[place].request("POST", f"/api/v2/dags/{dag_id}/dagRuns", json=body)
        assert made.status_code == httpx.codes.OK, made.text


def listed(caller: Caller, exclude_stale: str) -> set[str]:
    """The Dags in the list of a user."""
    answer = caller.json(f"/api/v2/dags?limit=500&exclude_stale={exclude_stale}")
    assert answer["total_entries"] == len(answer["dags"])
    return {dag["dag_id"] for dag in answer["dags"]}


def refusal(dag_id: str, file: str, bundle: str, owner: str, why: str) -> str:
    """The import error, as the docs have it."""
    return (
        f"Dag `{dag_id}` in `{file}` of bundle `{bundle}` is refused: {owner} has a Dag of this id, and {why}; "
        "choose another id, or remove that one first. Ask access@example.com."
    )


@pytest.fixture(scope="module")
def bundles(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bundles]:
    """The Airflow after its first Dags have been parsed; each test has Dags of its own."""
    home = tmp_path_factory.mktemp("bundles")
    live = ParsingAirflow(home, database=f"sqlite:///{home}/airflow.db")
    live.prepare()
    live.policy.write_text(POLICY)
    live.start()
    with httpx.Client(base_url=live.url, timeout=180) as client:
        found = Bundles(live, Everybody(client))
        for folder in found.folders.values():
            folder.mkdir(parents=True)
        for dag_id in ("taken", "reserialized", "moved", "moved_late"):
            put(found.path("finance", f"{dag_id}.py"), dag_id)
        put(found.path("finance", "loads/daily.py"), "daily")
        put(found.path("ops", "pipeline.py"), "pipeline")
        put(found.path("retired", "old.py"), "old")
        put(found.path("before", "renamed.py"), "renamed")
        put(found.path("one", "shared.py"), "shared")
        found.parse()
        assert not found.errors()
        for place, dag_id in (("finance", "moved"), ("retired", "old"), ("before", "renamed")):
            found.run(place, dag_id)
        yield found
    live.stop()


def test_roles_are_on_what_is_in_the_bundle(bundles: Bundles) -> None:
    """Users with a role on a bundle have all of its Dags, those with one on a folder what is below it."""
    assert bundles.having("taken") == {"finance": ALL}
    assert bundles.having("pipeline") == {"ops": ALL}
    assert bundles.having("daily") == {"finance": ALL, "loads": READS}
    # Only the Owner has a role on it.
    assert bundles.having("shared") == {}


def test_an_id_in_two_bundles(bundles: Bundles) -> None:
    """The Dag stays that of the first bundle, also where its file cannot be parsed, and the error says why.

    One of the other files has the same path, by which Airflow 3.1 finds the Dags of an error, whatever their bundle,
    and which Airflow's list of errors leaves out.
    """
    own, others = bundles.path("finance", "taken.py"), [bundles.path("ops", name) for name in ("taken.py", "a/b.py")]
    for other in others:
        put(other, "taken", "daily")
    owner, why = "`taken.py` of bundle `finance`", "the policy has roles on bundle `finance`"
    text = own.read_text()
    for broken, answers in ((False, ALL), (True, STALE)):
        own.write_text("raise ValueError\n" if broken else text)
        log = bundles.parse()
        assert bundles.errors()["ops/a/b.py"] == refusal("taken", "a/b.py", "ops", owner, why)
        assert refusal("taken", "taken.py", "ops", owner, why) in log
        assert bundles.having("taken") == {"finance": answers}
        row = bundles.owner.json("/api/v2/dags/taken")
        assert (row["bundle_name"], row["relative_fileloc"], row["tags"]) == ("finance", "taken.py", [])
    for other in others:
        other.unlink()
    own.write_text(text)
    bundles.parse()
    assert not bundles.errors()
    assert bundles.having("taken") == {"finance": ALL}


def test_protect_dag_ids(bundles: Bundles) -> None:
    """The option protects the ids of bundles without roles, too; without it they go to the file that is parsed last."""
    put(bundles.path("two", "also.py"), "shared")
    bundles.live.put_policy(f"{POLICY}protect_dag_ids: true\n".encode())
    bundles.parse()
    expected = refusal(
        "shared", "also.py", "two", "`shared.py` of bundle `one`", "`protect_dag_ids` of the policy is set"
    )
    assert bundles.errors() == {"two/also.py": expected}
    assert bundles.owner.json("/api/v2/dags/shared")["bundle_name"] == "one"
    bundles.live.put_policy(POLICY.encode())
    bundles.path("one", "shared.py").write_text("raise ValueError\n")
    bundles.parse()
    assert bundles.owner.json("/api/v2/dags/shared")["bundle_name"] == "two"
    bundles.path("one", "shared.py").unlink()


def test_commands_move_no_ids(bundles: Bundles) -> None:
    """`airflow dags reserialize` refuses what the dag-processor refuses."""
    other = bundles.path("ops", "reserializer.py")
    put(other, "reserialized")
    command = [sys.executable, "-m", "airflow", "dags", "reserialize"]
    live = bundles.live
    done = subprocess.run(command, env=live.environment(), cwd=live.home, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-4000:]
    owner, why = "`reserialized.py` of bundle `finance`", "the policy has roles on bundle `finance`"
    assert bundles.errors()["ops/reserializer.py"] == refusal("reserialized", "reserializer.py", "ops", owner, why)
    assert bundles.having("reserialized") == {"finance": ALL}
    assert bundles.having("pipeline") == {"ops": ALL}
    other.unlink()


def test_moving_a_dag_to_another_bundle(bundles: Bundles) -> None:
    """By the steps of the docs it changes hands with its runs; in the other order it is refused until the first step."""
    # 1. Remove its file from the old bundle.
    bundles.path("finance", "moved.py").unlink()
    put(bundles.path("ops", "late.py"), "moved_late")
    bundles.parse()
    assert bundles.having("moved") == {"finance": STALE}
    assert "has a Dag of this id" in bundles.errors()["ops/late.py"]
    assert bundles.having("moved_late") == {"finance": ALL}
    # 2. Add the file to the new bundle.
    put(bundles.path("ops", "moved.py"), "moved")
    bundles.path("finance", "moved_late.py").unlink()
    log = bundles.parse()
    assert not bundles.errors()
    for dag_id in ("moved", "moved_late"):
        assert bundles.having(dag_id) == {"ops": ALL}
    assert FIRST_RUN in bundles.runs("ops", "moved")
    (reported,) = [entry for entry in changes(log) if entry["dag_id"] == "moved"]
    assert (reported["old_bundle"], reported["bundle"]) == ("finance", "ops")
    assert (reported["lost"], reported["gained"]) == (["id.author@example.com"], ["tag.author@example.com"])


def test_moving_a_file_to_another_folder(bundles: Bundles) -> None:
    """The roles on the folder follow when the file has been parsed in its new place; those on the bundle stay."""
    new = bundles.path("finance", "reports/daily.py")
    new.parent.mkdir()
    bundles.path("finance", "loads/daily.py").rename(new)
    assert bundles.having("daily") == {"finance": ALL, "loads": READS}
    bundles.parse()
    assert not bundles.errors()
    assert bundles.having("daily") == {"finance": ALL, "reports": READS}


def test_renaming_a_bundle(bundles: Bundles) -> None:
    """Renamed at once, its Dags are refused and stay as they are; by the steps of the docs they come with their runs."""
    folder, empty = bundles.folders.pop("before"), bundles.live.home / "empty"
    empty.mkdir()
    log = bundles.parse(after=folder)
    owner, why = "`renamed.py` of bundle `before`", "the policy has roles on bundle `before`"
    assert refusal("renamed", "renamed.py", "after", owner, why) in log
    assert bundles.having("renamed") == {"before": OF_REMOVED_BUNDLE}
    # The old name has an empty folder until the Dags have been parsed under the new one.
    bundles.parse(before=empty, after=folder)
    assert not bundles.errors()
    assert bundles.having("renamed") == {"after": ALL}
    assert FIRST_RUN in bundles.runs("after", "renamed")
    # Then it goes.
    bundles.folders["after"] = folder
    bundles.parse()
    assert not bundles.errors()
    assert bundles.having("renamed") == {"after": ALL}


def test_removing_a_bundle(bundles: Bundles) -> None:
    """Its Dags keep their runs, their users and their ids, until they are deleted."""
    bundles.folders.pop("retired")
    put(bundles.path("ops", "again.py"), "old")
    bundles.parse()
    owner, why = "`old.py` of bundle `retired`", "the policy has roles on bundle `retired`"
    assert bundles.errors() == {"ops/again.py": refusal("old", "again.py", "ops", owner, why)}
    assert bundles.having("old") == {"retired": OF_REMOVED_BUNDLE}
    assert FIRST_RUN in bundles.runs("retired", "old")
    deleted = bundles.owner.request("DELETE", "/api/v2/dags/old")
    assert deleted.status_code == httpx.codes.NO_CONTENT, deleted.text
    bundles.parse()
    assert not bundles.errors()
    assert bundles.having("old") == {"ops": ALL}
    assert FIRST_RUN not in bundles.runs("ops", "old")
