"""Which Dags a selection has, and what the grants of a subject add up to."""

from __future__ import annotations

from astro_auth_plugin.rbac.engine.access import Clause, DagSelection, compile_access
from astro_auth_plugin.rbac.engine.decision import HeldGrant
from astro_auth_plugin.rbac.model.permissions import mask
from astro_auth_plugin.rbac.model.scopes import Dag, GrantScope
from tests.rbac.engine.test_engine import LEDGER, ORDERS


def test_selection_of_all() -> None:
    """A selection of everything matches every Dag."""
    assert DagSelection(True).matches(ORDERS)
    assert not DagSelection(True).nothing


def test_selection_of_none() -> None:
    """A selection without a clause that does not say everything matches no Dag."""
    assert not DagSelection(False).matches(ORDERS)
    assert DagSelection(False).nothing


def test_selection_needs_every_clause() -> None:
    """A Dag is selected when each clause has its id or one of its tags, and not by one clause of two."""
    selection = DagSelection(
        False,
        (Clause(frozenset(["finance"]), frozenset()), Clause(frozenset(["nightly"]), frozenset(["ledger"]))),
    )
    assert selection.matches(LEDGER)
    assert selection.matches(Dag("x", frozenset(["finance", "nightly"])))
    assert not selection.matches(Dag("x", frozenset(["finance"])))
    assert not selection.matches(Dag("ledger", frozenset()))


def grant(scope: GrantScope, *permissions: str) -> HeldGrant:
    return HeldGrant("r", "user `ana@example.com`", scope, mask(*permissions), "users[0]", 1)


def test_grants_add_up() -> None:
    """On a Dag one has what is granted on the Deployment, on its id and on each of its tags, and nothing else."""
    access = compile_access(
        (
            grant(GrantScope("Deployment", "dep"), "pool.get"),
            grant(GrantScope("Dag", "orders", "dep"), "dag.get"),
            grant(GrantScope("tag", "finance", "dep"), "dagRun.get"),
            grant(GrantScope("tag", "finance", "dep"), "xcom.get"),
        )
    )
    assert access.on(Dag("orders", frozenset(["finance"]))) == mask("pool.get", "dag.get", "dagRun.get", "xcom.get")
    assert access.on(Dag("x", frozenset(["finance"]))) == mask("pool.get", "dagRun.get", "xcom.get")
    assert access.on(Dag("x", frozenset())) == access.deployment_wide == mask("pool.get")
    assert access.anywhere == mask("pool.get", "dag.get", "dagRun.get", "xcom.get")


def test_a_clause_for_each_permission() -> None:
    """Permissions with the same tags and ids share a clause."""
    access = compile_access((grant(GrantScope("tag", "finance", "dep"), "dag.get", "xcom.get"),))
    assert access.clauses(mask("dag.get", "xcom.get")) == (Clause(frozenset(["finance"]), frozenset()),)
