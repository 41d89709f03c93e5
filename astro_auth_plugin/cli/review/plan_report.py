"""How a plan is printed: for people, as a comment of a pull request, and for machines."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import accumulate
from typing import Any, NamedTuple

from astro_auth_plugin.cli.output import console, count, printable
from astro_auth_plugin.rbac.engine.decision import until
from astro_auth_plugin.rbac.model.roles import BUILT_IN
from astro_auth_plugin.rbac.model.subjects import GROUP_PREFIX
from astro_auth_plugin.rbac.review.declared_changes import Declared
from astro_auth_plugin.rbac.review.plan_lines import Line, Reason
from astro_auth_plugin.rbac.review.policy_diff import Plan
from astro_auth_plugin.rbac.review.policy_snapshot import ON_DAGS, Spot, words

_FEW = 6
"""How many names a sentence lists before it only has their number; `--output json` has all of them."""

_LONGEST = 60_000
"""How many characters a Markdown comment has at most; GitHub takes 65,536."""

Quote = Callable[[str], str]


class Report(NamedTuple):
    """The differences of two versions, which are named as the caller did."""

    old: str
    new: str
    plans: tuple[Plan, ...]
    declared: tuple[Declared, ...]

    @property
    def widens(self) -> bool:
        """Whether a user gains something."""
        return any(plan.widens for plan in self.plans) or any(each.widens for each in self.declared)

    @property
    def empty(self) -> bool:
        """Whether nothing at all changes."""
        return not self.declared and not self.changed

    @property
    def changed(self) -> tuple[Plan, ...]:
        """The plans of the Deployments in which something changes."""
        return tuple(plan for plan in self.plans if plan.lines)


# -- for people ----------------------------------------------------------------------------------------------------


def print_plan(report: Report) -> None:
    """Print a plan, each change in one line and under it the grants that were changed."""
    out = console()
    for plan in report.changed:
        out.print(_heading(plan, in_backticks))
        for line in plan.lines:
            out.print(f"  {_mark(line):8}{_sentence(line, in_backticks)}", style="yellow" if line.widens else None)
            for reason in line.reasons:
                out.print(f"            {_reason(reason, in_backticks)}")
    if report.declared:
        out.print("Other changes of the policy:")
    for each in report.declared:
        out.print(f"  {_declared(each, in_backticks)}", style="yellow" if each.widens else None)
    out.print(_verdict(report, in_backticks))


def in_backticks(text: str) -> str:
    """Return a word of a policy for a terminal: in backticks, with what is not printable spelled out."""
    return f"`{printable(text)}`"


# -- for a pull request --------------------------------------------------------------------------------------------


def markdown(report: Report) -> str:
    """Return a plan as a comment of a pull request. No word of the policies can become markup, a link or a mention."""
    lines = [f"### {_verdict(report, as_code)}", ""]
    for plan in report.changed:
        lines += [_heading(plan, as_code), ""]
        for line in plan.lines:
            lines.append(f"- **{_mark(line)}** {_sentence(line, as_code)}")
            lines += [f"  - {_reason(reason, as_code)}" for reason in line.reasons]
        lines.append("")
    if report.declared:
        lines += ["Other changes of the policy:", ""]
        lines += [f"- {_declared(each, as_code)}" for each in report.declared]
    return joined(lines)


def joined(lines: list[str]) -> str:
    """Return the lines of a comment as text, as many as fit."""
    lengths = accumulate(len(line) + 1 for line in lines)
    fitting = sum(length <= _LONGEST for length in lengths)
    if fitting < len(lines):
        lines = [*lines[:fitting], "", f"… and {count(len(lines) - fitting, 'line')} more."]
    return "\n".join(lines).rstrip() + "\n"


def as_code(text: str) -> str:
    """Return a word of a policy as Markdown code: nothing in it is HTML, a link or a mention of a user.

    The fence is longer than every run of backticks inside, so that the text cannot end it.
    """
    shown = printable(text)
    fence = "`" * (1 + max((len(run) for run in re.findall("`+", shown)), default=0))
    return f"{fence} {shown} {fence}" if "`" in shown else f"{fence}{shown}{fence}"


# -- sentences -----------------------------------------------------------------------------------------------------


def _heading(plan: Plan, quote: Quote) -> str:
    known = " (no Dags available: by tag, bundle and id)" if plan.by_scope else ""
    return f"Deployment {quote(plan.deployment_id)}: {count(len(plan.lines), 'change')}{known}"


def _verdict(report: Report, quote: Quote) -> str:
    between = f"from {quote(report.old)} to {quote(report.new)}"
    if report.empty:
        return f"Nothing changes {between}."
    return f"{'Access is added' if report.widens else 'No access is added'} {between}."


def _mark(line: Line) -> str:
    if line.gains and line.losses:
        return "both"
    return "wider" if line.gains else "less"


def _sentence(line: Line, quote: Quote) -> str:
    parts = [f"gains {_effect(*each, quote)}" for each in line.gains.items()]
    parts += [f"loses {_effect(*each, quote)}" for each in line.losses.items()]
    return f"{_who(line, quote)}: {'; '.join(parts)}"


def _who(line: Line, quote: Quote) -> str:
    kind, name = line.cause
    people = _some([_subject(subject, quote) for subject in line.subjects])
    if kind == "Team":
        rest = f"; for {line.unaffected} more nothing changes" if line.unaffected else ""
        who = people if line.shared else _number(line.subjects)
        return f"Team {quote(name)} ({who}{rest})"
    if kind in ("joins", "leaves"):
        verb = kind if len(line.subjects) == 1 else kind.removesuffix("s")
        return f"{people} {verb} Team {quote(name)}"
    if kind == "tags":
        return f"Dag {quote(name)} has other tags or another file, for {people}"
    return people


def _subject(subject: str, quote: Quote) -> str:
    if subject.startswith(GROUP_PREFIX):
        return f"group {quote(subject.removeprefix(GROUP_PREFIX))}"
    return f"API token {quote(subject.removeprefix('token:'))}" if subject.startswith("token:") else quote(subject)


def _number(subjects: Iterable[str]) -> str:
    listed = list(subjects)
    groups = sum(subject.startswith(GROUP_PREFIX) for subject in listed)
    people = len(listed) - groups
    reported = [f"{people} {'person' if people == 1 else 'people'}"] if people else []
    return " and ".join([*reported, *([count(groups, "group")] if groups else [])])


def _effect(permissions: int, places: tuple[Spot | None, ...], quote: Quote) -> str:
    return f"{_permissions(permissions)} {_where(places, quote)}"


def _permissions(permissions: int) -> str:
    listed = words(permissions)
    if len(listed) > _FEW:
        for role in BUILT_IN.values():
            if permissions in (role.permissions, role.permissions & ON_DAGS):
                return f"all permissions of {role.name}"
    return _some(listed)


def _where(places: tuple[Spot | None, ...], quote: Quote) -> str:
    named = sorted((place.kind, place.name, place.folder) for place in places if place)
    listed = _some([_named(*each, quote) for each in named], count_first=True)
    deployment_wide = "in the whole Deployment" if None in places else ""
    return " and ".join(part for part in (deployment_wide, f"on {listed}" if listed else "") if part)


def _named(kind: str, name: str, folder: str, quote: Quote) -> str:
    return f"folder {quote(folder)} of {kind} {quote(name)}" if folder else f"{kind} {quote(name)}"


def _some(listed: Iterable[str], *, count_first: bool = False) -> str:
    """Return names with commas; of many the first ones, and how many more there are."""
    names = list(listed)
    more = f" and {len(names) - _FEW} more" if len(names) > _FEW else ""
    total = f"{len(names)}: " if count_first and more else ""
    return f"{total}{', '.join(names[:_FEW])}{more}"


def _reason(reason: Reason, quote: Quote) -> str:
    grant = reason.grant
    kind, name, _, folder = grant.scope
    where = "the Organization" if kind == "Organization" else _named(kind, name, folder, quote)
    line = f" (line {grant.line})" if grant.line else ""
    what = {"+": "new", "-": "gone", "~": "the role is another one"}[reason.sign]
    return f"{what}: {quote(grant.role)} on {where}{until(grant)}{line}"


def _declared(each: Declared, quote: Quote) -> str:
    what = {"+": "new ", "-": "gone: ", "~": ""}[each.sign]
    # Details are the plugin's own words, dates, and permissions, which the policy cannot choose freely.
    details = f": {_some(each.details)}" if each.details else ""
    changed = " is another one" if each.sign == "~" and not each.details else ""
    widens = "wider: " if each.widens else ""
    place = f" on Workspace {quote(each.workspace_id)}" if each.workspace_id else ""
    subjects = f" of {_some([_subject(subject, quote) for subject in each.subjects])}" if each.subjects else ""
    return f"{widens}{what}{each.what} {quote(each.name)}{place}{subjects}{changed}{details}"


# -- for machines --------------------------------------------------------------------------------------------------


def values(report: Report) -> dict[str, Any]:
    """Return a plan as plain values, with everything that sentences only have as numbers."""
    return {
        "old": report.old,
        "new": report.new,
        "widens": report.widens,
        "deployments": [
            {
                "deployment_id": plan.deployment_id,
                "by_scope": plan.by_scope,
                "changes": [_line_values(line) for line in plan.lines],
            }
            for plan in report.plans
        ],
        "declared": [
            each._asdict() | {"details": list(each.details), "subjects": list(each.subjects)}
            for each in report.declared
        ],
    }


def _line_values(line: Line) -> dict[str, Any]:
    return {
        "cause": line.cause._asdict(),
        "widens": line.widens,
        "subjects": list(line.subjects),
        "unaffected": line.unaffected,
        "gains": list(_effect_values(line.gains)),
        "losses": list(_effect_values(line.losses)),
        "grants": [_grant_values(reason) for reason in line.reasons],
    }


def _effect_values(effects: Mapping[int, tuple[Spot | None, ...]]) -> Iterator[dict[str, Any]]:
    for permissions, places in effects.items():
        yield {
            "permissions": list(words(permissions)),
            "deployment": None in places,
            "dags": sorted(place.name for place in places if place and place.kind == "Dag"),
            "tags": sorted(place.name for place in places if place and place.kind == "tag"),
            "bundles": [
                {"bundle": name, "folder": folder}
                for name, folder in sorted(
                    (place.name, place.folder) for place in places if place and place.kind == "bundle"
                )
            ],
            "objects": [
                {"kind": kind, "id": name}
                for kind, name in sorted(
                    (place.kind, place.name) for place in places if place and place.kind not in ("Dag", "tag", "bundle")
                )
            ],
        }


def _grant_values(reason: Reason) -> dict[str, Any]:
    grant = reason.grant
    folder = {"folder": grant.scope.folder} if grant.scope.folder else {}
    reach = {"on": grant.scope.kind, "id": grant.scope.id, **folder, "line": grant.line}
    return {"sign": reason.sign, "role": grant.role, **reach}
