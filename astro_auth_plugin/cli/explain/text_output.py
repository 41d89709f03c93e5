"""How the commands print an answer as text: the answer first, then why."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import yaml

from astro_auth_plugin.cli.explain import json_output
from astro_auth_plugin.cli.explain.json_output import Setting
from astro_auth_plugin.cli.output import console, count, print_table, print_values, printable
from astro_auth_plugin.rbac.engine.decision import HeldGrant, until
from astro_auth_plugin.rbac.engine.engine import DagSelection
from astro_auth_plugin.rbac.engine.objects import ObjectSelection
from astro_auth_plugin.rbac.explain import minimal_grants
from astro_auth_plugin.rbac.explain.answers import Answer, Case
from astro_auth_plugin.rbac.explain.minimal_grants import Addition, Advice
from astro_auth_plugin.rbac.explain.questions import Question
from astro_auth_plugin.rbac.model.permissions import names
from astro_auth_plugin.rbac.model.resources import NOUNS
from astro_auth_plugin.rbac.model.scopes import Dag, GrantScope

# Grants elsewhere are a hint; the ten that come nearest are enough of it.
_MOST = 10

_HEADLINES = {
    "yes": ("yes: {} may {}", "green"),
    "no": ("no: {} may not {}", "red"),
    "depends": ("it depends whether {} may {}", "yellow"),
}


def explanation(form: str, setting: Setting, answer: Answer, dags: list[Dag] | None) -> None:
    """Print one answer; `dags` are all Dags, where they are available."""
    advised = minimal_grants.smallest(setting.engine, answer)
    addition = minimal_grants.addition(setting.engine, answer.subject, advised) if advised else None
    if form == "table":
        _tell(setting, answer, dags)
        if addition:
            _tell_addition(setting, advised, addition)
        tell_notes(setting)
        return
    reported = {**json_output.of_setting(setting), **json_output.of_question(answer.question, setting.place)}
    reported |= {**json_output.of_answer(answer, dags), "groups": json_output.of_groups(setting)}
    reported["add"] = json_output.of_addition(setting, advised, addition)
    print_values({**reported, "notes": setting.notes}, form)


def _tell(setting: Setting, answer: Answer, dags: list[Dag] | None) -> None:
    words, colour = _HEADLINES[answer.verdict]
    say(words.format(answer.subject, requested(answer.question)), colour)
    if answer.why:
        say(answer.why)
    if setting.place.dag:
        tags = ", ".join(f"`{tag}`" for tag in sorted(setting.place.dag.tags))
        file = setting.place.dag.file
        bundle = f", and is in bundle `{file.bundle}`" if file and file.bundle else ""
        say(f"Dag `{setting.place.dag.id}` carries {f'the tags {tags}' if tags else 'no tag'}{bundle}")
        _tell_what_does_not_count(setting, setting.place.dag)
    for case in answer.cases:
        for line in _of_case(answer, case, dags):
            say(f"{case.when}: {line}" if case.when else line)
    for case in answer.cases:
        _tell_grants(setting, answer, case)


def requested(question: Question) -> str:
    """Return the question, as it was put."""
    of_one = question.where in ("Dag", "object") and " " not in question.words
    return f"{question.words} {question.named}" if of_one else question.words


def _of_case(answer: Answer, case: Case, dags: list[Dag] | None) -> Iterator[str]:
    question = answer.question
    if case.when:
        yield case.verdict
    for decision in case.decisions:
        on_one = question.where in ("Dag", "object") and decision is case.decisions[-1]
        where = f"on {question.resource or f'Dag `{question.dag_id}`'}" if on_one else "in the whole Deployment"
        yield f"needs {_list(names(decision.required))} {where}"
        if decision.missing:
            yield f"missing: {_list(names(decision.missing))}"
    if question.where == "Dags":
        yield f"needs {_list(names(question.opens))} on some Dag, and shows those with {_list(names(case.needs))}"
    if question.where == "objects":
        yield f"needs {_list(names(case.needs))} on some {_noun(question)}, and shows those"
    if question.where in ("some Dag", "some object"):
        yield f"needs {_list(names(case.needs))} on {question.unnamed}"
    if isinstance(case.rows, ObjectSelection):
        shows = "shows" if question.where == "objects" else "yes for"
        yield f"{shows} {_which_objects(question, case.rows)}"
    elif case.rows is not None:
        which = _which(case.rows, json_output.rows(case, dags))
        yield f"shows what belongs to {which}" if question.where == "Dags" else f"yes for {which}"


def _which(selection: DagSelection, rows: list[str] | None) -> str:
    """Return as text which Dags are selected: by name where the Dags are available, else by their tags and ids."""
    if selection.everything:
        return "every Dag"
    if rows:
        return f"{count(len(rows), 'Dag')}: {', '.join(rows)}"
    if selection.nothing or rows is not None:
        return "no Dag"
    parts = []
    for clause in selection.clauses:
        tags = f"that carry {_list(sorted(clause.tags), ' or ')}" if clause.tags else ""
        ids = f"with the id {_list(sorted(clause.dag_ids), ' or ')}" if clause.dag_ids else ""
        bundles = [str(GrantScope("bundle", name, folder=folder)) for name, folder in sorted(clause.places)]
        places = f"in {' or '.join(bundles)}" if bundles else ""
        parts.append(" or ".join(filter(None, [tags, ids, places])))
    return "Dags " + "; and at the same time ".join(parts)


def _noun(question: Question) -> str:
    return NOUNS[question.object_kind] if question.object_kind else ""


def _which_objects(question: Question, selection: ObjectSelection) -> str:
    """Return as text which objects are selected, by their ids and prefixes."""
    if selection.everything:
        return f"every {_noun(question)}"
    parts = []
    for clause in selection.clauses:
        ids = f"with the id {_list(sorted(clause.ids), ' or ')}" if clause.ids else ""
        prefixes = f"that begin with {_list(sorted(clause.prefixes), ' or ')}" if clause.prefixes else ""
        parts.append(" or ".join(filter(None, [ids, prefixes])))
    return f"{_noun(question)}s " + "; and at the same time ".join(parts)


def _tell_what_does_not_count(setting: Setting, dag: Dag) -> None:
    for tag in sorted(dag.tags - setting.engine.with_effective_tags(dag).tags):
        bundle, path = dag.file or ("", "")
        say(f"  `{tag}` is not effective: {setting.engine.tag_rules.objection(tag, bundle, path)}")


def _tell_grants(setting: Setting, answer: Answer, case: Case) -> None:
    found = json_output.deciding(case)
    _tell_table(f"Granted by{f' ({case.when})' if case.when else ''}:", found, json_output.required(case))
    held = setting.engine.access(answer.subject, answer.groups).grants
    elsewhere = [grant for grant in held if grant.permissions & case.missing and grant not in found]
    elsewhere.sort(key=lambda grant: -(grant.permissions & case.missing).bit_count())
    _tell_table("Related grants in other scopes:", elsewhere[:_MOST], case.missing)
    if len(elsewhere) > _MOST:
        say(f"and by {count(len(elsewhere) - _MOST, 'more grant')}")


def _tell_table(title: str, grants: Iterable[HeldGrant], wanted: int) -> None:
    rows = []
    for grant in grants:
        gives = ", ".join(names(grant.permissions & wanted))
        rows.append((grant.role, grant.holder, f"{grant.scope}{until(grant)}", gives, grant.line))
    if rows:
        print_table(("Role", "Given to", "On", "Gives", "Line"), rows, title)


def _tell_addition(setting: Setting, advised: Sequence[Advice], addition: Addition) -> None:
    first, *rest = addition.path
    entry = f"{first}{''.join(f'[{part}]' for part in rest)}"
    where = f"to `{entry}` in line {setting.engine.policy.line(addition.path)}"
    say(f"The smallest grant that adds it, {f'as an entry of `{entry}`' if addition.new else where}:")
    console().print(_to_paste([addition.entry] if addition.new else addition.entry))
    for one in advised:
        if one.extra:
            say(f"`{one.role}` on {one.scope} also gives {_list(names(one.extra))}")


def _to_paste(added: Any) -> str:
    # What is not ASCII is spelled out by YAML itself, so nothing of it can steer a terminal.
    text = yaml.safe_dump(added, sort_keys=False, default_flow_style=None, width=float("inf"))
    return "\n" + "".join(f"  {line}\n" for line in text.splitlines())


def say(text: str, colour: str | None = None) -> None:
    """Print a line as it is."""
    console().print(printable(text), style=colour)


def tell_notes(setting: Setting) -> None:
    """Print the notes, which come last."""
    for note in setting.notes:
        say(f"note: {note}", "dim")


def _list(words: Iterable[str], joint: str = ", ") -> str:
    return joint.join(f"`{word}`" for word in words)
