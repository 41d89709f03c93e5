"""`astro-auth plan OLD NEW`: who gains and who loses what."""

from __future__ import annotations

import sys
from argparse import Namespace
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from astro_auth_plugin.cli.exit_codes import DENIED, YES, CommandFailed, command
from astro_auth_plugin.cli.inputs import available_dags, read_dag_list, setting_if_set
from astro_auth_plugin.cli.output import print_values
from astro_auth_plugin.cli.progress import progress
from astro_auth_plugin.cli.review import plan_report
from astro_auth_plugin.cli.review.plan_fab import FAB, plan_fab
from astro_auth_plugin.cli.review.plan_report import Report
from astro_auth_plugin.cli.review.policy_versions import read_version
from astro_auth_plugin.rbac.changes.affected import affected_subjects
from astro_auth_plugin.rbac.changes.difference import changes
from astro_auth_plugin.rbac.engine.engine import Engine
from astro_auth_plugin.rbac.model.scopes import Dag
from astro_auth_plugin.rbac.policy.hints import did_you_mean
from astro_auth_plugin.rbac.policy.loader import Policy
from astro_auth_plugin.rbac.review.declared_changes import Declared, declared_changes
from astro_auth_plugin.rbac.review.policy_diff import Plan, compare


class _Dags(NamedTuple):
    """The Dags before and after; None where none are known, or where they stay the same."""

    old: list[Dag] | None
    new: list[Dag] | None


@command
def plan(args: Namespace) -> int:
    """Show who gains and who loses what when one version of a policy replaces another, or a policy replaces FAB."""
    if args.old == FAB:
        return plan_fab(args)
    with progress(steps=4) as step:
        report = _report(args, step)
    if args.output == "markdown":
        sys.stdout.write(plan_report.markdown(report))
    elif args.output == "table":
        plan_report.print_plan(report)
    else:
        print_values(plan_report.values(report), args.output)
    failing = {"widening": report.widens, "any": not report.empty}
    return DENIED if failing.get(args.fail_on or "") else YES


def report_of(old: Policy, new: Policy, deployment_id: str | None = None) -> Report:
    """Return who gains and who loses what between two policies, in one Deployment or in all, by tag and id."""
    listed = dict.fromkeys(each.id for version in (old, new) for each in version.document.deployments)
    ids = [each for each in listed if deployment_id in (None, each)]
    return _compared(("current", "new"), old, new, ids, _Dags(None, None))


def _report(args: Namespace, step: Callable[[str], None]) -> Report:
    step(f"reading {args.old}")
    old = read_version(args.old, args)
    step(f"reading {args.new}")
    new = read_version(args.new, args)
    step("reading the Dags")
    ids = _deployment_ids(args, old, new)
    dags = _dags(args, ids)
    step("comparing")
    return _compared((args.old, args.new), old, new, ids, dags)


def _compared(names: tuple[str, str], old: Policy, new: Policy, ids: list[str], dags: _Dags) -> Report:
    now = datetime.now(UTC)
    # Other tags of a Dag concern anyone.
    only = None if dags.new else affected_subjects(changes(old.document, new.document), old.document, new.document)
    engines = {each: (_engine(old, each, now), _engine(new, each, now)) for each in ids}
    plans = tuple(compare(each, *both, dags.old, dags.new, only=only) for each, both in engines.items())
    declared = (*declared_changes(old, new), *_gains_of_support(old, new, plans, dags))
    return Report(*names, plans, declared)


def _gains_of_support(old: Policy, new: Policy, plans: Iterable[Plan], dags: _Dags) -> Iterator[Declared]:
    """Yield who gains something as soon as support access is allowed, where the new version does not allow it."""
    if new.document.support_access == "allowed":
        return
    before, after = (
        each._replace(document=each.document.model_copy(update={"support_access": "allowed"})) for each in (old, new)
    )
    now, subjects = datetime.now(UTC), dict[str, None]()
    for plan in plans:
        had, has = (_engine(each, plan.deployment_id, now) for each in (before, after))
        allowed = compare(plan.deployment_id, had, has, dags.old, dags.new)
        lines = (line for line in allowed.lines if line.widens and line not in plan.lines)
        subjects.update(dict.fromkeys(subject for line in lines for subject in line.subjects))
    if subjects:
        details = ("gains access as soon as it is allowed",)
        line = new.line(("support_access",))
        yield Declared("key", "support_access", "~", details, widens=True, line=line, subjects=tuple(subjects))


def _deployment_ids(args: Namespace, old: Policy, new: Policy) -> list[str]:
    """Return the Deployment that is named, or all that the two versions list."""
    listed = list(dict.fromkeys(each.id for version in (old, new) for each in version.document.deployments))
    # Airflow's configuration takes seconds to read, and matters only if there is a choice.
    named = args.deployment or (setting_if_set("deployment_id") if len(listed) > 1 else "")
    if not named:
        return listed
    if named not in listed:
        raise CommandFailed(f"neither version lists the Deployment `{named}`{did_you_mean(named, listed)}")
    return [named]


def _dags(args: Namespace, ids: list[str]) -> _Dags:
    if args.new_dags and not args.dags:
        raise CommandFailed("--new-dags needs --dags: the Dags as they are before")
    if len(ids) != 1:
        if args.dags:
            raise CommandFailed("a Dag list is of one Deployment: name it with --deployment")
        return _Dags(None, None)
    return _Dags(available_dags(args), read_dag_list(Path(args.new_dags)) if args.new_dags else None)


def _engine(version: Policy, deployment_id: str, at: datetime) -> Engine | None:
    listed = any(each.id == deployment_id for each in version.document.deployments)
    return Engine(version, deployment_id, at) if listed else None
