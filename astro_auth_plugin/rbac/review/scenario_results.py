"""Whether a policy answers as a scenario file expects."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import NamedTuple

from astro_auth_plugin.rbac.engine.decision import Place
from astro_auth_plugin.rbac.engine.engine import Engine
from astro_auth_plugin.rbac.model.resources import NOUNS
from astro_auth_plugin.rbac.model.scopes import Dag
from astro_auth_plugin.rbac.model.subjects import TOKEN_PREFIX, user_subject
from astro_auth_plugin.rbac.policy.diagnostics import Diagnostic
from astro_auth_plugin.rbac.policy.hints import did_you_mean
from astro_auth_plugin.rbac.review.scenario_file import Answer, CaseFile, Sees, WhoCan, action


class Result(NamedTuple):
    """What came of one expectation.

    `title` is the expectation as text and `line` where it is. `expected`, `found` and `why` describe a failure.
    """

    line: int
    title: str
    passed: bool
    expected: str
    found: str
    why: str = ""


def results(case: CaseFile, engine: Engine, dags: Iterable[Dag]) -> Iterator[Result]:
    """Yield what came of each expectation, in the order of the file.

    Args:
        case: the file.
        engine: its policy, compiled for its Deployment.
        dags: its Dags.
    """
    known = {dag.id: dag for dag in dags}
    named = frozenset(engine.subjects())
    expected = named.union(map(_subject, case.document.outsiders))
    for at, who in enumerate(case.document.outsiders):
        passed = _subject(who) not in named
        reported = ("not named", "not named" if passed else "named")
        yield Result(case.line(("outsiders", at)), f"the policy does not name {who}", passed, *reported)
    for at, answer in enumerate(case.document.answers):
        result = _answer(answer, engine, _place(known, answer), case.line(("answers", at)))
        yield _about_somebody(result, answer.who, expected)
    for at, sees in enumerate(case.document.sees):
        result = _sees(sees, engine, known.values(), case.line(("sees", at)))
        yield _about_somebody(result, sees.who, expected)
    for at, who_can in enumerate(case.document.who_can):
        yield _who_can(who_can, engine, _place(known, who_can), case.line(("who_can", at)))


def refusal(case: CaseFile, problems: Sequence[Diagnostic]) -> Iterator[Result]:
    """Yield whether the problems of a policy are those that its file expects: each of them, and no others."""
    reported = [problem.text for problem in problems]
    for at, beginning in enumerate(case.document.refused):
        matching = [text for text in reported if text.startswith(beginning)]
        reported = [text for text in reported if text not in matching[:1]]
        line = case.line(("refused", at))
        yield Result(line, f"refused: {beginning}", bool(matching), beginning, "; ".join(reported) or "no such problem")
    for text in reported:
        yield Result(
            case.line(("refused",)), "refused for nothing else", passed=False, expected="no more problems", found=text
        )


def _about_somebody(result: Result, who: str, expected: Collection[str]) -> Result:
    """Return a result that fails if it is about a subject that is not expected: a denial of a misspelt one is none."""
    subject = _subject(who)
    if subject in expected:
        return result
    found = f"the policy does not name `{who}`{did_you_mean(subject, expected)}"
    return result._replace(passed=False, found=found, why="if that is intended, list it under `outsiders`")


def _answer(answer: Answer, engine: Engine, place: Place, line: int) -> Result:
    subject = _subject(answer.who)
    wanted = answer.may or answer.may_not
    title = f"{answer.who} {'may' if answer.may else 'may not'} {' '.join(wanted)}{_on(answer)}"
    decision = engine.check_at(subject, _all(wanted), place)
    expected = "allowed" if answer.may else "denied"
    if answer.may_not:
        # Of several permissions each has to be denied, not only all of them together.
        for word in wanted:
            alone = engine.check_at(subject, action(word), place)
            if alone.allowed:
                return Result(line, title, passed=False, expected=expected, found=f"{word}: allowed", why=alone.reason)
    elif not decision.allowed:
        return Result(line, title, passed=False, expected=expected, found="denied", why=decision.reason)
    lacking = [text for text in answer.because if text not in decision.reason]
    if lacking:
        because = f"{expected}, because: {'; '.join(lacking)}"
        return Result(line, title, passed=False, expected=because, found=f"{expected} otherwise", why=decision.reason)
    return Result(line, title, passed=True, expected=expected, found=expected, why=decision.reason)


def _sees(sees: Sees, engine: Engine, dags: Iterable[Dag], line: int) -> Result:
    selection = engine.allowed_dags(_subject(sees.who), _all(sees.may))
    found = {dag.id for dag in dags if selection.matches(dag)}
    return _same(line, f"{sees.who} may {' '.join(sees.may)} on exactly these Dags", set(sees.dags), found)


def _who_can(who_can: WhoCan, engine: Engine, place: Place, line: int) -> Result:
    found = engine.who_can(_all(who_can.may), place)
    title = f"exactly these may {' '.join(who_can.may)}{_on(who_can)}"
    expected = set(map(_subject, who_can.people))
    surplus = [f"{subject}: {found[subject].reason}" for subject in sorted(set(found) - expected)]
    return _same(line, title, expected, set(found), "; ".join(surplus))


def _same(line: int, title: str, expected: set[str], found: set[str], why: str = "") -> Result:
    too_many, missing = (", ".join(sorted(part)) for part in (found - expected, expected - found))
    reported = [f"also {too_many}" if too_many else "", f"not {missing}" if missing else ""]
    wanted = ", ".join(sorted(expected)) or "none"
    return Result(line, title, found == expected, wanted, " and ".join(filter(None, reported)) or wanted, why)


def _subject(who: str) -> str:
    return who if who.startswith(TOKEN_PREFIX) else user_subject(who)


def _all(words: Iterable[str]) -> int:
    required = 0
    for word in words:
        required |= action(word)
    return required


def _on(asked: Answer | WhoCan) -> str:
    if asked.resource is not None:
        return f" on {NOUNS[asked.resource.kind]} {asked.resource.id}"
    return "" if asked.dag is None else f" on Dag {asked.dag}"


def _place(known: dict[str, Dag], asked: Answer | WhoCan) -> Place:
    return asked.resource or (None if asked.dag is None else known[asked.dag])
