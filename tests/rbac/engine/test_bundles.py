"""Grants on bundles and on folders in them: what they reach, and what is around them."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from astro_auth_plugin.rbac.changes import edits
from astro_auth_plugin.rbac.changes.edits import EditError
from astro_auth_plugin.rbac.engine.engine import Clause, Dag, Engine
from astro_auth_plugin.rbac.explain import access_report
from astro_auth_plugin.rbac.explain.answers import Answerer
from astro_auth_plugin.rbac.model.folders import fault_of_folder, folders_around
from astro_auth_plugin.rbac.model.permissions import mask
from astro_auth_plugin.rbac.model.scopes import DagFile, GrantScope, enclosing_scopes, label_of
from astro_auth_plugin.rbac.policy.grants import Principal
from astro_auth_plugin.rbac.policy.protected_ids import IdRules
from tests.in_request import engine_of

POLICY = """
users:
  - email: ana@example.com
    dag_roles:
      - {deployment_id: dep, bundle: fin, role: DAG_VIEWER}
      - {deployment_id: dep, bundle: fin, folder: a/b/, role: DAG_AUTHOR}
      - {deployment_id: dep-2, bundle: ops, role: DAG_AUTHOR}
  - email: bo@example.com
    dag_roles: [{deployment_id: dep, bundle: ops, folder: x/, role: DAG_VIEWER, expires_at: 2020-01-01T00:00:00Z}]
protected_tags: [{deployment_id: dep, tag: t, only_in: []}]
"""
NOW = datetime(2026, 1, 1, tzinfo=UTC)
SEES, RUNS = mask("dag.get"), mask("dagRun.create")


@pytest.fixture(scope="module")
def engine() -> Engine:
    return engine_of(POLICY)


@pytest.mark.parametrize(
    ("bundle", "path", "expected"),
    [
        ("fin", "", "sees"),
        ("fin", "a.py", "sees"),
        ("fin", "a/b.py", "sees"),
        ("fin", "a/bb/c.py", "sees"),
        ("fin", "A/b/c.py", "sees"),
        ("fin", "a/b/c.py", "sees runs"),
        ("fin", "a/b/c/d.zip/e.py", "sees runs"),
        ("fin", "a/b/../c.py", "sees"),
        ("fin", "x/a/b/c.py", "sees"),
        ("Fin", "a/b/c.py", ""),
        ("fin ", "a/b/c.py", ""),
        ("ops", "a/b/c.py", ""),
        ("", "", ""),
    ],
)
def test_reaches(engine: Engine, bundle: str, path: str, expected: str) -> None:
    """A grant on a bundle reaches what is in it, one on a folder what is below it; by every character."""
    dag = Dag("d", frozenset(["t"]), DagFile(bundle, path))
    for word, needed in (("sees", SEES), ("runs", RUNS)):
        assert engine.check("ana@example.com", needed, dag).allowed is (word in expected)
        assert engine.allowed_dags("ana@example.com", needed).matches(dag) is (word in expected)


def test_a_dag_whose_file_is_unknown(engine: Engine) -> None:
    """What is not known to be in a bundle is not reached by a grant on one."""
    assert not engine.check("ana@example.com", SEES, Dag("d", frozenset())).allowed
    assert not engine.allowed_dags("ana@example.com", SEES).matches(Dag("d", frozenset()))


def test_ended_and_elsewhere(engine: Engine) -> None:
    """A grant that has ended, or in another Deployment, reaches nothing; one here opens the pages."""
    assert not engine.check("bo@example.com", SEES, Dag("d", frozenset(), DagFile("ops", "x/a.py"))).allowed
    assert engine.check("ana@example.com", mask("website.get")).allowed


def test_reasons(engine: Engine) -> None:
    """The reason names the bundle, and the folder where there is one."""
    found = engine.check("ana@example.com", RUNS, Dag("d", frozenset(), DagFile("fin", "a/b/c.py")))
    assert "role `DAG_VIEWER` given to user `ana@example.com` on bundle `fin`" in found.reason
    assert "role `DAG_AUTHOR` given to user `ana@example.com` on folder `a/b/` of bundle `fin`" in found.reason


def test_what_is_around() -> None:
    """Around a folder are the folders that it is in, the bundle, and what is around that."""
    scope = GrantScope("bundle", "fin", "dep", "a/b/")
    assert enclosing_scopes(scope, {"dep": "ws"}) == (
        scope,
        scope._replace(folder="a/"),
        scope._replace(folder=""),
        GrantScope("Deployment", "dep"),
        GrantScope("Workspace", "ws"),
        GrantScope("Organization", ""),
    )
    assert [*folders_around("a/b/c.py")] == ["a/", "a/b/"]
    assert [*folders_around("c.py")] == [*folders_around("a/../c.py")] == []


def test_folders() -> None:
    """A folder is a path from the bundle's root that ends in `/`, and nothing else."""
    assert not any(map(fault_of_folder, ("a/", "a/b/", " /", "\u00e9/", ".a/", "a.zip/", "a b/", "[x]/")))
    assert all(
        map(
            fault_of_folder,
            ("", "a", "ab", "/", "/a/", "a//", "./", "a/./", "../", "a/..b/", "*/", "a\0/", "a" * 2000 + "/"),
        )
    )


def test_a_folder_is_another_place_than_its_bundle(engine: Engine) -> None:
    """A grant on a bundle is given and taken beside one on its folder."""
    ana, bundle = Principal("user", "ana@example.com"), GrantScope("bundle", "fin", "dep")
    values = {"users": [{"email": "ana@example.com", "dag_roles": []}]}
    in_folder = edits.grant(ana, "DAG_VIEWER", bundle._replace(folder="a/"))(values)
    assert in_folder["users"][0]["dag_roles"] == [
        {"deployment_id": "dep", "bundle": "fin", "folder": "a/", "role": "DAG_VIEWER"}
    ]
    with pytest.raises(EditError, match="has no `DAG_VIEWER` on bundle `fin`"):
        edits.revoke(ana, "DAG_VIEWER", bundle)(in_folder)
    both = edits.grant(ana, "DAG_VIEWER", bundle)(in_folder)
    assert len(both["users"][0]["dag_roles"]) == 2
    assert edits.revoke(ana, "DAG_VIEWER", bundle)(both) == in_folder


def test_protected_ids(engine: Engine) -> None:
    """Ids stay in and out of the bundles that grants here name; with `protect_dag_ids`, in every one."""
    rules = engine.id_rules
    assert rules == IdRules(False, frozenset({"fin", "ops"}))
    assert not IdRules(False, frozenset())
    fin, other, third = (DagFile(name, "a.py") for name in ("fin", "other", "third"))
    assert rules.objection(fin, other) == rules.objection(other, fin) == "the policy has roles on bundle `fin`"
    assert rules.objection(fin, DagFile("fin", "b.py")) == rules.objection(other, third) == ""
    everywhere = engine_of("protect_dag_ids: true").id_rules
    assert everywhere.objection(other, third) == "`protect_dag_ids` of the policy is set"
    assert everywhere.objection(other, DagFile("other", "b.py")) == ""


def test_what_is_given_through_bundles_and_folders(engine: Engine) -> None:
    """A folder has those with grants on it and on what is around it, each with what these grants give."""
    asking = Answerer(engine, NOW)
    (holder,) = access_report.of_bundle(asking, "fin", "a/b/c/")
    assert (holder.who, len(holder.grants), bool(holder.permissions & RUNS)) == ("ana@example.com", 2, True)
    (holder,) = access_report.of_bundle(asking, "fin", "a/")
    assert (len(holder.grants), bool(holder.permissions & RUNS)) == (1, False)
    assert not [*access_report.of_bundle(asking, "ops")]


def test_what_dags_have_in_common() -> None:
    """The Dags of a tag have the tag in common, those of a bundle or folder their place; a Dag has nothing."""
    scopes = [GrantScope("tag", "t", "dep"), GrantScope("bundle", "b", "dep", "x/"), GrantScope("Dag", "d", "dep")]
    assert [*map(label_of, scopes)] == ["t", ("b", "x/"), None]


def test_size_of_a_clause() -> None:
    """Tags, ids and places count alike."""
    assert Clause(frozenset("ab"), frozenset("c"), frozenset({("b", "")})).size == 4
