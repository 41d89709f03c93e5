"""Who holds a role on a single Dag, one that an asset starts, at the pages of Airflow that concern it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import expect

from .visitor import Visitor, Visitors

pytestmark = [pytest.mark.e2e, pytest.mark.browser, pytest.mark.slow]

DAG = "/dags/orders_report"
VIEWER, BARE = "mia", "bill"
PERMISSIONS = (
    "[dag.airflow.dag.get, dag.airflow.dagRun.get, dag.airflow.taskInstance.get, dag.airflow.dagDependencies.get]"
)
ROLE = f"\nroles:\n  - {{name: bare, scope: DAG, permissions: {PERMISSIONS}}}\n"
TEAMS = "\nteams:\n" + "".join(
    f"  - {{name: {name}, members: [{user}@example.com],"
    f" dag_roles: [{{deployment_id: cldep0demo, dag_id: orders_report, role: {role}}}]}}\n"
    for name, user, role in (("seeing", VIEWER, "DAG_VIEWER"), ("bare", BARE, "bare"))
)

# Airflow's pages ask for these without looking first whether they may, and leave the part out when refused.
SILENT = {
    "/api/v2/assets/events",
    "/api/v2/importErrors",
    "/api/v2/plugins",
    "/api/v2/plugins/importErrors",
    "/api/v2/pools",
}
SILENT_OF = {
    VIEWER: SILENT,
    # Without datasets.get the schedule reads "Asset", and not which.
    BARE: SILENT | {"/api/v2/dags/orders_report/assets/queuedEvents", "/ui/next_run_assets/orders_report"},
}


@pytest.fixture(scope="module", autouse=True)
def two_people(policy: Path, visitors: Visitors) -> Iterator[None]:
    """A DAG_VIEWER of one Dag, and somebody with the four permissions that the pages of a Dag cannot do without."""
    before = policy.read_text()
    policy.write_text(before.replace("\nroles:\n", ROLE, 1).replace("\nteams:\n", TEAMS, 1))
    yield
    policy.write_text(before)


@pytest.fixture(scope="module")
def run(owner: httpx.Client) -> str:
    """The page of the run that the asset has started."""
    (started,) = owner.get("/dags/orders_report/dagRuns").json()["dag_runs"]
    return f"{DAG}/runs/{started['dag_run_id']}"


@pytest.fixture(params=[VIEWER, BARE])
def visitor(request: pytest.FixtureRequest, visitors: Visitors) -> Visitor:
    """Each of the two."""
    return visitors[request.param]


@pytest.mark.parametrize(
    ("page", "shows"),
    [
        ("/", r"Active Dags"),
        ("/dags", r"1 Dag$"),
        ("/required_actions", r"No Required Actions found"),
        (DAG, r"Last Dag Run"),
        (f"{DAG}/runs", r"1 Dag Run$"),
        (f"{DAG}/calendar", r"Failed Runs"),
        (f"{DAG}/backfills", r"No Backfills found"),
    ],
)
def test_page(page: str, shows: str, visitor: Visitor) -> None:
    """A page opens without an error, without a toast, and without asking for more than is known to be left out."""
    visitor.open(page)
    expect(visitor.page.get_by_text(re.compile(shows)).first).to_be_visible()
    is_whole(visitor)
    visitor.shot(f"only{page.replace('/', '-')}")


@pytest.mark.parametrize("view", ["Graph", "Gantt"])
def test_view_of_a_run(view: str, run: str, visitor: Visitor) -> None:
    """The run that an asset has started shows its tasks in the grid, in the graph and in the Gantt chart."""
    visitor.open(run)
    expect(visitor.page.get_by_text("2 Task Instances")).to_be_visible()
    with visitor.page.expect_response(re.compile(r"/ui/(structure/structure_data|gantt/)")) as answer:
        visitor.page.get_by_role("button", name=f"Show {view}").click()
    assert answer.value.status == 200
    for task in ("summarise", "publish"):
        expect(visitor.page.get_by_text(task).first).to_be_visible()
    is_whole(visitor)
    visitor.shot(f"only-{view.lower()}")
    visitor.page.get_by_role("button", name="Show Grid").click()


def is_whole(visitor: Visitor) -> None:
    """Nothing on the page is an error, and whatever was refused is known to be left out silently."""
    visitor.page.wait_for_load_state("networkidle")
    visitor.is_at_ease()
    refused = {path for _, path, status in visitor.answers if status >= 400}
    assert refused <= SILENT_OF[visitor.user], refused - SILENT_OF[visitor.user]
