"""The one table of what people do, in plain words, and what each of it needs.

The commands take these names, and the table of docs/roles.md is made from them. Every word of a
permission is an action, too: `dagRun.create`, or with its scope `dag.airflow.dagRun.create`.
"""

from __future__ import annotations

from typing import NamedTuple

from astro_auth_plugin.rbac.model.permissions import (
    ASTRO_WORDS,
    DAG_WORDS,
    DEPLOYMENT_WORDS,
    EVERYTHING,
    OBJECT_WORDS,
    ON_OBJECTS,
    TABLE,
    ObjectKind,
    mask,
    names,
)


class Action(NamedTuple):
    """Something that people do, and what it needs.

    Attributes:
        names: what the commands call it; all mean the same.
        row: the row of that table; adjacent actions may share one.
        needs: the permissions, all of them; on a Dag `dag.get` besides.
        deployment_wide: whether it concerns the whole Deployment, so that no role on single Dags gives it.
        words: what it is, where that is not what the row says.
    """

    names: tuple[str, ...]
    row: str
    needs: int
    deployment_wide: bool = False
    words: str = ""


_LISTS = "See connections, Variables and pools"
_INSTALLED = "See plugins and providers"

ACTIONS: tuple[Action, ...] = (
    Action(("open",), "Open Airflow's pages", mask("website.get"), deployment_wide=True),
    Action(
        ("see",),
        "See a Dag, its runs and tasks",
        mask("dag.get", "dagRun.get", "taskInstance.get", "dagDependencies.get"),
    ),
    Action(("see-code",), "Read its code", mask("dagCode.get")),
    Action(("see-logs",), "Read its task logs", mask("taskLog.get")),
    Action(("see-xcom",), "Read its XComs", mask("xcom.get")),
    Action(("see-audit-log",), "Read its audit log", mask("auditLog.get")),
    Action(("trigger", "backfill"), "Trigger it, backfill", mask("dagRun.create")),
    Action(
        ("clear", "mark", "note"),
        "Clear, mark and annotate runs and tasks",
        mask("dagRun.update", "taskInstance.update"),
    ),
    Action(("answer",), "Answer its human-in-the-loop tasks", mask("taskInstance.update")),
    Action(("pause", "unpause"), "Pause and unpause it", mask("dag.update")),
    Action(("delete-run",), "Delete its runs", mask("dagRun.delete")),
    Action(("delete",), "Delete it", mask("dag.delete")),
    Action(("delete-xcom",), "Delete its XComs", mask("xcom.delete")),
    Action(("edit-xcom",), "Create and change its XComs", mask("xcom.create", "xcom.update")),
    Action(("see-assets",), "See all assets", mask("datasets.get", "dag.get"), deployment_wide=True),
    Action(
        ("materialize", "record-asset-event"),
        "Materialize assets, record their events",
        mask("datasets.create", "dagRun.create", "dag.get"),
        deployment_wide=True,
    ),
    Action(("see-import-errors",), "See import errors", mask("importError.get"), deployment_wide=True),
    Action(("see-jobs",), "See jobs", mask("job.get"), deployment_wide=True),
    Action(("see-connection",), _LISTS, mask("connection.get"), deployment_wide=True, words="See connections"),
    Action(("see-variable",), _LISTS, mask("variable.get"), deployment_wide=True, words="See Variables"),
    Action(("see-pool",), _LISTS, mask("pool.get"), deployment_wide=True, words="See pools"),
    Action(("see-plugins",), _INSTALLED, mask("plugin.get"), deployment_wide=True, words="See plugins"),
    Action(("see-providers",), _INSTALLED, mask("provider.get"), deployment_wide=True, words="See providers"),
    Action(
        ("edit-connection",),
        "Change connections",
        mask("connection.create", "connection.update", "connection.delete"),
        deployment_wide=True,
    ),
    Action(
        ("edit-variable",),
        "Change Variables",
        mask("variable.create", "variable.update", "variable.delete"),
        deployment_wide=True,
    ),
    Action(("edit-pool",), "Change pools", mask("pool.create", "pool.update", "pool.delete"), deployment_wide=True),
    Action(("see-config",), "See the configuration", mask("config.get"), deployment_wide=True),
    Action(("see-whole-audit-log",), "Read the whole audit log", mask("auditLog.get", "dag.get"), deployment_wide=True),
)
"""Every action with a plain name, in the order of the table in docs/roles.md."""

_BY_NAME = {name: action for action in ACTIONS for name in action.names}
_PERMISSIONS = frozenset(names(EVERYTHING))
_ON_DAGS = frozenset(word.removeprefix("dag.airflow.") for word in DAG_WORDS)
_DAG_PERMISSIONS = mask(*_ON_DAGS)
NEED_DAG_GET: int = _DAG_PERMISSIONS & ~mask("dag.get", "importError.get", "taskReschedule.get")
"""Permissions that have no effect on a Dag, or in the whole Deployment, without `dag.get` there."""

WORDS: tuple[str, ...] = (
    *_BY_NAME,
    *names(EVERYTHING),
    *DAG_WORDS,
    *DEPLOYMENT_WORDS,
    *OBJECT_WORDS,
    *sorted(ASTRO_WORDS),
)
"""Every word that names an action."""


class Meant(NamedTuple):
    """What a word means: permissions, and whether they can be about one Dag (`on_dag`) or only about all.

    `object_kind` is of which kind the one object is that they can be about, if they can.
    """

    needs: int
    on_dag: bool
    object_kind: ObjectKind | None = None


_VERBS = {"get": "See", "create": "Create", "update": "Change", "delete": "Delete"}
TITLES: dict[str, str] = {
    **{
        f"{row.name}.{verb}": f"{_VERBS[verb]} {row.description.partition(';')[0]}"
        for row in TABLE
        for verb in row.verbs
    },
    "slaMiss.get": "See SLA misses, on Airflow 2",
    "taskReschedule.get": "See reschedules of tasks, on Airflow 2",
    **{action.names[0]: action.words or action.row for action in ACTIONS},
}
"""What `spelled` calls actions and permissions, in plain words."""


def meant(word: str) -> Meant | None:
    """Return what a word means; None for an unknown word.

    A word of Astro that Airflow never checks is known, and needs nothing.
    """
    if word in _BY_NAME:
        needs = _BY_NAME[word].needs
        return Meant(needs, not _BY_NAME[word].deployment_wide, _kind_of(needs))
    if word in _PERMISSIONS:
        return Meant(mask(word), word in _ON_DAGS, _kind_of(mask(word)))
    if word in DAG_WORDS:
        return Meant(DAG_WORDS[word], on_dag=True)
    if word in DEPLOYMENT_WORDS:
        needs = DEPLOYMENT_WORDS[word]
        return Meant(needs | (mask("dag.get") if needs & NEED_DAG_GET else 0), on_dag=False)
    if word in OBJECT_WORDS:
        return Meant(OBJECT_WORDS[word], on_dag=False, object_kind=_kind_of(OBJECT_WORDS[word]))
    return Meant(0, on_dag=False) if word in ASTRO_WORDS else None


def _kind_of(needs: int) -> ObjectKind | None:
    return next((kind for kind, every in ON_OBJECTS.items() if not needs & ~every), None)


def spelled(permissions: int, *, on_dag: bool) -> tuple[str, ...]:
    """Return a set of permissions in few words: plain names, and what none of these plain names has, by its own name.

    Args:
        permissions: what a user has in one place.
        on_dag: whether that place is a Dag; then what concerns the whole Deployment is left out.
    """
    shown = _DAG_PERMISSIONS if on_dag else EVERYTHING
    held = [action for action in ACTIONS if not action.needs & ~permissions and not (on_dag and action.deployment_wide)]
    reported = 0
    for action in held:
        reported |= action.needs
    return (*(action.names[0] for action in held), *names(permissions & shown & ~reported))
