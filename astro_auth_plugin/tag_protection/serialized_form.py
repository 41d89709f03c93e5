"""What a serialized Dag may have in it, whatever its tags: the dag-processor, the scheduler and the api-server read it.

Airflow writes it in the process of the Dag's file, whose code can put anything there.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

_MADE_BY_NAME = frozenset({"airflow_exc_ser", "base_exc_ser", "base_trigger"})
"""The types for which Airflow before 3.3 imports what the data name, and calls it with the arguments in the data."""
_PARAM = "airflow.sdk.definitions.param.Param"


def objection(data: dict[str, Any]) -> str:
    """Return why a serialized Dag is refused; '' if it is not."""
    version = data.get("__version")
    if type(version) is not int or version != _version():
        # Airflow converts another version after the guard has looked, and the conversion takes other keys for the id.
        return f"its serialized form has the version `{version}`, and this Airflow writes {_version()}"
    for value in _dicts(data):
        kind = value.get("__type")
        if isinstance(kind, str) and kind in _MADE_BY_NAME:
            return f"it has a value of the type `{kind}`, which Airflow would create when it reads the Dag"
    return ""


def name_params(data: dict[str, Any]) -> None:
    """Make every Param one of Airflow's own class: 3.1 imports the class that is named, newer releases ignore it."""
    for value in _dicts(data):
        if isinstance(value.get("__class"), str):
            value["__class"] = _PARAM


def _version() -> int:
    from airflow.serialization import serialized_objects  # noqa: PLC0415 - a process of a task needs none of it

    known: Any = serialized_objects
    # `SerializedDAG` is its name before Airflow 3.2.
    return int(
        (known.DagSerialization if hasattr(known, "DagSerialization") else known.SerializedDAG).SERIALIZER_VERSION
    )


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
