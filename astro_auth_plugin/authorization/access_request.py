"""What Airflow asks about, as one value: each hook of the auth manager builds one from all that Airflow passes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

# Under which name the details of a resource have its id.
_ID_FIELDS = {
    "asset": "id",
    "asset_alias": "id",
    "backfill": "id",
    "configuration": "section",
    "connection": "conn_id",
    "pool": "name",
    "team": "name",
    "variable": "key",
}


class AccessRequest(NamedTuple):
    """A method on a resource; who asks is not part of it.

    Attributes:
        method: GET, POST, PUT or DELETE; FAB has other words for what a page does.
        resource: `dag`, a key of `_ID_FIELDS`, `view` (of Airflow) or `custom_view` (a page of FAB or of a plugin).
        entity: an entity of a Dag, such as RUN; the name of a view or page; '' for the resource itself.
        dag_id: the Dag; None for no Dag in particular.
        resource_id: id, name or key of another resource; None for none in particular.
        team: the team of multi-team Airflow that has the resource. It never changes a decision.
    """

    method: str
    resource: str
    entity: str = ""
    dag_id: str | None = None
    resource_id: Any = None
    team: str | None = None

    @classmethod
    def of_dag(cls, method: Any, entity: Any = None, details: Any = None) -> AccessRequest:
        """Return the request for a method on an entity of a Dag; None is the Dag itself."""
        dag_id, team = getattr(details, "id", None), getattr(details, "team_name", None)
        return cls(enum_name(method), "dag", enum_name(entity), dag_id, None, team)

    @classmethod
    def of(cls, resource: str, method: Any, details: Any = None) -> AccessRequest:
        """Return the request for a method on another resource of Airflow."""
        resource_id, team = getattr(details, _ID_FIELDS[resource], None), getattr(details, "team_name", None)
        return cls(enum_name(method), resource, "", None, resource_id, team)

    @classmethod
    def of_item(cls, resource: str, item: Mapping[str, Any]) -> AccessRequest:
        """Return the request for an item of a batch."""
        if resource == "dag":
            return cls.of_dag(item["method"], item.get("access_entity"), item.get("details"))
        return cls.of(resource, item["method"], item.get("details"))

    @property
    def reads(self) -> bool:
        """Whether it changes nothing."""
        return self.method == "GET"


def enum_name(member: Any) -> str:
    """Return the name of an enum's member, or plain text as it is; '' for None.

    Names are compared as text, because which members an enum of Airflow has differs between its versions.
    """
    if type(member) is str:
        return member
    return "" if member is None else str(getattr(member, "name", member))
