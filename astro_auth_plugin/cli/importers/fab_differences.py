"""What each person has in FAB today and what a policy gives, question by question, on each Dag."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cache
from typing import NamedTuple

from astro_auth_plugin.cli.importers import fab_people, fab_questions
from astro_auth_plugin.cli.importers.fab_lines import without_equivalent
from astro_auth_plugin.cli.importers.fab_people import FabPerson
from astro_auth_plugin.cli.importers.fab_questions import NOT_IN_FAB, SOME_DAG, Pair, Person, Question
from astro_auth_plugin.cli.importers.fab_roles import Tables
from astro_auth_plugin.rbac.engine.access import Access
from astro_auth_plugin.rbac.engine.engine import Engine
from astro_auth_plugin.rbac.model.permissions import EVERYTHING, mask, names
from astro_auth_plugin.rbac.model.scopes import Dag
from astro_auth_plugin.rbac.model.subjects import user_subject

DEPLOYMENT = ""
"""The place of what is not about a Dag."""

OTHER_DAGS = "*"
"""The place of all Dags that neither the list of Dags nor FAB names: no Dag has this id."""

_ON_DAGS = ("datasets.get", "importError.get")
"""Permissions whose questions are about the Deployment, and which a policy gives on single Dags too."""


class Answers(NamedTuple):
    """What two sides say in one place: bits of `_questions_of`."""

    fab: int
    policy: int


class Change(NamedTuple):
    """A permission that is gained or lost: what of it, and where.

    Attributes:
        permission: its name.
        questions: those of its questions that are answered differently, if not all are.
        places: ids of Dags, `OTHER_DAGS` and `DEPLOYMENT`.
    """

    permission: str
    questions: tuple[str, ...]
    places: tuple[str, ...]


class Row(NamedTuple):
    """A person, before and after.

    Attributes:
        subject: the e-mail as the account has it, or `token:` and the id of an API token.
        account: the id of the account; None without one.
        roles: of FAB.
        note: why the policy gives nothing, or that there is no account in FAB.
        fab: the permissions that FAB gives, at least in part, with the places.
        policy: those of the policy.
        gains: what the policy gives and FAB does not.
        losses: what FAB gives and the policy does not.
        lost_pages: pairs of FAB that a policy has no equivalent of.
    """

    subject: str
    account: int | None
    roles: tuple[str, ...]
    note: str
    fab: Mapping[str, tuple[str, ...]]
    policy: Mapping[str, tuple[str, ...]]
    gains: tuple[Change, ...]
    losses: tuple[Change, ...]
    lost_pages: tuple[Pair, ...]

    @property
    def loses(self) -> bool:
        """Whether anything is lost."""
        return bool(self.losses or self.lost_pages)


class Comparison(NamedTuple):
    """What FAB and a policy give: a row for each person, and the Dags that were looked at."""

    rows: tuple[Row, ...]
    dags: tuple[str, ...]
    groups: tuple[str, ...] = ()
    """Groups of the policy: who is in them is not known from FAB, so what they give is not counted."""


def compare(tables: Tables, engine: Engine, dags: Iterable[Dag]) -> Comparison:
    """Compare for every account of FAB, and for everyone else whom the policy names.

    Args:
        tables: what FAB has.
        engine: of the policy. Groups of an identity provider are not counted: FAB keeps none.
        dags: those of the Deployment; Dags that FAB names besides are added.
    """
    people = fab_people.people(tables)
    by_id = {dag.id: dag for dag in dags}
    for dag_id in fab_questions.dag_ids(pair for person in people for pair in person.pairs):
        by_id.setdefault(dag_id, Dag(dag_id, frozenset()))
    effective = [engine.with_effective_tags(by_id[dag_id]) for dag_id in sorted(by_id)]
    sides = _Sides(engine, effective, fab_questions.of_all_dags(tables.pairs))
    rows = [sides.row_of_account(person) for person in people]
    seen = {user_subject(person.account.email) for person in people}
    rows += [sides.row(subject, "no account in FAB") for subject in engine.subjects() if subject not in seen]
    return Comparison(tuple(rows), tuple(sorted(by_id)), tuple(sorted(engine.groups)))


class _Sides(NamedTuple):
    """FAB and a policy: the policy's engine, the Dags with their effective tags, and every pair of all Dags in FAB."""

    engine: Engine
    dags: list[Dag]
    all_pairs: frozenset[Pair]

    def row_of_account(self, person: FabPerson) -> Row:
        """Return the row of an account."""
        account = person.account
        subject = "" if person.excluded else user_subject(account.email)
        row, shown = self.row(subject, person.left_out, person.pairs), account.email or f"account {account.id}"
        return row._replace(subject=shown, account=account.id, roles=tuple(sorted(account.roles)))

    def row(self, subject: str, note: str, pairs: frozenset[Pair] = frozenset()) -> Row:
        """Return the row of a subject of the policy who has these pairs in FAB."""
        access = self.engine.access(subject)
        answers = dict(_answers(pairs, access, self.dags))
        gains = _changes(answers, lambda each: each.policy & ~each.fab)
        if not pairs or self.all_pairs - pairs:
            gains += [Change(name, (), (DEPLOYMENT,)) for name in names(access.deployment_wide & NOT_IN_FAB)]
        losses = _changes(answers, lambda each: each.fab & ~each.policy)
        fab = _given({place: each.fab for place, each in answers.items()})
        policy = _given({place: each.policy for place, each in answers.items()})
        pages = frozenset[Pair]() if access.deployment_wide == EVERYTHING else without_equivalent(pairs)
        return Row(subject, None, (), note, fab, policy, tuple(gains), tuple(losses), tuple(sorted(pages)))


# -- answers -------------------------------------------------------------------------------------------------------


@cache
def _questions_of(*, dag: bool) -> tuple[Question, ...]:
    """Return the questions about a Dag, or those about the Deployment."""
    own = [question for question in fab_questions.questions() if question.of_dag == dag]
    both = [each for each in fab_questions.questions() if each.permission & mask(*_ON_DAGS) and not each.everywhere]
    return (*own, *(_on_dag(each) for each in both if dag))


def _on_dag(question: Question) -> Question:
    """Return a question about the Deployment as one about what belongs to a Dag, for those who see the Dag."""
    see = next(each for each in fab_questions.questions() if each.name == "GET DAG")

    def ask(person: Person, dag_id: str) -> bool:
        return see.ask(person, dag_id) and question.ask(person, dag_id)

    needed = tuple(each | see.permission for each in question.needed)
    return question._replace(name=f"{question.name} of the Dag", ask=ask, needed=needed)


def _answers(pairs: frozenset[Pair], access: Access, dags: list[Dag]) -> Iterator[tuple[str, Answers]]:
    """Yield what both sides say in each place."""
    general = fab_questions.of_all_dags(pairs)
    named = fab_questions.dag_ids(pairs)
    wide = access.deployment_wide
    yield DEPLOYMENT, Answers(_fab_answers(general, SOME_DAG, dag=False), _policy_answers(wide, dag=False))
    others = _fab_answers(general, SOME_DAG, dag=True)
    yield OTHER_DAGS, Answers(others, _policy_answers(wide, dag=True))
    for dag in dags:
        fab = _fab_answers(pairs, dag.id, dag=True) if dag.id in named else others
        yield dag.id, Answers(fab, _policy_answers(access.on(dag), dag=True))


@cache
def _fab_answers(pairs: frozenset[Pair], dag_id: str, *, dag: bool) -> int:
    person = Person(pairs)
    return sum(1 << place for place, each in enumerate(_questions_of(dag=dag)) if each.ask(person, dag_id))


@cache
def _policy_answers(held: int, *, dag: bool) -> int:
    return sum(1 << place for place, each in enumerate(_questions_of(dag=dag)) if each.allowed(held))


# -- what is different -----------------------------------------------------------------------------------------------


@cache
def _by_permission(*, dag: bool) -> Mapping[str, int]:
    """Return which questions, as bits, each permission answers."""
    found: dict[str, int] = {}
    for place, question in enumerate(_questions_of(dag=dag)):
        for name in names(question.permission):
            found[name] = found.get(name, 0) | 1 << place
    return found


def _changes(answers: Mapping[str, Answers], changed: Callable[[Answers], int]) -> list[Change]:
    places: dict[tuple[str, tuple[str, ...]], list[str]] = {}
    for place, each in answers.items():
        for permission, bits in _parts(changed(each), dag=place != DEPLOYMENT):
            of_it = _question_names(bits, dag=place != DEPLOYMENT)
            places.setdefault((permission, of_it), []).append(place)
    return [Change(permission, of_it, tuple(found)) for (permission, of_it), found in places.items()]


@cache
def _parts(bits: int, *, dag: bool) -> tuple[tuple[str, int], ...]:
    """Return the permissions of these questions, each with its questions if they are not all; otherwise with 0."""
    found = ((name, whole, bits & whole) for name, whole in _by_permission(dag=dag).items())
    return tuple((name, 0 if some == whole else some) for name, whole, some in found if some)


@cache
def _question_names(bits: int, *, dag: bool) -> tuple[str, ...]:
    return tuple(each.name for place, each in enumerate(_questions_of(dag=dag)) if bits >> place & 1)


def _given(answers: Mapping[str, int]) -> dict[str, tuple[str, ...]]:
    found: dict[str, list[str]] = {}
    for place, bits in answers.items():
        for permission, _ in _parts(bits, dag=place != DEPLOYMENT):
            found.setdefault(permission, []).append(place)
    return {permission: tuple(places) for permission, places in found.items()}
