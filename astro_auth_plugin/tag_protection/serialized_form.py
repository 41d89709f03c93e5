"""What a serialized Dag may have in it, whatever its tags: the dag-processor, the scheduler and the api-server read it.

Airflow writes it in the process of the Dag's file, whose code can put anything there.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

_VALUES = frozenset(
    {
        "arg_not_set",
        "asset",
        "asset_alias",
        "asset_all",
        "asset_any",
        "asset_ref",
        "datetime",
        "dict",
        "edgeinfo",
        "k8s.V1Pod",
        "mapped_argument",
        "operator",
        "param",
        "relativedelta",
        "set",
        "taskgroup",
        "timedelta",
        "timezone",
        "tuple",
        "xcomref",
    }
)
"""The types of Airflow's that Dags have in them. Among the others are exceptions and triggers: before 3.3 Airflow
imports what the data of these name, and calls it with the arguments in the data."""
_CALLBACKS = frozenset(
    f"airflow.sdk.definitions.{module}.{kind}Callback"
    for module in ("callback", "deadline")
    for kind in ("Async", "Sync")
)
"""The classes of the callbacks of deadlines, in one of Airflow's modules or the other."""
_INTERVAL = "airflow.sdk.definitions.deadline.VariableInterval"
_REFERENCES = ("$ref", "$dynamicRef", "$recursiveRef")
_BASES = ("$id", "id")
"""With one of these, a reference within a schema is one to another document. `id` is also a name in other values."""
_TYPE_KEYS = ("__type", "Encoding.TYPE")
"""The key of a value's type. Airflow 3.3 takes the second, too, where a value has both."""
_PARAM = "airflow.sdk.definitions.param.Param"


def objection(data: dict[str, Any]) -> str:
    """Return why a serialized Dag is refused; '' if it is not."""
    version, own = data.get("__version"), _serializer().SERIALIZER_VERSION
    if type(version) is not int or version != own:
        # Airflow converts another version after the guard has looked, and the conversion takes other keys for the id.
        return f"its serialized form has the version `{version}`, and this Airflow writes {own}"
    try:
        # Airflow sets every key as an attribute of the Dag, so that others could give it another id or other tags.
        _serializer().validate_schema(data)
    except Exception as error:  # noqa: BLE001 - the data may be of any shape
        # The whole text of the error has the Dag in it, pretty: of a large, nested one it takes minutes to make.
        words = str(getattr(error, "message", error))
        return f"its serialized form is not valid: {words.splitlines()[0][:200]}"
    dag = dict(data["dag"])
    return _objection_to_deadlines(dag.pop("deadline", None)) or _objection_to_values({**data, "dag": dag})


def _objection_to_deadlines(deadlines: Any) -> str:
    """Refuse classes other than callbacks: Airflow creates objects of them, from another format than other values."""
    for alert in deadlines if isinstance(deadlines, list) else [deadlines]:
        inside = alert.get("__var", alert) if isinstance(alert, dict) else alert
        if not isinstance(inside, dict):
            continue
        callback = inside.get("callback")
        named = callback.get("__classname__") if isinstance(callback, dict) else None
        if named not in _CALLBACKS:
            return f"a deadline has a callback of the class `{named}`"
        for value in _dicts(inside):
            other = value.get("__classname__")
            is_of_deadline = value is callback or (value is inside.get("interval") and other == _INTERVAL)
            # The older spelling of a class, which Airflow prefers where a value has both.
            if "__type" in value or (str(other).startswith("airflow.") and not is_of_deadline):
                return f"a deadline has a value of the class `{value.get('__type', other)}`"
    return ""


def _objection_to_values(data: dict[str, Any]) -> str:
    known = _types()
    for value in _dicts(data):
        kinds = [value.get(key) for key in _TYPE_KEYS]
        for kind in kinds:
            if isinstance(kind, str) and kind in known and kind not in _VALUES:
                return f"it has a value of the type `{kind}`, which is not one of Dags"
        params: list[Any] = [value] if "__class" in value else []
        params += [value.get("__var"), value.get("Encoding.VAR")] if "param" in kinds else []
        if reference := next(_references([each.get("schema") for each in params if isinstance(each, dict)]), ""):
            # The api-server would fetch it, and show what it finds.
            return f"the schema of a Param refers to `{reference}`; only references within the schema are allowed"
    return ""


def _references(schemas: Any) -> Iterator[str]:
    for value in _dicts(schemas):
        for key in (*_REFERENCES, *_BASES):
            text = value.get(key)
            if isinstance(text, str) and (":" in text if key in _BASES else not text.startswith("#")):
                yield text


def name_params(data: dict[str, Any]) -> None:
    """Make every Param one of Airflow's own class: 3.1 imports the class that is named, newer releases ignore it."""
    for value in _dicts(data):
        if isinstance(value.get("__class"), str):
            value["__class"] = _PARAM


def _serializer() -> Any:
    from airflow.serialization import serialized_objects  # noqa: PLC0415 - a process of a task needs none of it

    known: Any = serialized_objects
    # `SerializedDAG` is its name before Airflow 3.2.
    return known.DagSerialization if hasattr(known, "DagSerialization") else known.SerializedDAG


def _types() -> frozenset[str]:
    """Return the types that this Airflow makes something of; any other text is that of the Dag's author."""
    from airflow.serialization.enums import DagAttributeTypes  # noqa: PLC0415 - a process of a task needs none of it

    return frozenset(kind.value for kind in DagAttributeTypes)


def _dicts(data: Any) -> Iterator[dict[str, Any]]:
    """Yield every dict in a value, without recursion: how deep it is, the Dag's file chooses."""
    left = [data]
    while left:
        value = left.pop()
        if isinstance(value, dict):
            yield value
            left += value.values()
        elif isinstance(value, list | tuple | set | frozenset):
            left += value
