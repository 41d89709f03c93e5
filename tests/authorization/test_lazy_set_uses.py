"""What Airflow and the FAB provider do with the lists they are given, found in their source.

Every expression that holds such a list is followed through variables, filters and the functions below; each thing that
is done with it has to be one that `LazySet` serves, and that `test_lazy_set.py` tries.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import airflow.api_fastapi
import airflow.assets.manager
import airflow.providers.fab

HOOKS = re.compile(r"get_authorized_(dag_ids|connections|pools|variables|teams|assets)")
FILTERS = re.compile(r"(Readable|Editable)\w*FilterDep|Permitted\w+Filter|filter_class")
GIVEN = {
    "generate_dag_with_latest_run_query": "dag_ids",
    "_generate_queued_event_where_clause": "permitted_dag_ids",
    "get_scheduling_dependencies": "readable_dag_ids",
    "get_data_dependencies": "readable_dag_ids",
    "register_asset_change": "api_user_teams",
    "_filter_dags_by_team": "source_teams",
}
"""Functions that are given a list, and their parameter for it."""

SERVED = {
    "requested whether it is None",
    "len(it)",
    "dag_id in it",
    "dag_id not in it",
    "column.in_(it)",
    "it or set()",
    "it.intersection()",
    "set.issubset(it)",
    "set & it",
}
FOLLOWED = ""
COMPARED = {
    ast.In: "dag_id in it",
    ast.NotIn: "dag_id not in it",
    ast.Is: "requested whether it is None",
    ast.IsNot: "requested whether it is None",
}

Function = ast.FunctionDef | ast.AsyncFunctionDef


def modules() -> Iterator[Path]:
    """List the modules of Airflow's API, of the FAB provider, and of the assets, which are given lists of teams."""
    for package in (airflow.api_fastapi, airflow.providers.fab):
        yield from Path(package.__path__[0]).rglob("*.py")
    yield Path(airflow.assets.manager.__file__)


class Uses:
    """What one module does with lists: pairs of a line and words, '' where a list is only handed on to what is followed."""

    def __init__(self, text: str) -> None:
        tree = ast.parse(text)
        self._parents = {child: node for node in ast.walk(tree) for child in ast.iter_child_nodes(node)}
        self.found: list[tuple[int, str]] = []
        for function in (node for node in ast.walk(tree) if isinstance(node, Function)):
            names = self._names(function)
            lists = (node for node in ast.walk(function) if self._is_list(node, names, function))
            self.found += [(node.lineno, self._use(node)) for node in lists if self._owner(node) is function]

    def _owner(self, node: ast.AST) -> ast.AST:
        while not isinstance(node := self._parents[node], Function):
            pass
        return node

    def _names(self, function: Any) -> set[str]:
        """Return the variables of a function that hold a list."""
        names = {GIVEN.get(function.name, "")}
        known: set[str] = set()
        while known != names:
            known = set(names)
            for node in ast.walk(function):
                if isinstance(node, ast.Assign | ast.AnnAssign) and self._gives_list(node.value, names, function):
                    targets = node.targets if isinstance(node, ast.Assign) else [node.target]
                    names |= {target.id for target in targets if isinstance(target, ast.Name)}
        return names

    def _gives_list(self, value: Any, names: set[str], function: Any) -> bool:
        parts = value.args if _is_cast(value) else value.values if isinstance(value, ast.BoolOp) else [value]
        return any(self._is_list(part, names, function) for part in parts)

    def _is_list(self, node: Any, names: set[str], function: Any) -> bool:
        match node:
            case ast.Call(func=ast.Attribute(attr=hook)):
                return bool(HOOKS.fullmatch(hook))
            case ast.Name(id=name, ctx=context):
                changed = isinstance(self._parents[node], ast.AugAssign)
                return name in names and (changed or isinstance(context, ast.Load))
            case ast.Attribute(value=ast.Name(id="self"), attr="value"):
                owner = self._parents[function]
                return isinstance(owner, ast.ClassDef) and bool(FILTERS.fullmatch(owner.name))
            case ast.Attribute(value=ast.Name(id=name), attr="value"):
                arguments = [*function.args.args, *function.args.kwonlyargs]
                kinds = [ast.unparse(each.annotation) for each in arguments if each.arg == name and each.annotation]
                return any(map(FILTERS.fullmatch, kinds))
        return False

    def _use(self, node: Any) -> str:  # noqa: PLR0911 - a table
        match parent := self._parents[node]:
            case ast.Assign() | ast.AnnAssign():
                return FOLLOWED
            case ast.keyword(arg=name) if name in GIVEN.values():
                return FOLLOWED
            case ast.Call():
                return _call(parent)
            case ast.Attribute(attr=name):
                return f"it.{name}()"
            case ast.Compare(ops=[operator]) if type(operator) in COMPARED:
                return COMPARED[type(operator)]
            case ast.BinOp(op=ast.BitAnd()):
                return "set & it"
            case ast.BoolOp(op=ast.Or(), values=[first, other]) if first is node and ast.unparse(other) == "set()":
                # Whatever its truth, what comes out has the same in it; so what is done with that counts.
                use = self._use(parent)
                return "it or set()" if use in SERVED or use == FOLLOWED else use
        return ast.unparse(parent)


def _call(call: ast.Call) -> str:
    match call.func:
        case ast.Name(id=name) if name in GIVEN or name == "cast" or FILTERS.fullmatch(name):
            return FOLLOWED
        case ast.Name(id="len"):
            return "len(it)"
        case ast.Attribute(attr="in_"):
            return "column.in_(it)"
        case ast.Attribute(attr=name):
            return f"set.{name}(it)"
    return ast.unparse(call)


def _is_cast(value: Any) -> bool:
    return isinstance(value, ast.Call) and ast.unparse(value.func) == "cast"


def test_airflow_does_nothing_else_with_lists() -> None:
    """Each use that Airflow makes of a list is one that these lists serve; and there are many."""
    found = {
        f"{path}:{line}": use
        for path in modules()
        if HOOKS.search(text := path.read_text()) or FILTERS.search(text) or any(name in text for name in GIVEN)
        for line, use in Uses(text).found
    }
    assert {place: use for place, use in found.items() if use not in SERVED and use != FOLLOWED} == {}
    assert SERVED >= set(found.values()) - {FOLLOWED} >= {"it or set()", "dag_id not in it"}
    assert len(found) > 20


def test_new_uses_are_noticed() -> None:
    """What a list is changed by, asked or given to is told, if it is not known."""
    text = """
def route(readable: ReadableDagsFilterDep, manager):
    mine = manager.get_authorized_dag_ids(user=user)
    also = cast("set[str]", readable.value)
    also.add("x")
    if not mine:
        return isinstance(mine, set)
    mine |= {"y"}
    helper(also or set())
    return [each for each in readable.value]

class PermittedDagFilter:
    def to_orm(self, select):
        return self.value
"""
    reported = {use for _, use in Uses(text).found if use not in SERVED and use != FOLLOWED}
    assert reported == {
        "it.add()",
        "not mine",
        "isinstance(mine, set)",
        "mine |= {'y'}",
        "helper(also or set())",
        " for each in readable.value",
        "return self.value",
    }
