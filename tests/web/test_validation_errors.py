"""What is not valid in a request is listed, up to a number of errors, and without large values."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware

from astro_auth_plugin.web import registration, validation_errors
from tests.web.asgi import Answer, ask


class Body(BaseModel):
    """What the route below takes."""

    model_config = ConfigDict(extra="forbid")

    names: list[str] = []
    needed: int


@pytest.fixture
def app(monkeypatch: pytest.MonkeyPatch) -> FastAPI:
    monkeypatch.setenv("AIRFLOW__CORE__AUTH_MANAGER", "astro_auth_plugin.auth_manager.AstroAuthManager")
    middlewares: list[Any] = [Middleware(registration.request_middleware), Middleware(GZipMiddleware)]
    made = FastAPI(middleware=middlewares)
    made.post("/api/v2/names")(_names)
    return made


def _names(body: Body) -> int:
    return len(body.names)


def _sent(app: FastAPI, body: Any) -> Answer:
    headers = {"content-type": "application/json"}
    return asyncio.run(ask(app, "POST", "/api/v2/names", headers=headers, pieces=[json.dumps(body).encode()]))


def test_many_errors(app: FastAPI) -> None:
    """A list with an error in each of many items gets the first ones; to list them all stops everybody's requests."""
    refused = _sent(app, {"needed": 1, "names": [0] * 900})
    assert (refused.status, len(refused.detail)) == (422, validation_errors.MOST)
    assert refused.detail[0] == {
        "type": "string_type",
        "loc": ["body", "names", 0],
        "msg": "Input should be a valid string",
        "input": 0,
    }


def test_very_many_errors(app: FastAPI) -> None:
    """Of more errors than are listed there is one, with their number: it takes longest to make an entry for each."""
    refused = _sent(app, {"needed": 1, "names": [0] * 5000})
    assert refused.status == 422
    assert refused.detail == [
        {
            "type": "too_many_errors",
            "loc": ["body"],
            "msg": "There are 5000 errors; at most 100 are listed.",
            "input": None,
        }
    ]
    assert json.loads(_sent(app, {"needed": 1, "names": ["a"] * 5000}).body) == 5000


def test_large_values(app: FastAPI) -> None:
    """An error says where it is, and does not repeat the objects and lists around it."""
    refused = _sent(app, {"names": ["a"], "other": [[0]]})
    assert refused.status == 422
    assert [(error["loc"], "input" in error) for error in refused.detail] == [
        (["body", "needed"], False),
        (["body", "other"], False),
    ]


def test_a_sentence_instead_of_a_list(app: FastAPI) -> None:
    """Some routes of Airflow refuse a request with a sentence, which reaches the client as it is."""

    def refuse(_: Body) -> None:
        raise RequestValidationError("the end is before the start")  # type: ignore[arg-type]

    app.post("/api/v2/backfills")(refuse)
    headers = {"content-type": "application/json"}
    answer = asyncio.run(ask(app, "POST", "/api/v2/backfills", headers=headers, pieces=[b'{"needed": 1}']))
    assert (answer.status, answer.detail) == (422, "the end is before the start")


def test_valid_requests(app: FastAPI) -> None:
    """A request without errors is answered as ever."""
    assert json.loads(_sent(app, {"needed": 1, "names": ["a"]}).body) == 1
