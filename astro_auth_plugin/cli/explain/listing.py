"""How `who-can` and `access` list people, API tokens and Dags."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from astro_auth_plugin.cli.explain import json_output
from astro_auth_plugin.cli.explain.json_output import Setting
from astro_auth_plugin.cli.explain.text_output import requested, say, tell_notes
from astro_auth_plugin.cli.output import count, print_table, print_values
from astro_auth_plugin.rbac.engine.decision import HeldGrant, until
from astro_auth_plugin.rbac.explain.access_report import Holder, ObjectShare, Share, groups_of
from astro_auth_plugin.rbac.explain.answers import Answer
from astro_auth_plugin.rbac.explain.questions import Question
from astro_auth_plugin.rbac.model.actions import spelled
from astro_auth_plugin.rbac.model.scopes import GrantScope
from astro_auth_plugin.rbac.model.subjects import TOKEN_PREFIX
from astro_auth_plugin.rbac.policy.document import Team


def everybody(form: str, setting: Setting, question: Question, answers: list[Answer], teams: list[Team]) -> None:
    """Print everybody who may do something."""
    if form != "table":
        reported = {**json_output.of_setting(setting), **json_output.of_question(question, setting.place)}
        reported["who"] = [
            {"who": one.subject, "answer": one.verdict, "cases": json_output.of_cases(one)} for one in answers
        ]
        reported["groups"] = [{"team": team.name, "groups": team.idp_groups} for team in teams]
        print_values({**reported, "notes": setting.notes}, form)
        return
    say(f"{_how_many(answers)} may {requested(question)}")
    depends = sum(answer.verdict == "depends" for answer in answers)
    if depends:
        say(f"for {depends} more it depends on details that are not in the question")
    rows = [(one.subject, one.verdict, _through(_deciding(one)) or one.why) for one in answers]
    _print(("Who", "Answer", "Through"), rows)
    for team in teams:
        say(f"and {groups_of(team.name, team.idp_groups)}")
    tell_notes(setting)


def _how_many(answers: list[Answer]) -> str:
    may = [answer.subject for answer in answers if answer.verdict == "yes"]
    tokens = sum(subject.startswith(TOKEN_PREFIX) for subject in may)
    people = len(may) - tokens
    found = f"{people} {'person' if people == 1 else 'people'} and {count(tokens, 'API token')}"
    return found if may else "no user or API token of the policy"


def holders(form: str, setting: Setting, dag_id: str | None, scope: GrantScope | None, found: list[Holder]) -> None:
    """Print everybody who may do something with a Dag, or through a tag or bundle."""
    if form != "table":
        dag = json_output.of_dag(dag_id, setting.place) if dag_id is not None else None
        who = [
            {"who": one.who, **json_output.of_permissions(one.permissions), "grants": json_output.of_grants(one.grants)}
            for one in found
        ]
        tag = scope.id if scope is not None and scope.kind == "tag" else None
        bundle = json_output.of_scope(scope) if scope is not None and scope.kind == "bundle" else None
        place = {"dag": dag, "tag": tag, "bundle": bundle}
        print_values({**json_output.of_setting(setting), **place, "who": who, "notes": setting.notes}, form)
        return
    what = f"with Dag `{dag_id}`" if scope is None else f"through the {scope}"
    say(f"{len(found) or 'no user'} may do something {what}")
    rows = [(one.who, ", ".join(spelled(one.permissions, on_dag=True)), _through(one.grants)) for one in found]
    _print(("Who", "May", "Through"), rows)
    tell_notes(setting)


def shares(  # noqa: PLR0913 - all that a user may do, part by part
    form: str,
    setting: Setting,
    subject: str,
    deployment_wide: int,
    found: list[Share],
    *,
    objects: list[ObjectShare],
) -> None:
    """Print all that a user may do."""
    if form != "table":
        dags = [
            {
                "dag_ids": [*one.dag_ids],
                **json_output.of_permissions(one.permissions),
                "grants": json_output.of_grants(one.grants),
            }
            for one in found
        ]
        deployment = json_output.of_permissions(deployment_wide, on_dag=False)
        reported = {**json_output.of_setting(setting), "as": subject, "groups": json_output.of_groups(setting)}
        on_objects = [
            {
                "on": json_output.of_scope(scope),
                **json_output.of_permissions(permissions, on_dag=False),
                "grants": json_output.of_grants(grants),
            }
            for scope, permissions, grants in objects
        ]
        listed = {"deployment": deployment, "dags": dags, "objects": on_objects}
        print_values({**reported, **listed, "notes": setting.notes}, form)
        return
    say(f"{subject} may see {count(sum(len(share.dag_ids) for share in found), 'Dag')}")
    if deployment_wide:
        say(f"in the whole Deployment: {', '.join(spelled(deployment_wide, on_dag=False))}")
    rows = [
        (", ".join(one.dag_ids), ", ".join(spelled(one.permissions, on_dag=True)), _through(one.grants))
        for one in found
    ]
    _print(("Dags", "May", "Through"), rows)
    rows = [
        (str(scope), ", ".join(spelled(permissions, on_dag=False)), _through(grants))
        for scope, permissions, grants in objects
    ]
    _print(("Objects", "May", "Through"), rows)
    tell_notes(setting)


def _print(columns: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> None:
    if rows:
        print_table(columns, rows)


def _deciding(answer: Answer) -> Iterable[HeldGrant]:
    return dict.fromkeys(grant for case in answer.cases for grant in json_output.deciding(case))


def _through(grants: Iterable[HeldGrant]) -> str:
    reported = (f"{grant.role} on {grant.scope}{until(grant)} ({grant.holder}, line {grant.line})" for grant in grants)
    return "; ".join(reported)
