"""A server with the policy in the database, and its people at the API of access."""

from __future__ import annotations

from typing import Any

import httpx

from .client import Caller, Everybody
from .live import LiveAirflow

API = "/access/api/v1"


class AccessServer:
    """A running Airflow, and the people who ask its API."""

    def __init__(self, live: LiveAirflow, client: httpx.Client) -> None:
        self.live = live
        self.client = client
        self.people = Everybody(client)

    def ask(self, user: str, method: str, path: str, **kwargs: Any) -> httpx.Response:
        """The answer to a request of a person."""
        return send(self.people[user], method, path, **kwargs)

    def read(self, user: str, path: str) -> Any:
        """The body of a GET that must succeed."""
        return self.people[user].json(f"{API}{path}")

    def change(self, user: str, method: str, path: str, etag: str = "", **body: Any) -> httpx.Response:
        """The answer to a change, of what has this ETag; without one, of what it has now."""
        etag = etag or self.read("organization.owner", path)["etag"]
        return self.ask(user, method, path, json=body, etag=etag)

    def version(self) -> int:
        """The number of the newest version."""
        number: int = self.read("organization.owner", "/me")["policy"]["version"]
        return number


def send(caller: Caller, method: str, path: str, etag: str = "", **kwargs: Any) -> httpx.Response:
    """The answer to a request of a caller to the API."""
    headers = {**caller.headers, **({"If-Match": f'"{etag}"'} if etag else {})}
    if method == "DELETE":
        kwargs.pop("json", None)
    return caller.client.request(method, f"{API}{path}", headers=headers, **kwargs)


def on_tag(role: str, tag: str, **more: Any) -> dict[str, Any]:
    """A grant on a tag."""
    return {"role": role, "scope": {"kind": "tag", "id": tag, "deployment_id": "dep-prod"}, **more}


def on_workspace(role: str, workspace: str = "ws-data") -> dict[str, Any]:
    """A grant in a Workspace."""
    return {"role": role, "scope": {"kind": "Workspace", "id": workspace}}
