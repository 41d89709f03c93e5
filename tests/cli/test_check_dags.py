"""Dag files are read for protected tags, and never run."""

from __future__ import annotations

import json
import os
import re
import shlex
import zipfile
from pathlib import Path

import pytest
import yaml

from astro_auth_plugin.cli.check_dags import LARGEST
from astro_auth_plugin.cli.main import main
from astro_auth_plugin.tag_protection.static_tags import TagUse, tag_uses
from tests.in_request import HEAD

PROTECTED = """\
protected_tags:
  - {deployment_id: dep, tag: "team:finance", only_in: [{bundle: main, files: ["finance/"]}]}
users:
  - {email: ana@example.com, dag_roles: [{deployment_id: dep, tag: "team:finance", role: DAG_VIEWER}]}
"""
ELSEWHERE = "the tag `team:finance` is only for Dags in `finance/` of bundle `main`"
UNKNOWN = "these tags are not literals, so they are unknown before the file is parsed"


@pytest.mark.parametrize(
    ("text", "tags"),
    [
        ("DAG('a', tags=['x', 'y'])", ("x", "y")),
        ("@dag(tags={'x'})\ndef a(): ...", ("x",)),
        ("sdk.DAG('a', tags=('x',))", ("x",)),
        ("make('a', tags=['x'])", ("x",)),
        ("DAG('a', tags=None)", ()),
        ("DAG('a', tags=[])", ()),
        ("X = 'x'\nDAG('a', tags=[X, 'y'])", ("x", "y")),
        ("TAGS = ['x']\nDAG('a', tags=TAGS)", ("x",)),
        ("DAG('a', tags=['x' + 'y'])", None),
        ("DAG('a', tags=[f'{x}'])", None),
        ("DAG('a', tags=[b'x'])", None),
        ("DAG('a', tags=[*others])", None),
        ("DAG('a', tags=['x'] + ['y'])", None),
        ("DAG('a', tags='x'.split())", None),
        ("DAG('a', tags=imported)", None),
        ("DAG('a', **arguments)", None),
        ("@dag(**arguments)\ndef a(): ...", None),
        ("TAGS = ['x']\nTAGS = ['y']\nDAG('a', tags=TAGS)", None),
        ("TAGS = ['x']\nTAGS += ['y']\nDAG('a', tags=TAGS)", None),
        ("TAGS = ['x']\nTAGS.append('y')\nDAG('a', tags=TAGS)", None),
        ("TAGS = ['x']\nTAGS[0] = 'y'\nDAG('a', tags=TAGS)", None),
        ("TAGS = ['x']\ndef make(TAGS): DAG('a', tags=TAGS)", None),
        ("TAGS = ['x']\nfrom a import TAGS\nDAG('a', tags=TAGS)", None),
        ("TAGS = ['x']\nclass TAGS: ...\nDAG('a', tags=TAGS)", None),
        ("TAGS = ['x']\ntry: ...\nexcept E as TAGS: DAG('a', tags=TAGS)", None),
        ("a.tags.add('x')", None),
        ("a.tags = ['x']", None),
    ],
)
def test_tags_in_code(text: str, tags: tuple[str, ...] | None) -> None:
    """Tags are known where they stand in the text, and unknown wherever code makes them."""
    assert {use.tags for use in tag_uses(text)} == {tags}


def test_no_tags_in_code() -> None:
    """A Dag without tags is no use of tags, and uses come in the order of the file."""
    assert tag_uses("DAG('a', **{})") == [TagUse(1, None)]
    assert tag_uses("DAG('a')\nother(**arguments)") == []
    uses = tag_uses("if x:\n  DAG('a', tags=['late'])\nDAG('a', tags=[\n  'x'])")
    assert uses == [TagUse(2, ("late",)), TagUse(3, ("x",))]


@pytest.fixture
def policy(file: Path) -> Path:
    """A policy that protects a tag."""
    file.write_text(HEAD + PROTECTED)
    return file


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A bundle with a Dag in its place, one out of it, one that no text tells of, and an archive."""
    root = tmp_path / "dags"
    (root / "finance").mkdir(parents=True)
    (root / "ops").mkdir()
    (root / "finance" / "good.py").write_text("DAG('good', tags=['team:finance'])\nraise SystemExit('was run')\n")
    (root / "ops" / "bad.py").write_text("\nDAG('bad', tags=['free', 'team:finance'])\nraise SystemExit('was run')\n")
    (root / "ops" / "made.py").write_text("DAG('made', tags=make())\n")
    (root / "ops" / "notes.txt").write_text("DAG('a', tags=['team:finance'])\n")
    with zipfile.ZipFile(root / "ops" / "pack.zip", "w") as archive:
        archive.writestr("packed.py", "DAG('packed', tags=['team:finance'])\n")
        archive.writestr("data.txt", "tags=['team:finance']\n")
    return root


def run(*words: object) -> int:
    """Run the command; return its exit code."""
    try:
        main(["check-dags", "--deployment", "dep", *map(str, words)])
    except SystemExit as end:
        return int(end.code or 0)
    return 0


def test_check_dags(folder: Path, policy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Each tag out of its place and each unknown one is a line with file and line; one out of its place is refused."""
    assert run(folder, "--policy", policy, "--bundle", "main") == 2
    assert capsys.readouterr().out.splitlines() == [
        f"{folder}/ops/bad.py:2: {ELSEWHERE}",
        f"{folder}/ops/made.py:1: {UNKNOWN}",
        f"{folder}/ops/pack.zip/packed.py:1: {ELSEWHERE}",
        "4 files: 2 tags in the wrong place, 1 place with tags that are not literals.",
    ]


def test_bundle(folder: Path, policy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """In another bundle the same path is out of place; without a bundle's name any bundle will do."""
    assert run(folder / "finance", "--policy", policy) == 2
    for words, code in ((("--bundle", "other"), 2), ((), 2)):
        capsys.readouterr()
        assert run(folder, "--policy", policy, *words) == code
        assert ("good.py" in capsys.readouterr().out) == bool(words)


def test_strict(folder: Path, policy: Path) -> None:
    """What cannot be read is refused with --strict only."""
    (folder / "ops" / "bad.py").unlink()
    (folder / "ops" / "pack.zip").unlink()
    assert run(folder, "--policy", policy) == 0
    assert run(folder, "--policy", policy, "--strict") == 2


def test_unreadable(folder: Path, policy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A file that is no Python, or has no text, is told and not the end of it."""
    for path in (folder / "ops").iterdir():
        path.unlink()
    (folder / "ops" / "broken.py").write_text("DAG('a', tags=[\n")
    (folder / "ops" / "null.py").write_bytes(b"\x00")
    (folder / "ops" / "gone.py").symlink_to("nowhere.py")
    assert run(folder, "--policy", policy, "--output", "json") == 0
    reported = json.loads(capsys.readouterr().out)
    assert [(entry["file"], entry["tag"]) for entry in reported] == [
        ("ops/broken.py", None), ("ops/gone.py", None), ("ops/null.py", None)
    ]  # fmt: skip
    assert "cannot be read: FileNotFoundError" in reported[1]["problem"]


def test_machines(folder: Path, policy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """For machines each finding is an entry."""
    assert run(folder, "--policy", policy, "--output", "json") == 2
    reported = json.loads(capsys.readouterr().out)
    assert reported[0] == {"file": "ops/bad.py", "line": 2, "tag": "team:finance", "problem": ELSEWHERE}


def test_no_folder(tmp_path: Path, policy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A folder that is not there, and a bad policy, are said so."""
    assert run(tmp_path / "nowhere", "--policy", policy) == 1
    assert "there is no such folder" in capsys.readouterr().err
    policy.write_text("version: 2")
    assert run(tmp_path, "--policy", policy) == 3


def test_page(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """The page shows what is printed."""
    page = (Path(__file__).parents[2] / "docs" / "tag-guard.md").read_text()
    blocks = dict(re.findall(r"^```(yaml policy|console)\n(.*?)^```$", page, re.DOTALL | re.MULTILINE))
    monkeypatch.chdir(tmp_path)
    Path("policy.yaml").write_text(blocks["yaml policy"])
    for name, text in {
        "finance/ledger.py": "DAG('ledger', tags=['team:finance'])",
        "ops/report.py": "\n" * 6 + "DAG('report', tags=['team:finance'])",
        "ops/sync.py": "\n" * 3 + "DAG('sync', tags=TAGS)",
    }.items():
        Path("dags", name).parent.mkdir(parents=True, exist_ok=True)
        Path("dags", name).write_text(text)
    requested, *shown = blocks["console"].splitlines()
    with pytest.raises(SystemExit) as end:
        main(shlex.split(requested)[2:])
    assert end.value.code == 2
    assert capsys.readouterr().out.splitlines() == shown


def test_pre_commit() -> None:
    """The hooks for pre-commit name commands that there are."""
    hooks = yaml.safe_load((Path(__file__).parents[2] / ".pre-commit-hooks.yaml").read_text())
    assert [hook["id"] for hook in hooks] == ["astro-auth-check-dags", "astro-auth-validate"]
    for hook in hooks:
        program, name = hook["entry"].split()
        assert program == "astro-auth"
        with pytest.raises(SystemExit) as end:
            main([name, "--help"])
        assert end.value.code == 0


def test_links_are_followed(folder: Path, policy: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Links to folders are followed, as Airflow does, by the path in the bundle; a loop ends, and a pipe is not read."""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "linked.py").write_text("DAG('linked', tags=['team:finance'])\n")
    (folder / "ops" / "more").symlink_to(elsewhere)
    (elsewhere / "loop").symlink_to(folder)
    (folder / "gone.py").symlink_to(tmp_path / "nothing.py")
    os.mkfifo(folder / "pipe.py")
    assert run(folder, "--policy", policy, "--bundle", "main", "-o", "json") == 2
    found = [(each["file"], each["problem"]) for each in json.loads(capsys.readouterr().out)]
    assert ("ops/more/linked.py", ELSEWHERE) in found
    assert ("gone.py", "cannot be read: FileNotFoundError") in found
    assert not any("loop" in file or "pipe" in file for file, _ in found)


def test_odd_files(folder: Path, policy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A file or a module of an archive that cannot be read is a line of its own, and hides nothing of the others."""
    (folder / "deep.py").write_text(f"x = {'1+' * 50_000}1\n")
    with zipfile.ZipFile(folder / "odd.zip", "w") as archive:
        archive.writestr("locked.py", "DAG('a')")
        archive.writestr("bad.py", "DAG('bad', tags=['team:finance'])\n")
    data = bytearray((folder / "odd.zip").read_bytes())
    entry = data.index(b"PK\x01\x02")
    data[entry + 8] |= 1  # the flag of an encrypted file
    (folder / "odd.zip").write_bytes(data)
    data[entry : entry + 4] = b"PK\x00\x00"
    (folder / "broken.zip").write_bytes(data)
    assert run(folder, "--policy", policy, "--bundle", "main", "-o", "json") == 2
    found = {each["file"]: each["problem"] for each in json.loads(capsys.readouterr().out)}
    assert found["deep.py"] in ("cannot be read: RecursionError", "cannot be read: MemoryError")
    assert found["odd.zip/locked.py"] == "cannot be read: RuntimeError"
    assert found["odd.zip/bad.py"] == ELSEWHERE
    assert found["broken.zip"] == "cannot be read: BadZipFile"


def test_large_files(folder: Path, policy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A file that is too large is not read to its end, as one of gigabytes in a small archive."""
    large = "#" + " " * LARGEST + "\n"
    (folder / "large.py").write_text(large)
    with zipfile.ZipFile(folder / "bomb.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("packed.py", large)
    assert (folder / "bomb.zip").stat().st_size < LARGEST / 100
    assert run(folder, "--policy", policy, "--bundle", "main", "-o", "json") == 2
    found = {each["file"]: each["problem"] for each in json.loads(capsys.readouterr().out)}
    assert found["large.py"] == found["bomb.zip/packed.py"] == "cannot be read: ValueError"
    assert found["ops/bad.py"] == ELSEWHERE
