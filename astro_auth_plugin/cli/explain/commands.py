"""The commands that query the policy: `explain`, `who-can` and `access`."""

from __future__ import annotations

from argparse import Namespace
from datetime import UTC, datetime
from functools import cache
from importlib.metadata import version
from urllib.parse import parse_qs, unquote, urlsplit

from astro_auth_plugin.authorization.route_table import table
from astro_auth_plugin.cli.exit_codes import DENIED, FAILED, YES, CommandFailed, command
from astro_auth_plugin.cli.explain import listing, person, text_output
from astro_auth_plugin.cli.explain.json_output import Place, Setting
from astro_auth_plugin.cli.explain.person import QuestionSubject
from astro_auth_plugin.cli.inputs import Opened, open_policy, read_dags
from astro_auth_plugin.cli.progress import progress
from astro_auth_plugin.rbac.explain import access_report, questions
from astro_auth_plugin.rbac.explain.answers import Answer, Answerer
from astro_auth_plugin.rbac.explain.questions import Question
from astro_auth_plugin.rbac.explain.routes import find
from astro_auth_plugin.rbac.model.actions import ACTIONS, WORDS
from astro_auth_plugin.rbac.model.scopes import Dag, DagFile, GrantScope
from astro_auth_plugin.rbac.policy.hints import did_you_mean

_METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
_EXIT = {"yes": YES, "no": DENIED, "depends": FAILED}
_HIDES_BACKFILLS = (3, 3)
_SEVERAL = ("Dags", "some Dag")


@command
def explain(args: Namespace) -> int:
    """Say whether a user may do something, and why."""
    with progress("reading the policy"):
        asking, opened = _asking(args)
        who = person.named(args, opened.engine)
        question = _question(args.words)
        place = _place_for(args, asking, who, question)
        database = place.requested or (question.where in _SEVERAL and _in_airflow(args))
        who = person.looked_up(who, opened.engine, database=database)
        answer = asking.ask(who.subject, question, place.dag, groups=who.effective_groups)
        if who.powerless and question.people != "public":
            answer = answer._replace(verdict="no", why=who.powerless, cases=())
        notes = _notes(asking, question, place, who)
        if who.groups is None and asking.groups_matter(answer, place.dag):
            notes.append(person.GROUPS)
        dags = _all_dags(args, answer)
    text_output.explanation(args.output, _setting(opened, place, notes, who.groups), answer, dags)
    return _EXIT[answer.verdict]


@command
def who_can(args: Namespace) -> int:
    """List everybody who may do something."""
    with progress("checking all users and API tokens"):
        asking, opened = _asking(args)
        question = _question(args.words)
        place = _place(args, question) if question.where == "Dag" else Place()
        answers = list(asking.who_can(question, place.dag))
        teams = [] if question.people or question.refused else list(asking.teams_by_group(question, place.dag))
        notes = [*_notes(asking, question, place), person.ACCOUNTS]
    listing.everybody(args.output, _setting(opened, place, notes), question, answers, teams)
    return YES if answers or teams else DENIED


@command
def access(args: Namespace) -> int:
    """List all that a user may do, or everybody who may do something with a Dag, or through a tag or bundle."""
    if sum(value is not None for value in (args.who, args.dag, args.tag, args.bundle)) != 1:
        raise CommandFailed("name one of --as, --dag, --tag and --bundle")
    if args.who is not None:
        return _of_subject(args)
    if args.groups:
        raise CommandFailed("--group goes with --as: it lists the groups of one user")
    with progress("checking all users and API tokens"):
        asking, opened = _asking(args)
        scope, place = _scope(args, opened), Place()
        if scope is not None:
            bundle = scope.kind == "bundle"
            found = (
                access_report.of_bundle(asking, scope.id, scope.folder)
                if bundle
                else access_report.of_tag(asking, scope.id)
            )
            holders = list(found)
        else:
            place = _place(args, Question("access", (), "Dag", args.dag))
            # A grant on the id of a Dag that is not there gives nothing yet, and no Dag has this id.
            holders = list(access_report.of_dag(asking, place.dag or Dag("", frozenset())))
        notes = [*_notes(asking, Question("access", (), "Dag", args.dag), place), person.ACCOUNTS]
    listing.holders(args.output, _setting(opened, place, notes), args.dag, scope, holders)
    return YES if holders else DENIED


def _scope(args: Namespace, opened: Opened) -> GrantScope | None:
    """Return the tag, bundle or folder of `access`; None where it is about a Dag."""
    if args.folder is not None and args.bundle is None:
        raise CommandFailed("--folder goes with --bundle")
    if args.bundle is not None:
        return GrantScope("bundle", args.bundle, opened.engine.deployment_id, args.folder or "")
    return None if args.tag is None else GrantScope("tag", args.tag, opened.engine.deployment_id)


def _of_subject(args: Namespace) -> int:
    with progress("checking every Dag"):
        asking, opened = _asking(args)
        who = person.named(args, opened.engine)
        dags = read_dags(args)
        who = person.looked_up(who, opened.engine, database=not args.dags)
        deployment_wide = access_report.deployment_wide_permissions(asking, who.subject, who.effective_groups)
        shares = access_report.of_subject(asking, who.subject, dags, who.effective_groups)
        objects = access_report.objects_of_subject(asking, who.subject, who.effective_groups)
    notes = _notes(asking, Question("access", ()), Place(), who)
    if who.subject in asking.expired:
        notes.append(f"This API token expired at {asking.expired[who.subject]:%Y-%m-%d %H:%M} UTC.")
    if who.powerless:
        deployment_wide, shares, objects = 0, [], []
        notes.append(f"The grants of the policy have no effect: {who.powerless}.")
    if who.groups is None and access_report.groups_matter(asking, who.subject):
        notes.append(person.GROUPS)
    setting = _setting(opened, Place(), notes, who.groups)
    listing.shares(args.output, setting, who.subject, deployment_wide, shares, objects=objects)
    return YES if deployment_wide or shares or objects else DENIED


def _setting(opened: Opened, place: Place, notes: list[str], groups: frozenset[str] | None = None) -> Setting:
    return Setting(opened.name, opened.engine, place, notes, groups)


# -- the question -------------------------------------------------------------------------------------------------


def _asking(args: Namespace) -> tuple[Answerer, Opened]:
    if getattr(args, "file", None) and not args.bundle:
        raise CommandFailed("--file goes with --bundle")
    opened = open_policy(args)
    return Answerer(opened.engine, datetime.now(UTC)), opened


def _question(words: list[str]) -> Question:
    if _is_request(words):
        return _request(words[0].upper(), words[1], words[2:])
    if len(words) > 2:  # noqa: PLR2004 - an action and its object
        raise CommandFailed(f"expected an action and what it is done with, found also `{words[2]}`")
    question = questions.of_action(*words)
    if question is None:
        known = ", ".join(f"`{action.names[0]}`" for action in ACTIONS)
        hint = did_you_mean(words[0], WORDS)
        raise CommandFailed(f"unknown action `{words[0]}`{hint}; there are {known}, permissions, and METHOD PATH")
    return question


def _is_request(words: list[str]) -> bool:
    """Whether the words are a method and a path; `delete my_dag` is an action, and no id of a Dag has a slash."""
    method, *rest = words
    return method.upper() in _METHODS and bool(rest) and (method in _METHODS or "/" in rest[0])


def _request(method: str, address: str, more: list[str]) -> Question:
    try:
        parts = urlsplit(address)
    except ValueError:
        raise CommandFailed(f"`{address}` is not a path of Airflow, such as `/api/v2/dags`") from None
    release = _release()
    routes = table(".".join(map(str, release)))
    found = find(routes.values(), method, unquote(parts.path))
    if found is None:
        near = did_you_mean(f"{method} {parts.path}", routes)
        raise CommandFailed(f"Airflow {release[0]}.{release[1]} has no route `{method} {parts.path}`{near}")
    query = parse_qs(parts.query, keep_blank_values=True)
    question = questions.of_request(f"{method} {address}", found, query, *more[:1])
    if len(more) > 1 or (more and question.named != more[0]):
        what = "object" if question.object_kind else "Dag"
        raise CommandFailed(f"`{more[-1]}` is not needed: `{found.route.name}` already names the {what}")
    return question if release >= _HIDES_BACKFILLS else question._replace(hidden=0)


@cache
def _release() -> tuple[int, ...]:
    """Return the installed Airflow's release, such as (3, 3)."""
    return tuple(map(int, version("apache-airflow-core").split(".")[:2]))


# -- the Dag, and what else the database knows ---------------------------------------------------------------------


def _place_for(args: Namespace, asking: Answerer, who: QuestionSubject, question: Question) -> Place:
    """Return the Dag of a question, looked up only where its tags can matter."""
    if question.where != "Dag":
        return Place()
    reported = args.tag or args.bundle or args.dags
    if not reported and (
        question.refused or asking.ask(who.subject, question, groups=who.effective_groups).verdict == "yes"
    ):
        return Place()
    return _place(args, question)


def _place(args: Namespace, question: Question) -> Place:
    dag_id = question.dag_id or ""
    if args.tag or args.bundle:
        file = DagFile(args.bundle, args.file or "") if args.bundle else None
        return Place(Dag(dag_id, frozenset(args.tag or ()), file))
    found = next((dag for dag in read_dags(args, dag_id) if dag.id == dag_id), None)
    hint = "" if found else did_you_mean(dag_id, (dag.id for dag in read_dags(args)))
    return Place(found, found is not None, requested=not args.dags, hint=hint)


def _all_dags(args: Namespace, answer: Answer) -> list[Dag] | None:
    """Return all Dags where the answer is about several of them, and a file names them or Airflow is loaded anyway."""
    if any(case.rows for case in answer.cases) and (args.dags or _in_airflow(args)):
        return read_dags(args)
    return None


def _in_airflow(args: Namespace) -> bool:
    """Whether the metadata database is the place to look, and Airflow is loaded anyway."""
    return not args.dags and not getattr(args, "standalone", False)


def _notes(asking: Answerer, question: Question, place: Place, who: QuestionSubject | None = None) -> list[str]:
    """Return what the reader should know besides the answer, for one subject or for everybody."""
    notes = [question.note] if question.note else []
    if place.exists is False:
        notes.append(f"There is no Dag `{question.dag_id}`{place.hint or '.'}")
        notes.append("A grant on its id applies as soon as it exists.")
    if who is None and asking.expired:
        expired = ", ".join(f"`{token}`" for token in sorted(asking.expired))
        notes.append(f"API tokens that have expired are left out: {expired}.")
    notes += _switched_off(asking, who)
    known = asking.engine.subjects()
    if who and who.subject not in known and not asking.engine.teams_of(who.subject, who.effective_groups):
        notes.append(f"The policy does not name `{who.subject}`{did_you_mean(who.subject, known)}")
    return [*notes, *who.notes] if who else notes


def _switched_off(asking: Answerer, who: QuestionSubject | None) -> list[str]:
    """Return that support Teams of the subject, or without one any, are switched off."""
    off = asking.engine.teams_off
    if who is not None:
        off = [team for team in asking.engine.support_teams(who.subject, who.effective_groups) if team in off]
    teams = ", ".join(f"`{team}`" for team in off)
    return [f"Support Teams without effect, because `support_access` is `disallowed`: {teams}."] if off else []
