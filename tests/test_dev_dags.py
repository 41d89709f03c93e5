"""The sample policy and people of the demo agree with each other and with the code."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from astro_auth_plugin.rbac.engine.engine import Engine
from astro_auth_plugin.rbac.model.permissions import mask
from astro_auth_plugin.rbac.model.roles import BUILT_IN
from astro_auth_plugin.rbac.model.scopes import Dag, DagFile
from astro_auth_plugin.rbac.policy import loader
from tools.demo_people import read_people
from tools.demo_stack import DEPLOYMENT_ID, DEV_DAGS

POLICY_FILE = DEV_DAGS / "policy.yaml"
ANALYTICS = frozenset({"team:analytics"})
FINANCE = frozenset({"team:finance"})
TAGS = {
    "orders_ingest": ANALYTICS,
    "orders_report": ANALYTICS,
    "regional_rollup": ANALYTICS,
    "revenue_forecast": ANALYTICS,
    "invoice_totals": FINANCE,
    "payment_approval": FINANCE,
    "ledger_reconciliation": FINANCE,
    "exchange_rates": ANALYTICS | FINANCE,
    "housekeeping": frozenset(),
}
# Written from what people.yaml says, not from what the engine answers.
SEES_EVERYTHING = ["olga", "wendy", "omar", "arthur", "mel", "lena", "eddie", "vic", "dora", "bo", "tess"]
SEES = {
    "vera": {"invoice_totals", "payment_approval", "ledger_reconciliation", "exchange_rates"},
    "ivy": {"housekeeping"},
    "bea": set(TAGS),
    "rita": {"invoice_totals", "payment_approval", "ledger_reconciliation", "exchange_rates"},
    "lou": {"ledger_reconciliation"},
    "max": {
        "invoice_totals",
        "exchange_rates",
        "orders_ingest",
        "orders_report",
        "regional_rollup",
        "revenue_forecast",
    },
    "ana": {"exchange_rates", "orders_ingest", "orders_report", "regional_rollup", "revenue_forecast"},
    "finn": {"invoice_totals", "payment_approval", "ledger_reconciliation", "exchange_rates"},
} | {name: set(TAGS) for name in SEES_EVERYTHING}


def test_the_sample_policy_has_no_error_and_warns_of_what_it_shows() -> None:
    """`airflow astro-auth validate` accepts the policy of the demo, which shows legacy roles and roles on connections."""
    checked = loader.load(POLICY_FILE.read_bytes())
    assert checked.policy is not None
    assert not checked.errors
    odd = [problem for problem in checked.warnings if "legacy" not in problem.message]
    assert {problem.rule for problem in odd} == {"connection-update-shows-password", "connection-create-connects"}


def test_each_built_in_role_is_given_to_somebody() -> None:
    """Whoever wants to see what a role looks like finds a person who holds it."""
    text = POLICY_FILE.read_text()
    assert [name for name in BUILT_IN if f"role: {name}" not in text] == []


def test_the_people_are_those_of_the_policy_and_one_whom_it_does_not_name() -> None:
    """Each account of the demo is explained by the policy, except nora's, who shows what a stranger sees."""
    loaded = loader.load(POLICY_FILE.read_bytes()).policy
    assert loaded is not None
    engine = Engine(loaded, DEPLOYMENT_ID, datetime.now(UTC))
    named = set(engine.subjects())
    assert {person.email for person in read_people(DEV_DAGS / "people.yaml")} - named == {"nora@example.com"}


def test_each_person_sees_the_dags_that_the_table_promises() -> None:
    """What `make demo` prints about a person is what that person sees, and nobody else sees any Dag."""
    loaded = loader.load(POLICY_FILE.read_bytes()).policy
    assert loaded is not None
    engine = Engine(loaded, DEPLOYMENT_ID, datetime.now(UTC))
    seen = {
        person.user_name: {
            dag_id
            for dag_id, tags in TAGS.items()
            if engine.check(
                person.email, mask("dag.get"), Dag(dag_id, tags, DagFile("dags-folder", f"{dag_id}.py"))
            ).allowed
        }
        for person in read_people(DEV_DAGS / "people.yaml")
    }
    assert {name: dags for name, dags in seen.items() if dags} == SEES


def test_every_sample_dag_has_a_file_of_its_name() -> None:
    """The Dags that this test and the policy's head name are those in the folder."""
    assert {Path(file).stem for file in DEV_DAGS.glob("*.py")} == set(TAGS)
