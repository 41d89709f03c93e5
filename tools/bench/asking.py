"""Asks one auth manager, inside its process, what a cell is about."""

from __future__ import annotations

import asyncio
import dataclasses
import importlib
import statistics
import time
from collections import deque
from collections.abc import Callable
from http.client import FORBIDDEN
from typing import Any

import httpx

from tools.bench import data
from tools.bench.cells import BODIES, FIRSTS, FLOORS, REQUESTS, Cell
from tools.bench.engines import OURS
from tools.bench.floors import floor
from tools.bench.statements import counted

_AT_LEAST_SECONDS = 0.02
_MOST_REPEATS = 20
Run = Callable[[], Any]


class Asker:
    """The people of an auth manager, and its application.

    Args:
        manager: the auth manager.
        app: Airflow's application with it.
        size: how many Dags there are.
        claims: what the token of each person says.
        tokens: the tokens.
        loop: where the application runs.
    """

    def __init__(  # noqa: PLR0913 - a record of what a process has
        self,
        manager: Any,
        app: Any,
        size: int,
        *,
        claims: dict[str, dict[str, Any]],
        tokens: dict[str, str],
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        from airflow.api_fastapi.auth.managers.models.resource_details import DagDetails  # noqa: PLC0415 - configured

        self._manager = manager
        self._size = size
        self._claims = claims
        self._tokens = tokens
        self._loop = loop
        self._ids = set(data.questions(size))
        self._questions = [DagDetails(id=dag_id) for dag_id in data.questions(size)]
        self._batch = [{"method": "GET", "details": DagDetails(id=dag_id)} for dag_id in data.batch(size)]
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        self._client = httpx.AsyncClient(transport=transport, base_url="http://localhost", timeout=600)

    # -- measuring ---------------------------------------------------------------------------------------------------

    def seconds(self, cell: Cell) -> float:
        """Return the median time of what a cell is about."""
        spent: list[float] = []
        until = time.perf_counter() + _AT_LEAST_SECONDS
        while not spent or (time.perf_counter() < until and len(spent) < _MOST_REPEATS):
            run, operations = self._ready(cell)
            begun = time.perf_counter()
            run()
            spent.append((time.perf_counter() - begun) / operations)
        if cell.name in FIRSTS:
            self._warm_up()
        return statistics.median(spent)

    def count(self, cell: Cell) -> tuple[float, float]:
        """Return how many statements and values are sent."""
        self._ready(cell)[0]()  # whatever is only sent the first time
        run, operations = self._ready(cell)
        with counted() as count:
            run()
        if cell.name in FIRSTS:
            self._warm_up()
        return count.statements / operations, count.parameters / operations

    def _ready(self, cell: Cell) -> tuple[Run, int]:
        """Return what to run, and how many times it does the thing."""
        if cell.name in FLOORS:
            return floor(cell.name, self._size)
        if cell.name in FIRSTS:
            self.forget()
        if cell.name in REQUESTS:
            return self._request(cell), 1
        user = self.user(cell.person) if cell.name != "first" else None
        if cell.name in ("decision", "batch"):
            # To make a user may send a statement, after which the processor has other things at hand.
            self._decide(self.user(cell.person))
        calls: dict[str, tuple[Run, int]] = {
            "decision": (lambda: self._decide(user), len(self._questions)),
            "first": (lambda: self._decide_first(cell.person), 1),
            "batch": (lambda: self._manager.batch_is_authorized_dag(self._batch, user=user), 1),
            "list": (lambda: deque(self.dag_ids(user), maxlen=0), 1),
            "tags": (lambda: deque(self.dag_ids(user), maxlen=0), 1),
            "lazy": (lambda: self.dag_ids(user), 1),
            "filter": (lambda: self._filter(user), 1),
        }
        return calls[cell.name]

    # -- asking ------------------------------------------------------------------------------------------------------

    def user(self, person: str) -> Any:
        """Return somebody as at the beginning of a request."""
        return self._manager.deserialize_user(self._claims[person])

    def dag_ids(self, user: Any) -> Any:
        """Return the Dags that somebody may see."""
        return self._manager.get_authorized_dag_ids(user=user, method="GET")

    def _decide(self, user: Any) -> list[bool]:
        ask = self._manager.is_authorized_dag
        return [ask(method="GET", user=user, details=details) for details in self._questions]

    def _decide_first(self, person: str) -> bool:
        allowed: bool = self._manager.is_authorized_dag(
            method="GET", user=self.user(person), details=self._questions[0]
        )
        return allowed

    def _filter(self, user: Any) -> Any:
        return self._manager.filter_authorized_dag_ids(dag_ids=self._ids, user=user, method="GET")

    def forget(self) -> None:
        """Empty what the auth manager keeps of people and of the tags of Dags."""
        people = getattr(self._manager, "cache", None)
        if people is not None:
            people.clear()
        # Ours is imported by name, since the package is there only where it is what is measured.
        if type(self._manager).__name__ == OURS.rsplit(".", 1)[-1]:
            state = importlib.import_module("astro_auth_plugin.runtime.state")
            cache = type(state.current().dag_cache)(state.current().settings.tag_cache_ttl)
            state.start(dataclasses.replace(state.current(), dag_cache=cache))

    def _warm_up(self) -> None:
        for person in self._claims.keys() & set(data.PEOPLE):
            user = self.user(person)
            self._decide(user)
            self._manager.batch_is_authorized_dag(self._batch, user=user)

    def _request(self, cell: Cell) -> Run:
        method, path = REQUESTS[cell.name]
        return lambda: self.answer(method, path, cell.person, BODIES.get(cell.name))

    def answer(self, method: str, path: str, person: str, body: Any = None) -> httpx.Response:
        """Send a request and return the answer.

        Raises:
            RuntimeError: if it is not good.
        """
        answer = self._send(method, path, person, body)
        if not answer.is_success:
            raise RuntimeError(f"{method} {path} as {person}: {answer.status_code} {answer.text[:300]}")
        return answer

    def status(self, cell: Cell) -> int:
        """Return how a request is answered."""
        return self._send(*REQUESTS[cell.name], cell.person, None).status_code

    def _send(self, method: str, path: str, person: str, body: Any) -> httpx.Response:
        headers = {"Authorization": f"Bearer {self._tokens[person]}"}
        return self._loop.run_until_complete(self._client.request(method, path, headers=headers, json=body))

    # -- comparing ---------------------------------------------------------------------------------------------------

    def answers(self, cells: list[Cell]) -> dict[str, Any]:
        """Return what is answered to the questions of these cells."""
        ask: dict[str, Callable[[str], Any]] = {
            "decision": lambda person: self._decide(self.user(person)),
            "batch": lambda person: self._manager.batch_is_authorized_dag(self._batch, user=self.user(person)),
            "list": lambda person: data.fingerprint(self.dag_ids(self.user(person))),
            "filter": lambda person: data.fingerprint(self._filter(self.user(person))),
            "api_dags": lambda person: self._listed("api_dags", person),
            "ui_dags": lambda person: self._listed("ui_dags", person),
            "dag_runs": lambda person: self._total("dag_runs", person),
            "task_instances": lambda person: self._total("task_instances", person),
            "get_dag": lambda person: bool(self.answer(*REQUESTS["get_dag"], person)),
        }
        found = {
            f"{_NAMED.get(cell.name, cell.name)}/{cell.person}": ask[cell.name](cell.person)
            for cell in cells
            if cell.name in ask
        }
        refused = {
            f"refused_dag/{cell.person}": self._sees_refused(cell.person) for cell in cells if cell.name == "get_dag"
        }
        return found | refused

    def _listed(self, name: str, person: str) -> list[Any]:
        body = self.answer(*REQUESTS[name], person).json()
        return [body["total_entries"], [dag["dag_id"] for dag in body["dags"]]]

    def _total(self, name: str, person: str) -> int:
        return int(self.answer(*REQUESTS[name], person).json()["total_entries"])

    def token(self, person: str) -> str:
        """Return the token of somebody."""
        return self._tokens[person]

    def _sees_refused(self, person: str) -> bool:
        # Only the first Dag is serialized, so another one that may be seen is not found.
        return self._send("GET", f"/api/v2/dags/{data.refused_dag(self._size)}", person, None).status_code != FORBIDDEN


_NAMED = {"decision": "decisions"}
