"""The table of permissions, and sets of them."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from astro_auth_plugin.rbac.model.errors import AccessModelError, UnknownPermission
from astro_auth_plugin.rbac.model.permissions import (
    ASTRO_WORDS,
    DAG_WORDS,
    DEPLOYMENT_WORDS,
    EVERYTHING,
    TABLE,
    mask,
    names,
    word,
    word_in,
)
from tests import reference_engine as reference
from tests.rbac.helpers import checked

ALL_NAMES = names(EVERYTHING)


def test_table_has_every_object_of_the_specification() -> None:
    """The objects and their verbs are those of the specification, no more and no fewer."""
    assert {row.name: " ".join(row.verbs) for row in TABLE} == reference.DEPLOYMENT_OBJECTS


def test_table_says_what_single_dags_have() -> None:
    """What can be held on a single Dag is what the specification lists, no more and no less."""
    assert {row.name: " ".join(row.dag_verbs) for row in TABLE if row.dag_verbs} == reference.DAG_OBJECTS


def test_dag_verbs_are_a_part_of_the_verbs() -> None:
    """Nothing can be held on one Dag that cannot be held in the whole Deployment."""
    assert all(set(row.dag_verbs) <= set(row.verbs) for row in TABLE)


def test_every_object_is_described() -> None:
    """Each object comes with words that an operator can read."""
    assert [row.name for row in TABLE if len(row.description) < 5] == []


def test_deployment_words() -> None:
    """Every permission has a Deployment word, and the Config page's has an older one too."""
    words = {f"deployment.airflow.{name}" for name in reference.DEPLOYMENT_PERMISSIONS}
    assert set(DEPLOYMENT_WORDS) == words | {"deployment.airflow.configMenu.get"}


def test_older_word_of_the_config_page() -> None:
    """`configMenu.get` and `config.get` are one permission."""
    assert DEPLOYMENT_WORDS["deployment.airflow.configMenu.get"] == mask("config.get")


def test_dag_words() -> None:
    """Exactly what can be held on single Dags has a Dag word."""
    assert set(DAG_WORDS) == {f"dag.airflow.{name}" for name in reference.DAG_PERMISSIONS}


@pytest.mark.parametrize("name", sorted(reference.DAG_PERMISSIONS))
def test_both_words_are_one_permission(name: str) -> None:
    """The Deployment word and the Dag word stand for the same permission; only the grant says where it holds."""
    assert DAG_WORDS[f"dag.airflow.{name}"] == DEPLOYMENT_WORDS[f"deployment.airflow.{name}"] == mask(name)


def test_astro_words() -> None:
    """Astro's own words are known for the Deployment and for each object that Astro's reference has."""
    objects = {found.split(".")[1] for found in ASTRO_WORDS if found.count(".") == 2}
    assert {"deployment.get", "deployment.update", "deployment.delete"} <= ASTRO_WORDS
    expected = "agents agentTokens alerts apiKeys apiTokens deploys envObjects logs metrics teams users"
    assert objects == reference.of(expected)
    assert {f"deployment.apiTokens.{verb}" for verb in ("create", "rotate", "delete")} <= ASTRO_WORDS


def test_astro_words_mean_nothing_to_airflow() -> None:
    """No word of Astro's own stands for an Airflow permission."""
    assert ASTRO_WORDS.isdisjoint(DEPLOYMENT_WORDS) and ASTRO_WORDS.isdisjoint(DAG_WORDS)


def test_each_permission_is_one_bit_of_its_own() -> None:
    """No two permissions share a bit: holding one is never holding another."""
    bits = [mask(name) for name in ALL_NAMES]
    assert all(bit.bit_count() == 1 for bit in bits)
    assert len(set(bits)) == len(bits) == len(reference.DEPLOYMENT_PERMISSIONS)


def test_everything_is_everything() -> None:
    """The set of all permissions has each of them."""
    assert set(ALL_NAMES) == reference.DEPLOYMENT_PERMISSIONS


@given(st.lists(st.sampled_from(ALL_NAMES)))
@checked
def test_mask_and_names_are_inverse(chosen: list[str]) -> None:
    """A set knows its names, in the order of the table and without repeats."""
    assert names(mask(*chosen)) == tuple(name for name in ALL_NAMES if name in chosen)


def test_empty_set() -> None:
    """No names are the empty set, and the empty set has no names."""
    assert mask() == 0
    assert names(0) == ()


@pytest.mark.parametrize(
    "unknown", ["dag.create", "dag", "", "DAG.get", "dag.get ", "dag.*", "configMenu.get", "deployment.airflow.dag.get"]
)
def test_unknown_permission(unknown: str) -> None:
    """A name that is in no table is an error, and never an empty set that everybody holds."""
    with pytest.raises(UnknownPermission) as caught:
        mask("dag.get", unknown)
    assert caught.value.args == (unknown,)
    assert isinstance(caught.value, AccessModelError)
    assert isinstance(caught.value, KeyError)


def test_word_in_each_scope() -> None:
    """A permission is written with the scope of the role in front."""
    assert word("dagRun.create", "DEPLOYMENT") == "deployment.airflow.dagRun.create"
    assert word("dagRun.create", "DAG") == "dag.airflow.dagRun.create"


@pytest.mark.parametrize("name", ["connection.get", "datasets.create", "website.get", "nothing.get"])
def test_word_that_a_dag_role_cannot_hold(name: str) -> None:
    """What no single Dag has cannot be written as a word of a Dag role."""
    with pytest.raises(UnknownPermission, match=re.escape(f"dag.airflow.{name}")):
        word(name, "DAG")


def test_word_that_no_role_can_hold() -> None:
    """An unknown permission has no Deployment word either."""
    with pytest.raises(UnknownPermission, match=r"deployment\.airflow\.nothing\.get"):
        word("nothing.get", "DEPLOYMENT")


@pytest.mark.parametrize("table", [DEPLOYMENT_WORDS, DAG_WORDS])
def test_tables_cannot_be_changed(table: dict[str, int]) -> None:
    """Nothing that runs in the same process can add a word."""
    with pytest.raises(TypeError):
        table["deployment.airflow.backdoor.get"] = 0


def test_word_in_a_scope() -> None:
    """Where a scope lacks a permission, the word is that of the Deployment."""
    assert word_in("dagRun.get", "DAG") == "dag.airflow.dagRun.get"
    assert word_in("dagRun.get", "DEPLOYMENT") == "deployment.airflow.dagRun.get"
    assert word_in("connection.get", "DAG") == "deployment.airflow.connection.get"
    with pytest.raises(UnknownPermission):
        word_in("nosuch.get", "DAG")
