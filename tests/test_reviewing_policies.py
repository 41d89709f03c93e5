"""What docs/reviewing-policies.md shows is what the commands print, and a large policy is one."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import pytest

from astro_auth_plugin.cli.main import main
from astro_auth_plugin.rbac.policy import loader
from tools import bench_policy, bench_policy_pages, bench_policy_store
from tools.bench_policy import Measured, Size
from tools.bench_policy_store import Cost

DOCS = Path(__file__).resolve().parent.parent / "docs"
TEXT = (DOCS / "reviewing-policies.md").read_text(encoding="utf-8")
FILES = re.findall(r"^```yaml ([\w.-]+)\n(.*?)^```$", TEXT, re.DOTALL | re.MULTILINE)
SHOWN = re.findall(r"^```console\n\$ astro-auth (.*?)\n(.*?)^```$", TEXT, re.DOTALL | re.MULTILINE)


@pytest.mark.parametrize(("words", "printed"), SHOWN, ids=[words.split()[0] for words, _ in SHOWN])
def test_examples(
    words: str, printed: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each command of the page prints what the page shows, with the files of the page."""
    monkeypatch.chdir(tmp_path)
    for name, text in FILES:
        (tmp_path / name).write_text(text)
    code: Any = 0
    try:
        main(shlex.split(words))
    except SystemExit as end:
        code = end.code
    assert capsys.readouterr() == (printed, "")
    assert code == (2 if words.startswith("test") else 0)


def test_every_command_is_shown() -> None:
    """The page has an example of each of its commands."""
    assert [words.split()[0] for words, _ in SHOWN] == ["plan", "lint", "test"]


# -- the benchmark -------------------------------------------------------------------------------------------------

SMALL = Size(people=50, teams=5, grants=100, dags=20)


def test_large_policies(tmp_path: Path) -> None:
    """What is measured is a policy without errors and warnings, with as many people and grants as it says, and a change."""
    bench_policy.write_files(tmp_path, SMALL)
    loaded = [loader.load((tmp_path / name).read_bytes()) for name in ("policy.yaml", "changed.yaml")]
    for checked in loaded:
        assert checked.problems == ()
        assert checked.policy
        document = checked.policy.document
        assert (len(document.users), len(document.teams)) == (SMALL.people, SMALL.teams)
        assert sum(len(holder.dag_roles) for holder in [*document.users, *document.teams]) == SMALL.grants
    assert loaded[0].policy != loaded[1].policy


def test_measuring(tmp_path: Path) -> None:
    """Each command is measured as a process of its own; one that fails is no measurement."""
    bench_policy.write_files(tmp_path, SMALL)
    for name, words in bench_policy.commands().items():
        found = bench_policy.measure(name, words, tmp_path)
        assert found.seconds > found.processor / 4 > 0
        assert found.megabytes > 10
    (tmp_path / "policy.yaml").write_text("version: 2\n")
    with pytest.raises(RuntimeError, match="plan ended with 3"):
        bench_policy.measure("plan", bench_policy.commands()["plan"], tmp_path)


def test_page_of_the_benchmark() -> None:
    """The page says how large the policy is, and has a row for every command that is measured."""
    shown = (DOCS / "benchmark-policy.md").read_text(encoding="utf-8")
    names = re.findall(r"^\| `([\w-]+)` \|", shown, re.MULTILINE)
    measured = [Measured(name, 1, 1, 1) for name in bench_policy.commands()]
    assert names == [each.name for each in measured]
    pages = [bench_policy_pages.Cost(name, 0.01, 0.2) for name in bench_policy_pages.AIMS]
    page = bench_policy.page(Size(), measured, [Cost(name, 0.1) for name in bench_policy_store.AIMS], pages)
    without_times = re.compile(r"[|] *[\d.]+ *(?=[|])")
    assert without_times.sub("", page) == without_times.sub("", shown)


def test_measuring_the_policy_store(tmp_path: Path) -> None:
    """The store is measured in an Airflow of its own; what takes longer than promised is not good."""
    bench_policy.write_files(tmp_path, SMALL)
    costs = bench_policy_store.measure(tmp_path)
    assert [each.name for each in costs] == list(bench_policy_store.AIMS)
    assert all(each.seconds > 0 for each in costs)
    assert [costs[0]._replace(seconds=seconds).good for seconds in (0.1, 9)] == [True, False]
