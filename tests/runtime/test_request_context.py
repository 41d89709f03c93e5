"""What the hooks know of the request that is being served."""

from __future__ import annotations

import threading
from contextvars import copy_context

import pytest

from astro_auth_plugin.runtime.request_context import RequestContext, current_request
from tests.in_request import facts_of, serving


def test_route() -> None:
    """The route is the method and the template that the router found; before routing there is none."""
    assert facts_of("PATCH /api/v2/dags/{dag_id}").route == "PATCH /api/v2/dags/{dag_id}"
    assert RequestContext({"type": "http", "method": "GET", "path": "/x"}).route == ""


@pytest.mark.parametrize(
    ("path", "dag_id", "asks"),
    [
        ({"dag_id": "a"}, "a", True),
        ({"dag_id": "~"}, None, True),
        ({"dag_id": ""}, None, True),
        ({"dag_id": "~a"}, "~a", True),
        ({"dag_id": " "}, " ", True),
        ({"asset_id": "7"}, None, False),
        ({}, None, False),
    ],
)
def test_dag_of_the_path(path: dict[str, str], dag_id: str | None, asks: bool) -> None:
    """A Dag in the path is taken as it is; `~` is none, and still a place for one."""
    context = facts_of(path=path)
    assert context.path_dag_id == dag_id
    assert context.path_asks_for_dag is asks


def test_before_routing() -> None:
    """A request that has not been routed names no Dag, and asks nothing."""
    context = RequestContext({"type": "http", "method": "GET", "path": "/"})
    assert (context.path_dag_id, context.path_asks_for_dag, context.has_body) == (None, False, False)
    assert context.query("dag_id") == []


@pytest.mark.parametrize(
    ("query", "values"),
    [
        ("dag_id=a", ["a"]),
        ("dag_id=a&dag_id=b", ["a", "b"]),
        ("dag_id=", [""]),
        ("dag_id", [""]),
        ("dag_id=a%2Fb%20c", ["a/b c"]),
        ("dag_id=a+b", ["a b"]),
        ("dag_id=caf%C3%A9", ["caf\u00e9"]),
        ("dag%5Fid=a", ["a"]),
        ("Dag_id=a&xdag_id=b", []),
        ("dag_id=a;dag_id=b", ["a;dag_id=b"]),
        ("", []),
    ],
)
def test_query(query: str, values: list[str]) -> None:
    """Every value of a name is there, decoded, empty ones included; read twice it is the same."""
    context = facts_of(query=query)
    assert context.query("dag_id") == values
    assert context.query("dag_id") == values


@pytest.mark.parametrize(("body", "value"), [({"a": 1}, 1), ({}, None), ([1], None), ("a", None), (None, None)])
def test_field_of_the_body(body: object, value: object) -> None:
    """A field is read of a body that is a mapping, and is nothing elsewhere."""
    assert facts_of(body=body).body_field("a") == value


@pytest.mark.parametrize(
    ("headers", "has_body"),
    [
        ({}, False),
        ({"content-length": "0"}, False),
        ({"content-length": "2"}, True),
        ({"transfer-encoding": "chunked"}, True),
        ({"content-length": "0", "transfer-encoding": "chunked"}, True),
    ],
)
def test_has_body(headers: dict[str, str], has_body: bool) -> None:
    """A body is announced by its length or by its encoding."""
    assert facts_of(headers=headers).has_body is has_body


@pytest.mark.parametrize(
    ("route", "writes"),
    [
        ("GET /a", False),
        ("HEAD /a", False),
        ("OPTIONS /a", False),
        ("POST /a", True),
        ("PATCH /a", True),
        ("PUT /a", True),
        ("DELETE /a", True),
        ("POST /a/list", False),
        ("POST /a/listing", True),
    ],
)
def test_writes(route: str, writes: bool) -> None:
    """Every method but the reading ones writes; a posted search does not."""
    assert facts_of(route).writes is writes


def test_current_request() -> None:
    """The request is current while it is served, in copies of the context too, and nowhere else."""
    assert current_request() is None
    with serving(facts_of("GET /outer")) as outer:
        with serving(facts_of("GET /inner")) as inner:
            assert current_request() is inner
        assert current_request() is outer
        seen: list[RequestContext | None] = []
        threads = [
            threading.Thread(target=copy_context().run, args=(lambda: seen.append(current_request()),)),
            threading.Thread(target=lambda: seen.append(current_request())),
        ]
        for thread in threads:
            thread.start()
            thread.join()
        assert seen == [outer, None]
    assert current_request() is None


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"authorization": "Bearer x"}, True),
        ({"authorization": "bearer x", "cookie": "session=y"}, True),
        ({"authorization": "Bearer x", "cookie": "a=b; _token=y"}, False),
        ({"authorization": "Basic x"}, False),
        ({"cookie": "_token=y"}, False),
        ({}, False),
    ],
)
def test_api_client(headers: dict[str, str], expected: bool) -> None:
    """Whoever brings a bearer's token, and not Airflow's cookie, is no browser."""
    assert facts_of(headers=headers).is_from_api_client is expected
