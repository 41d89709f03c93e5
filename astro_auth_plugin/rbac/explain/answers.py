"""Answers questions for people and API tokens: yes, no, or what it depends on.

It depends where the question does not name the Dag, or leaves open what the body of a request says; that is never
guessed. Every yes and no comes from `Engine`, so nothing here decides anything.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Literal, NamedTuple

from astro_auth_plugin.rbac.engine import delegation
from astro_auth_plugin.rbac.engine.decision import Decision, HeldGrant, Place, reaching
from astro_auth_plugin.rbac.engine.engine import NO_GROUPS, DagSelection, Engine
from astro_auth_plugin.rbac.engine.objects import ObjectSelection
from astro_auth_plugin.rbac.explain.questions import Question
from astro_auth_plugin.rbac.model.scopes import Dag
from astro_auth_plugin.rbac.model.subjects import token_subject
from astro_auth_plugin.rbac.policy.document import Team

Verdict = Literal["yes", "no", "depends"]

_ORDER: dict[Verdict, int] = {"yes": 0, "depends": 1, "no": 2}

SEVERAL = ("Dags", "some Dag", "objects", "some object")
"""Where a question is about several Dags or objects, or names none."""
_ANYBODY = ("public", "signed in", "own account")
_BY_ACCOUNT = "it depends on the account: you must be able to grant every role of its user"
_WHY = {
    "public": "everybody may, signed in or not",
    "signed in": "everybody may who has signed in",
    "own account": "everybody may who has signed in, about themselves",
    "accounts": "accounts are for Workspace Owners and Organization Owners",
    "denied": "this page is denied for all users: FAB's roles grant nothing here",
    "task token": "only Airflow's own tasks may, with their tokens",
}


class Case(NamedTuple):
    """The answer in one case; `when` is '' where there is only one.

    `needs` is what is needed on the Dag, or in the Deployment; `decisions` has what was decided on known places. `rows`
    are the Dags or objects that a list shows, or for which the answer is yes where the question names none; None for
    one place.
    """

    when: str
    verdict: Verdict
    needs: int
    decisions: tuple[Decision, ...]
    rows: DagSelection | ObjectSelection | None = None

    @property
    def missing(self) -> int:
        """The permissions that are missing somewhere."""
        missing = 0
        for decision in self.decisions:
            missing |= decision.missing
        return missing


class Answer(NamedTuple):
    """The answer for one subject.

    `why` says what permissions do not: an expired token, a closed route. `hidden` is set where Airflow refuses by
    saying that there is nothing. `groups` are the effective ones of the user.
    """

    subject: str
    question: Question
    verdict: Verdict
    cases: tuple[Case, ...]
    why: str = ""
    hidden: bool = False
    groups: frozenset[str] = NO_GROUPS


class _Who(NamedTuple):
    subject: str
    groups: frozenset[str]


class Answerer:
    """Answers questions from one engine at one time.

    Args:
        engine: the engine of a Deployment.
        now: the time, with a time zone: API tokens that have expired by then have no permissions.
    """

    def __init__(self, engine: Engine, now: datetime) -> None:
        self.engine = engine
        tokens = engine.policy.document.api_tokens
        self.expired: dict[str, datetime] = {
            token_subject(token.id): token.expires_at
            for token in tokens
            if token.expires_at is not None and token.expires_at <= now
        }

    def ask(
        self, subject: str, question: Question, dag: Dag | None = None, *, groups: frozenset[str] = NO_GROUPS
    ) -> Answer:
        """Answer a question for a subject.

        Args:
            subject: from `subjects.user_subject` or `subjects.token_subject`.
            question: the question.
            dag: the Dag of the question; None when there is no such Dag, or the question is about no single one.
            groups: the person's groups at the identity provider.
        """
        who = _Who(subject, groups)
        if subject in self.expired and question.people != "public":
            return Answer(
                subject, question, "no", (), why=f"this API token expired at {self.expired[subject]:%Y-%m-%d %H:%M} UTC"
            )
        if question.refused:
            return Answer(subject, question, "no", (), why=question.refused)
        if question.people:
            return self._of_people(who, question)
        cases = tuple(self._case(who, question, when, more, dag) for when, more in question.cases)
        verdicts = {case.verdict for case in cases}
        verdict: Verdict = verdicts.pop() if len(verdicts) == 1 else "depends"
        hidden = bool(question.hidden) and not self._check(who, question.hidden, dag).allowed
        return Answer(subject, question, verdict, cases, hidden=hidden, groups=groups)

    def groups_matter(self, answer: Answer, dag: Dag | None = None) -> bool:
        """Whether an answer can be another for a user with more groups."""
        most = self.ask(answer.subject, answer.question, dag, groups=self.engine.groups)
        return _outcome(most) != _outcome(answer)

    def who_can(self, question: Question, dag: Dag | None = None) -> Iterator[Answer]:
        """Yield the answer of everybody whom the policy names and for whom it is not no."""
        for subject in self.engine.subjects():
            answer = self.ask(subject, question, dag)
            if answer.verdict != "no":
                yield answer

    def teams_by_group(self, question: Question, dag: Dag | None = None) -> Iterator[Team]:
        """Yield the Teams with groups of an identity provider through which alone the answer is not no."""
        dag = self.engine.with_effective_tags(dag) if dag else None
        for index, team in enumerate(self.engine.policy.document.teams):
            if not team.idp_groups:
                continue
            grants = self.engine.team_grants(index)
            deployment_wide = together(reaching(grants, None))
            somewhere = question.where in SEVERAL
            here = together(grants if somewhere else reaching(grants, question.resource or dag))
            needs = (question.opens,) if question.opens else question.needs
            if any(one and not one & ~here for one in needs) and not question.deployment_wide & ~deployment_wide:
                yield team

    def _of_people(self, who: _Who, question: Question) -> Answer:
        verdict: Verdict = "yes" if question.people in _ANYBODY else "no"
        why = _WHY[question.people]
        if question.people == "accounts" and delegation.may_change_accounts(self.engine, *who):
            # Which roles that are differs by account.
            reads = question.words.startswith("GET ")
            verdict, why = (
                ("yes", "Workspace Owners and Organization Owners may see accounts")
                if reads
                else ("depends", _BY_ACCOUNT)
            )
        return Answer(who.subject, question, verdict, (), why=why, groups=who.groups)

    def _case(self, who: _Who, question: Question, when: str, more: int, dag: Dag | None) -> Case:
        found = [self._alternative(who, question, when, one | more, dag) for one in question.needs]
        return min(found, key=lambda case: (_ORDER[case.verdict], case.missing.bit_count()))

    def _alternative(self, who: _Who, question: Question, when: str, needs: int, dag: Dag | None) -> Case:
        decisions = [self._check(who, question.deployment_wide)] if question.deployment_wide else []
        rows: DagSelection | ObjectSelection | None = None
        yes: Verdict = "yes"
        if question.where not in SEVERAL:
            decisions.append(self._check(who, needs, question.resource or (dag if question.where == "Dag" else None)))
        elif question.object_kind is not None:
            rows = self.engine.allowed_objects(who.subject, needs, question.object_kind, groups=who.groups)
            yes = self._on_several(question, rows)
        else:
            rows = self.engine.allowed_dags(who.subject, needs, groups=who.groups)
            yes = self._on_dags(who, question, rows)
        verdict = yes if all(decision.allowed for decision in decisions) else "no"
        return Case(when, verdict, needs, tuple(decisions), rows if verdict != "no" else None)

    def _check(self, who: _Who, required: int, place: Place = None) -> Decision:
        return self.engine.check_at(who.subject, required, place, groups=who.groups)

    def _on_dags(self, who: _Who, question: Question, rows: DagSelection) -> Verdict:
        """Whether a list opens, or whether there is a Dag for which the answer is yes."""
        if question.where == "Dags":
            opens = self.engine.holds_anywhere(who.subject, question.opens, groups=who.groups)
            return "yes" if opens else "no"
        return self._on_several(question, rows)

    @staticmethod
    def _on_several(question: Question, rows: DagSelection | ObjectSelection) -> Verdict:
        if rows.everything:
            return "yes"
        if rows.nothing:
            return "no"
        return "yes" if question.where == "objects" else "depends"


def _outcome(answer: Answer) -> object:
    """Return what an answer says, without what it is made of."""
    return answer.verdict, answer.hidden, [(case.verdict, case.missing, case.rows) for case in answer.cases]


def together(grants: Iterable[HeldGrant]) -> int:
    """Return all that some grants give."""
    permissions = 0
    for grant in grants:
        permissions |= grant.permissions
    return permissions
