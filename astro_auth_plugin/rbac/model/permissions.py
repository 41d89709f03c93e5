"""The one table of permissions, and the arithmetic on sets of them.

A permission is an object and a verb, written `dagRun.create`. In a role it is written as a word with the scope in
front: `deployment.airflow.dagRun.create` reaches every Dag of the Deployment, `dag.airflow.dagRun.create` the Dags
of the grant, and `object.airflow.pool.get` its pools. All words of a permission stand for the same one; the grant says
where it applies.

Sets of permissions are integers, one bit a permission, so that "has all of these" is one machine operation.
The names of objects and verbs are those of Astro's custom Deployment role reference.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Literal, NamedTuple, get_args

from astro_auth_plugin.rbac.model.errors import UnknownPermission

Scope = Literal["DEPLOYMENT", "DAG", "OBJECT"]
ObjectKind = Literal["connection", "variable", "pool"]
"""Objects with permissions on single ones of them, too, by their name in the table."""


class AirflowObject(NamedTuple):
    """A row of the table: the permissions on one kind of object.

    `verbs` can be granted Deployment-wide; `dag_verbs`, a part of them, also on single Dags.
    """

    name: str
    verbs: tuple[str, ...]
    dag_verbs: tuple[str, ...]
    description: str


_GET = ("get",)
_CRUD = ("get", "create", "update", "delete")

TABLE: tuple[AirflowObject, ...] = (
    AirflowObject("adminMenu", _GET, (), "the Admin menu"),
    AirflowObject("astronomer", _GET, (), "the Astro menu: this plugin's own pages"),
    AirflowObject("auditLog", _GET, _GET, "the audit log"),
    AirflowObject("browseMenu", _GET, (), "the Browse menu"),
    AirflowObject("clusterActivity", _GET, (), "cluster activity and health dashboards"),
    AirflowObject("config", _GET, (), "the Config page"),
    AirflowObject("connection", _CRUD, (), "connections"),
    AirflowObject("customMenu", _GET, (), "pages that plugins add"),
    AirflowObject(
        "dag",
        ("get", "update", "delete"),
        ("get", "update", "delete"),
        "the Dag itself; update is pause, unpause and reparse",
    ),
    AirflowObject("dagCode", _GET, _GET, "a Dag's source code"),
    AirflowObject("dagDependencies", _GET, _GET, "dependencies between Dags"),
    AirflowObject(
        "dagRun",
        _CRUD,
        _CRUD,
        "runs of a Dag; create is trigger and backfill, update is clear, mark and note",
    ),
    AirflowObject(
        "datasets",
        _CRUD,
        _GET,
        "assets and asset aliases; create is to record an event or to materialize",
    ),
    AirflowObject("docs", _GET, (), "the Docs menu"),
    AirflowObject("importError", _GET, _GET, "errors of Dag files that do not import"),
    AirflowObject("job", _GET, (), "jobs of the scheduler and its helpers"),
    AirflowObject("plugin", _GET, (), "the list of installed plugins"),
    AirflowObject("pool", _CRUD, (), "pools"),
    AirflowObject("provider", _GET, (), "the list of installed providers"),
    AirflowObject("slaMiss", _GET, (), "for roles of Airflow 2; Airflow 3 does not check it"),
    AirflowObject(
        "taskInstance",
        _CRUD,
        _CRUD,
        "task instances; update is clear, mark, note and to answer a human-in-the-loop request",
    ),
    AirflowObject("taskLog", _GET, _GET, "task logs"),
    AirflowObject("taskReschedule", _GET, _GET, "for roles of Airflow 2; Airflow 3 does not check it"),
    AirflowObject("trigger", _GET, (), "triggers of deferred tasks"),
    AirflowObject("variable", _CRUD, (), "Variables"),
    AirflowObject("website", _GET, (), "Airflow's home page"),
    AirflowObject("xcom", _CRUD, _CRUD, "XComs, and what tasks keep in the state store"),
)

_BITS: Mapping[str, int] = MappingProxyType(
    {name: 1 << position for position, name in enumerate(f"{row.name}.{verb}" for row in TABLE for verb in row.verbs)}
)

EVERYTHING: int = (1 << len(_BITS)) - 1
"""Every permission of the table."""

# `configMenu.get` is what Astro called `config.get` before.
_OLDER_WORDS = {"deployment.airflow.configMenu.get": _BITS["config.get"]}

DEPLOYMENT_WORDS: Mapping[str, int] = MappingProxyType(
    {f"deployment.airflow.{name}": bit for name, bit in _BITS.items()} | _OLDER_WORDS
)
"""Words that a custom role of scope DEPLOYMENT may have, and the permission each stands for."""

DAG_WORDS: Mapping[str, int] = MappingProxyType(
    {f"dag.airflow.{row.name}.{verb}": _BITS[f"{row.name}.{verb}"] for row in TABLE for verb in row.dag_verbs}
)
"""Words that a custom role of scope DAG may have, and the permission each stands for."""

ON_OBJECTS: Mapping[ObjectKind, int] = MappingProxyType(
    {
        kind: sum(_BITS[f"{row.name}.{verb}"] for verb in row.verbs)
        for kind in get_args(ObjectKind)
        for row in TABLE
        if row.name == kind
    }
)
"""What can be granted on single objects of each kind."""

OBJECT_WORDS: Mapping[str, int] = MappingProxyType(
    {
        f"object.airflow.{name}": bit
        for name, bit in _BITS.items()
        if any(bit & permissions for permissions in ON_OBJECTS.values())
    }
)
"""Words that a custom role of scope OBJECT may have, and the permission each stands for."""

WORDS_OF: Mapping[Scope, Mapping[str, int]] = MappingProxyType(
    {"DEPLOYMENT": DEPLOYMENT_WORDS, "DAG": DAG_WORDS, "OBJECT": OBJECT_WORDS}
)
"""Words that a custom role may have, by its scope."""

_ASTRO_OBJECTS = (
    "agents",
    "agentTokens",
    "alerts",
    "apiTokens",
    "deploys",
    "envObjects",
    "logs",
    "metrics",
    "teams",
    "users",
)
ASTRO_WORDS: frozenset[str] = frozenset(
    [f"deployment.{verb}" for verb in ("get", "update", "delete")]
    + [f"deployment.{name}.{verb}" for name in _ASTRO_OBJECTS for verb in _CRUD]
    + ["deployment.apiTokens.rotate", "deployment.apiKeys.get", "deployment.apiKeys.delete"]
)
"""Words of Astro that Airflow never checks: valid in a Deployment role, and no permission in Airflow.

Of these only `deployment.apiTokens.*` has an effect, for who may make API tokens: see `delegation`.
"""

OF_ASTRO = re.compile(r"deployment\.(?!airflow\.)[A-Za-z]+\.[A-Za-z]+")
"""What an Astro permission looks like that is not about Airflow."""


def is_of_astro(word: str) -> bool:
    """Whether a word has the form of an Astro permission that is not about Airflow: Astro adds such words."""
    return word in ASTRO_WORDS or OF_ASTRO.fullmatch(word) is not None


def mask(*permission_names: str) -> int:
    """Return the set of these permissions.

    Args:
        permission_names: names without scope, such as ``dagRun.create``.

    Raises:
        UnknownPermission: if a name is not in the table.
    """
    result = 0
    for name in permission_names:
        try:
            result |= _BITS[name]
        except KeyError:
            raise UnknownPermission(name) from None
    return result


def mask_of_words(words: Iterable[str], scope: Scope) -> int:
    """Return the set of permissions that words give in a role of this scope; an unknown word gives nothing."""
    known = WORDS_OF[scope]
    result = 0
    for each in words:
        result |= known.get(each, 0)
    return result


def names(permissions: int) -> tuple[str, ...]:
    """Return the names in a set of permissions, in the order of the table."""
    return tuple(name for name, bit in _BITS.items() if permissions & bit)


def word(permission_name: str, scope: Scope) -> str:
    """Return how a role of this scope writes the permission, ``dag.airflow.dag.get`` for instance.

    Raises:
        UnknownPermission: if that permission does not exist in that scope.
    """
    result = f"{scope.lower()}.airflow.{permission_name}"
    if result not in WORDS_OF[scope]:
        raise UnknownPermission(result)
    return result


def word_in(permission_name: str, scope: Scope) -> str:
    """Return how a role of this scope writes the permission; a Deployment role's word where only that one has it."""
    narrow = f"{scope.lower()}.airflow.{permission_name}"
    return narrow if narrow in WORDS_OF[scope] else word(permission_name, "DEPLOYMENT")
