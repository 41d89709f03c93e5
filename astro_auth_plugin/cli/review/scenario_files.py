"""Scenario files with what they name: the policy, and the Dags."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from astro_auth_plugin.cli.exit_codes import FAILED, INVALID, CommandFailed
from astro_auth_plugin.cli.inputs import check_policy, read_dag_list
from astro_auth_plugin.rbac.engine.engine import Engine
from astro_auth_plugin.rbac.model.scopes import Dag
from astro_auth_plugin.rbac.policy import loader
from astro_auth_plugin.rbac.policy.diagnostics import Diagnostic, problems_of
from astro_auth_plugin.rbac.policy.loader import Checked, Policy
from astro_auth_plugin.rbac.policy.yaml_reader import MAX_BYTES
from astro_auth_plugin.rbac.review import scenario_file
from astro_auth_plugin.rbac.review.scenario_file import CaseFile
from astro_auth_plugin.rbac.review.scenario_results import Result, refusal, results


def run_file(path: Path) -> list[Result]:
    """Return what came of everything that a scenario file expects.

    Raises:
        CommandFailed: if the file has mistakes, what it names cannot be read, or its policy cannot be used.
    """
    case = _read(path)
    in_file = case.policy_text()
    source = path if in_file else path.parent / case.document.policy
    checked = loader.from_text(in_file) if in_file else check_policy(source)
    if case.document.refused:
        return list(refusal(case, checked.errors))
    if checked.policy is None:
        raise CommandFailed(_all(source, _under_policy(checked) if in_file else checked.errors), INVALID)
    dags = _dags(path, case)
    return list(results(case, _engine(path, case, checked.policy), dags))


def _read(path: Path) -> CaseFile:
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise CommandFailed(f"{path}: cannot read the file: {error.strerror or error}") from None
    case, problems = scenario_file.read(data)
    if case is None:
        raise CommandFailed(_all(path, problems), FAILED)
    return case


def _engine(path: Path, case: CaseFile, good: Policy) -> Engine:
    """Compile for the Deployment that the file names; what is set up around it must not change what it says."""
    listed = [deployment.id for deployment in good.document.deployments]
    named = case.document.deployment_id or (listed[0] if len(listed) == 1 else "")
    if named not in listed:
        ids = ", ".join(f"`{each}`" for each in listed) or "none"
        raise CommandFailed(f"{path}: which Deployment? Name it with `deployment_id`; the policy lists {ids}")
    return Engine(good, named, datetime.now(UTC))


def _dags(path: Path, case: CaseFile) -> list[Dag]:
    listed = case.document.dags
    if isinstance(listed, dict):
        return [*map(scenario_file.dag_of, listed, listed.values())]
    dags = read_dag_list(path.parent / listed)
    problems = problems_of(scenario_file.unlisted_dags(case.document, [dag.id for dag in dags]), case.text)
    if problems:
        raise CommandFailed(_all(path, problems))
    return dags


def _under_policy(checked: Checked) -> list[Diagnostic]:
    return [problem._replace(path=("policy", *problem.path)) for problem in checked.errors]


def _all(path: Path, problems: Sequence[Diagnostic]) -> str:
    return "\n".join(problem.in_file(path) for problem in problems)
