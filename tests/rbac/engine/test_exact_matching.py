"""Ids and tags are opaque: only the very same text matches. Of people's e-mails, case and composition are evened out."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable

import pytest

from astro_auth_plugin.rbac.engine.engine import Dag, Engine
from astro_auth_plugin.rbac.model.permissions import EVERYTHING, mask
from tests import reference_engine as reference
from tests.rbac.helpers import engine_of
from tests.strategies import EMAILS, NAMES, spellings

SAME_TO_OTHERS: dict[str, Callable[[str], str]] = {
    "upper case": str.upper,
    "lower case": str.lower,
    "swapped case": str.swapcase,
    "composed": lambda text: unicodedata.normalize("NFC", text),
    "decomposed": lambda text: unicodedata.normalize("NFD", text),
    "compatible": lambda text: unicodedata.normalize("NFKC", text),
    "stripped": str.strip,
    "padded": lambda text: f" {text} ",
    "prefix": lambda text: text[:-1],
    "extended": lambda text: f"{text}x",
    "child": lambda text: f"{text}.child",
    "parent": lambda text: text.partition(".")[0],
    "quoted": lambda text: text.replace("/", "%2F"),
    "prefixed": lambda text: f"DAG:{text}",
    "cut at 250": lambda text: text[:249],
    "pattern": lambda text: text.replace("_", "?").replace("%", "*"),
}


@pytest.mark.parametrize("where", ["dag_id", "tag"])
@pytest.mark.parametrize("name", NAMES, ids=ascii)
def test_only_the_very_same_name_matches(name: str, where: str) -> None:
    """A grant on an id or a tag reaches that very name, and nothing that only looks, reads or sorts like it."""
    others = {change(name) for change in SAME_TO_OTHERS.values()}
    engine = engine_with_grant(where, name)
    see = mask("dag.get")
    assert engine.check("ana@example.com", see, dag_named(where, name)).allowed
    for wrong in {*others, *NAMES} - {name}:
        assert not engine.check("ana@example.com", see, dag_named(where, wrong)).allowed
        assert not engine.allowed_dags("ana@example.com", see).matches(dag_named(where, wrong))


@pytest.mark.parametrize("name", NAMES, ids=ascii)
def test_tag_is_not_an_id(name: str) -> None:
    """A grant on a tag does not reach the Dag of that id, nor a grant on an id the Dags of that tag."""
    by_tag, by_id = engine_with_grant("tag", name), engine_with_grant("dag_id", name)
    for engine, dag in ((by_tag, dag_named("dag_id", name)), (by_id, dag_named("tag", name))):
        assert not engine.check("ana@example.com", mask("dag.get"), dag).allowed
        assert not engine.allowed_dags("ana@example.com", mask("dag.get")).matches(dag)


def engine_with_grant(where: str, name: str) -> Engine:
    """Compile a policy in which Ana is Dag Author on one id or tag, and nobody is anything else."""
    values = {
        "version": 1,
        "organization_id": "org",
        "workspaces": [{"id": "ws"}],
        "deployments": [{"id": "dep", "workspace_id": "ws"}],
        "users": [
            {
                "email": "ana@example.com",
                "dag_roles": [{"deployment_id": "dep", where: name, "role": "DAG_AUTHOR"}],
            }
        ],
    }
    return engine_of(values, "dep")


def dag_named(where: str, name: str) -> Dag:
    """Return a Dag that has the name as its id, or as its only tag."""
    return Dag(name, frozenset()) if where == "dag_id" else Dag("some Dag", frozenset([name]))


@pytest.mark.parametrize("email", EMAILS)
def test_look_alike_people_are_other_people(email: str) -> None:
    """A role given to one e-mail is held by its spellings, and by none of those that look alike."""
    values = {
        "version": 1,
        "organization_id": "org",
        "users": [{"email": email, "organization_role": "ORGANIZATION_OWNER"}],
        "workspaces": [{"id": "ws"}],
        "deployments": [{"id": "dep", "workspace_id": "ws"}],
    }
    engine = engine_of(values, "dep")
    for other in {spelling for one in EMAILS for spelling in spellings(one)}:
        subject = reference.normal_email(other)
        same = subject == reference.normal_email(email)
        assert engine.check(subject, EVERYTHING).allowed is same
