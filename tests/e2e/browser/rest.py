"""What the REST API says of that which people do in the browser."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, TypeVar

import httpx

T = TypeVar("T")


def token(url: str, user: str, password: str) -> httpx.Response:
    """The answer to a request for a token."""
    return httpx.post(f"{url}/auth/token", json={"username": user, "password": password}, timeout=180, verify=False)


def rest(url: str, user: str, password: str) -> httpx.Client:
    """A client of the REST API, signed in. It raises for every answer that is an error."""
    given = token(url, user, password)
    given.raise_for_status()
    headers = {"Authorization": f"Bearer {given.json()['access_token']}"}
    hooks = {"response": [lambda answer: answer.raise_for_status()]}
    return httpx.Client(base_url=f"{url}/api/v2", headers=headers, event_hooks=hooks, timeout=180, verify=False)


def wait_until(condition: Callable[[], T], what: str, seconds: float = 300) -> T:
    """Asks until the answer is true, and returns it; raises AssertionError when the time is over."""
    deadline = time.monotonic() + seconds
    while not (answer := condition()):
        assert time.monotonic() < deadline, f"not within {seconds:.0f} seconds: {what}"
        time.sleep(0.3)
    return answer


def runs(client: httpx.Client, dag_id: str) -> list[str]:
    """The states of a Dag's runs."""
    return [run["state"] for run in client.get(f"/dags/{dag_id}/dagRuns").json()["dag_runs"]]


def state(client: httpx.Client, dag_id: str) -> str:
    """The state of its first run."""
    return str(client.get(f"/dags/{dag_id}/dagRuns/first").json()["state"])


def hitl(client: httpx.Client) -> list[Any]:
    """The tasks that wait for a person's answer."""
    answer = client.get("/dags/~/dagRuns/~/hitlDetails", params={"response_received": False})
    return list(answer.json()["hitl_details"])


def is_paused(client: httpx.Client, dag_id: str) -> bool:
    """Whether the Dag is paused."""
    return bool(client.get(f"/dags/{dag_id}").json()["is_paused"])
