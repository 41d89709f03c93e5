"""One process of one engine at one number of Dags; it does what its parent says, line by line.

`python -m tools.bench.worker ENGINE SIZE`: each line of the input is a JSON object with the word `do`; each line of the
output is the answer. What Airflow prints goes to the error output.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
import traceback
from collections.abc import Callable
from functools import partial
from typing import Any, TextIO

import psutil

from tools.bench.cells import Cell
from tools.bench.data import ACCENTED, ALL, PEOPLE, TAG_COUNTS


class Worker:
    """The auth manager and its application, started.

    Args:
        engine: its name in `engines.ENGINES`.
        size: how many Dags its database has.
    """

    def __init__(self, engine: str, size: int) -> None:
        from airflow.api_fastapi import app as airflow_app  # noqa: PLC0415 - the parent has configured it

        from tools.bench.asking import Asker  # noqa: PLC0415 - as above
        from tools.bench.statements import counted  # noqa: PLC0415 - as above

        self.start_up: dict[str, float] = {}
        start = airflow_app.init_auth_manager

        def timed(app: Any = None) -> Any:
            begun = time.process_time()
            with counted() as count:
                manager = start(app)
            self.start_up = {"start_seconds": time.process_time() - begun, "start_statements": count.statements}
            return manager

        airflow_app.init_auth_manager = timed
        loop = asyncio.new_event_loop()
        asyncio.set_event_loop(loop)
        app = airflow_app.create_app()
        loop.run_until_complete(app.router.lifespan_context(app).__aenter__())
        manager = app.state.auth_manager
        if engine == "none":
            from tools.bench import unchecked  # noqa: PLC0415 - only here

            unchecked.take_away(app)
        self._manager = manager
        claims, tokens = _people(engine, manager, (*PEOPLE, ACCENTED, *(f"tags{count}" for count in TAG_COUNTS)))
        self._asker = Asker(manager, app, size, claims=claims, tokens=tokens, loop=loop)

    def do(self, order: dict[str, Any]) -> Any:
        """Do one thing and return the answer."""
        if order["do"] == "answers":
            return self._asker.answers([Cell.parse(text) for text in order["cells"]])
        if order["do"] == "token":
            return self._asker.token(order["person"])
        if order["do"] == "tokens":
            return list(_people("", self._manager, tuple(order["people"]))[1].values())
        if order["do"] == "facts":
            return {**self.start_up, "rss": psutil.Process().memory_info().rss}
        cell = Cell.parse(order["cell"])
        if order["do"] == "status":
            return self._asker.status(cell)
        return self._asker.count(cell) if order["do"] == "count" else self._asker.seconds(cell)


def _people(engine: str, manager: Any, names: tuple[str, ...]) -> tuple[dict[str, dict[str, Any]], dict[str, str]]:
    """Return what the tokens say, and the tokens."""
    if engine in ("none", "simple"):
        claims: dict[str, dict[str, Any]] = {ALL: {"sub": ALL, "role": "ADMIN", "teams": None}}
    elif engine == "keycloak":
        # The stub takes a person's access token for a name.
        facts = {"refresh_token": None}
        claims = {who: {"user_id": who, "name": who, "access_token": who, **facts} for who in PEOPLE}
        tokens = {who: manager.generate_api_jwt(manager.deserialize_user(claims[who])) for who in PEOPLE}
        return claims, tokens
    else:
        claims = {name: {"sub": str(number), "iat": time.time()} for name, number in _accounts(names).items()}
    return claims, {who: manager.generate_jwt(manager.deserialize_user(said)) for who, said in claims.items()}


def _accounts(names: tuple[str, ...]) -> dict[str, int]:
    from airflow.providers.fab.auth_manager.models import User  # noqa: PLC0415 - the parent has configured it
    from airflow.utils.session import create_session  # noqa: PLC0415 - as above
    from sqlalchemy import select  # noqa: PLC0415 - as above

    with create_session() as session:
        rows = session.execute(select(User.username, User.id).where(User.username.in_(names)))
        return {username: number for username, number in rows}  # noqa: C416 - rows are no pairs for mypy


def serve(make: Callable[[], Any]) -> None:
    """Make a worker, say so, and answer each line of the input until it ends."""
    answers = _apart()
    made: list[Any] = []
    _answer(answers, lambda: made.append(make()))
    for line in sys.stdin:
        _answer(answers, partial(_obey, made, json.loads(line)))


def _obey(made: list[Any], order: dict[str, Any]) -> Any:
    return made[0].do(order)


def _answer(answers: TextIO, ask: Callable[[], Any]) -> None:
    try:
        said = {"answer": ask()}
    except Exception:  # noqa: BLE001 - whatever it is, the parent shows it
        said = {"error": traceback.format_exc(limit=-6)}
    print(json.dumps(said), file=answers, flush=True)


def _apart() -> TextIO:
    """Return where the answers go, and let all that is printed go to the error output."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    return answers


if __name__ == "__main__":
    name, dags = sys.argv[1], int(sys.argv[2])
    if name == "memory":
        from tools.bench.in_memory import InMemory

        serve(lambda: InMemory(dags))
    else:
        serve(lambda: Worker(name, dags))
