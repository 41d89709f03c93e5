"""The tables of docs that come from the code: `python -m tools.generated_docs` writes them anew.

Each stands between two comments that name it. tests/test_docs.py fails when one is not what is made here.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from astro_auth_plugin.access_api.app import make_app
from astro_auth_plugin.authorization import action_map, exposures
from astro_auth_plugin.cli.catalogue import COMMANDS
from astro_auth_plugin.cli.command import Command, Group, Option
from astro_auth_plugin.provider_info import get_provider_info
from astro_auth_plugin.rbac.model.actions import ACTIONS, Action
from astro_auth_plugin.rbac.model.permissions import ON_OBJECTS, TABLE, mask, names
from astro_auth_plugin.rbac.model.roles import ACCESSOR_PERMISSIONS, BUILT_IN, Level, Role
from astro_auth_plugin.rbac.review.lint_rules import RULES
from tools import routes_page

ROOT = Path(__file__).resolve().parent.parent


_SETTING = re.compile(rf"\[astro_auth\](?: (?:{'|'.join(get_provider_info()['config']['astro_auth']['options'])})\b)?")

# A column shows a role for all that hold the same.
COLUMNS = {
    "Owner, Operator, Admin": "WORKSPACE_OPERATOR",
    "Author": "WORKSPACE_AUTHOR",
    "Editor (legacy)": "WORKSPACE_EDITOR",
    "Member": "WORKSPACE_MEMBER",
    "Accessor": "DEPLOYMENT_ACCESSOR",
    "Dag Author": "DAG_AUTHOR",
    "Dag Viewer": "DAG_VIEWER",
}

_LEVELS: dict[Level, str] = {
    "ORGANIZATION": "Organization",
    "WORKSPACE": "Workspace",
    "DEPLOYMENT": "Deployment",
    "DAG": "Dag",
    "OBJECT": "object",
}


def actions_by_role() -> str:
    """Return the table of what each role may do."""
    together: dict[str, list[Action]] = {}
    for action in ACTIONS:
        together.setdefault(action.row, []).append(action)
    rows = [[row, *(_cell(BUILT_IN[role], actions) for role in COLUMNS.values())] for row, actions in together.items()]
    return _table(["", *COLUMNS], rows)


def _cell(role: Role, actions: list[Action]) -> str:
    on_dag = role.level == "DAG" and not actions[0].deployment_wide
    held = ACCESSOR_PERMISSIONS if role.level == "DAG" and not on_dag else role.permissions
    if any(action.needs & ~held for action in actions):
        return ""
    return "its Dags" if on_dag else "yes"


def actions() -> str:
    """Return the table of the names that the commands know."""
    rows = [
        [
            ", ".join(f"`{name}`" for name in action.names),
            action.words or action.row,
            _names(action.needs),
            "the Deployment" if action.deployment_wide else "a Dag",
        ]
        for action in ACTIONS
    ]
    return _table(["Name", "What it is", "Needs", "On"], rows)


def roles() -> str:
    """Return the table of roles: where each is given, what it holds, and which roles its holder may give."""
    rows = []
    for role in BUILT_IN.values():
        holds = f"`{role.today}`, by its earlier name" if _only_a_name(role) else role.description
        gives = ", ".join(words for level, words in _LEVELS.items() if level in role.gives)
        tokens = ", ".join(words for level, words in _LEVELS.items() if level in role.gives | role.gives_tokens)
        accounts = "yes" if role.changes_accounts else ""
        rows.append([f"`{role.name}`", _LEVELS[role.level], _column(role), holds, gives, tokens, accounts])
    headings = ("Role", "Given on", "Column above", "What it is for", "May give roles of")
    return _table([*headings, "May make API tokens of", "May change accounts"], rows)


def _only_a_name(role: Role) -> bool:
    today = BUILT_IN.get(role.today or "")
    return today is not None and (today.permissions, today.gives) == (role.permissions, role.gives)


def _column(role: Role) -> str:
    same = (title for title, name in COLUMNS.items() if _alike(BUILT_IN[name], role))
    return next(same, "none")


def _alike(one: Role, other: Role) -> bool:
    narrow = ("DAG", "OBJECT")
    return one.permissions == other.permissions and (one.level in narrow) == (other.level in narrow)


def permissions() -> str:
    """Return the table of permissions."""
    rows = []
    for row in TABLE:
        verbs = " ".join(row.verbs)
        on_one = verbs if row.name in ON_OBJECTS else ""
        rows.append([f"`{row.name}`", verbs, " ".join(row.dag_verbs), on_one, row.description])
    return _table(["Object", "Verbs in a Deployment", "Verbs on Dags", "Verbs on single objects", "What it is"], rows)


def permissions_by_role() -> str:
    """Return which verbs of each object the built-in roles hold."""
    rows = []
    for row in TABLE:
        cells = []
        for role in COLUMNS.values():
            held = [verb for verb in row.verbs if mask(f"{row.name}.{verb}") & BUILT_IN[role].permissions]
            cells.append("all" if len(held) == len(row.verbs) > 1 else " ".join(held))
        rows.append([f"`{row.name}`", *cells])
    return _table(["Object", *COLUMNS], rows)


def questions_about_dags() -> str:
    """Return what Airflow's questions about a Dag need on that Dag."""
    entities = sorted(action_map.DAG_ENTITIES)
    return _questions("Entity", {name or "(the Dag itself)": action_map.DAG_ENTITIES[name] for name in entities})


def questions_about_objects() -> str:
    """Return what Airflow's questions about objects of the whole Deployment need."""
    return _questions("Object", dict(action_map.OBJECTS))


def _questions(heading: str, rows: dict[str, action_map.Row]) -> str:
    methods = ("GET", "POST", "PUT", "DELETE")
    cells = [[name, *(_names(row.get(method, 0)) or "denied" for method in methods)] for name, row in rows.items()]
    return _table([heading, *methods], cells)


def views() -> str:
    """Return what Airflow's views need."""
    rows = [[name, " or ".join(map(_names, alternatives))] for name, alternatives in action_map.VIEWS.items()]
    return _table(["View", "Needs, Deployment-wide"], rows)


def menu_items() -> str:
    """Return when Airflow's menu items are shown."""
    rows = [
        [name, _names(rule.deployment_wide), _on_some(rule)] for name, rule in sorted(action_map.MENU_ITEMS.items())
    ]
    return _table(["Menu item", "Needs, Deployment-wide", "Or on some Dag or object"], rows)


def _on_some(rule: action_map.MenuRule) -> str:
    return f"`{rule.object_kind}.get`, from Airflow 3.2 on" if rule.object_kind else _names(rule.on_dags)


def pages() -> str:
    """Return who may open FAB's pages and those of other plugins."""
    rows = [
        [_list(action_map.ACCOUNT_VIEWS), "users who may change accounts"],
        [action_map.OWN_PASSWORD_VIEW, "all signed-in users, if passwords are how users sign in"],
        [_list(action_map.OWN_ACCOUNT_VIEWS - {action_map.OWN_PASSWORD_VIEW}), "all signed-in users"],
        [_list(action_map.FAB_ROLE_VIEWS), "closed"],
        ["every other page, to look at it", _names(action_map.CUSTOM_VIEW)],
        ["every other page, to change something (POST, PUT, PATCH, DELETE)", "every permission in the Deployment"],
    ]
    return _table(["Pages, by FAB's resource name", "For whom"], rows)


def routes() -> str:
    """Return every route, what it needs and which built-in roles have that, section by section."""
    headings = ("Route", "Needs", "On", "Built-in roles that have it")
    return "\n".join(f"## {title}\n\n{_table(headings, rows)}" for title, rows in routes_page.sections().items())


def exposed() -> str:
    """Return what Airflow shows that no check can keep back, to whom, and until which release."""
    rows = []
    for one in exposures.EXPOSURES:
        place = "in the Deployment" if one.in_deployment else "on Dags"
        to_whom = f"{_names(one.held)} {place}, without {_names(one.lacking)} in the Deployment"
        rows.append([_sentence(one.shows), to_whom, one.since, one.closed or "none yet", _sentence(one.remedy)])
    return _table(["What is shown", "To users with", "From Airflow", "Closed in", "What to do"], rows)


def api_routes() -> str:
    """Return the routes of the API of access, from its OpenAPI document."""
    rows = []
    for path, methods in make_app().openapi()["paths"].items():
        for method, operation in methods.items():
            query = [each["name"] for each in operation.get("parameters", ()) if each["in"] == "query"]
            named = [f"`{name}`" for name in query if name != "dry_run"]
            route = f"`{method.upper()} {path.removeprefix('/api/v1')}`"
            rows.append([operation["tags"][0], route, operation["description"].split("\n")[0], " ".join(named)])
    return _table(["Part", "Route", "What it does", "Query"], rows)


def _sentence(words: str) -> str:
    return words[0].upper() + words[1:]


def commands() -> str:
    """Return every command with its arguments and options."""
    parts = []
    for entry in COMMANDS:
        grouped = isinstance(entry, Group)
        if grouped:
            parts.append(f"## {entry.name}\n\n{entry.help}.\n")
        for command in entry.commands if isinstance(entry, Group) else (entry,):
            words = f"{entry.name} {command.name}" if grouped else command.name
            parts.append(f"{'###' if grouped else '##'} {words}\n\n{_command(words, command)}")
    return "\n".join(parts)


def _command(words: str, command: Command) -> str:
    rows = [[_flags(option), _plain(option.help), _choices(option)] for option in command.options]
    text = f"`airflow astro-auth {words}`: {_plain(command.description or command.help).removesuffix('.')}.\n"
    return f"{text}\n{_table(['Argument', 'Meaning', 'Values'], rows)}" if rows else text


def _flags(option: Option) -> str:
    metavar = option.more.get("metavar", "")
    value = metavar if isinstance(metavar, str) else " ".join(metavar)
    if not option.flags[0].startswith("-"):
        return f"`{value or option.flags[0]}`"
    return ", ".join(f"`{flag} {value}`" if value else f"`{flag}`" for flag in option.flags).replace("|", "\\|")


def _choices(option: Option) -> str:
    return " ".join(f"`{choice}`" for choice in option.more.get("choices", ()))


def _plain(words: str) -> str:
    in_code = _SETTING.sub(r"`\g<0>`", words.replace("%%", "%"))
    return in_code.replace("|", "\\|")


def lint_rules() -> str:
    """Return every rule of `lint`."""
    rows = [[f"`{name}`", rule.severity, rule.why, rule.advice] for name, rule in RULES.items()]
    return _table(["Rule", "Severity", "Why", "What to do"], rows)


def _names(permissions: int) -> str:
    return " ".join(f"`{name}`" for name in names(permissions))


def _list(words: Iterable[str]) -> str:
    return ", ".join(sorted(words))


def _table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [headings, ["---"] * len(headings), *rows]
    return "".join("|".join(["", *(f" {cell} " if cell else " " for cell in cells), ""]) + "\n" for cells in lines)


GENERATED: dict[str, dict[str, Callable[[], str]]] = {
    "docs/api.md": {"api-routes": api_routes},
    "docs/roles.md": {"actions-by-role": actions_by_role, "roles": roles},
    "docs/limits.md": {"exposures": exposed},
    "docs/commands.md": {"commands": commands},
    "docs/asking.md": {"actions": actions},
    "docs/permissions.md": {
        "permissions": permissions,
        "permissions-by-role": permissions_by_role,
        "questions-about-dags": questions_about_dags,
        "questions-about-objects": questions_about_objects,
        "views": views,
        "menu-items": menu_items,
        "pages": pages,
    },
    "docs/reviewing-policies.md": {"lint-rules": lint_rules},
    "docs/routes.md": {"routes": routes},
}
"""Which tables each file has, by the name between its comments."""


def fresh(file: str) -> str:
    """Return what a file should say: its text with every table made anew.

    Raises:
        LookupError: if the file has no place for one of its tables.
    """
    text = (ROOT / file).read_text(encoding="utf-8")
    for name, make in GENERATED[file].items():
        begin = f"<!-- {name}: written by `python -m tools.generated_docs` -->\n"
        end = f"<!-- end of {name} -->"
        before, found_begin, rest = text.partition(begin)
        _, found_end, after = rest.partition(end)
        if not (found_begin and found_end):
            raise LookupError(f"{file} has no place for the table {name}: {begin.strip()} {end}")
        text = f"{before}{begin}\n{make()}\n{end}{after}"
    return text


if __name__ == "__main__":
    for file_name in GENERATED:
        (ROOT / file_name).write_text(fresh(file_name), encoding="utf-8")
