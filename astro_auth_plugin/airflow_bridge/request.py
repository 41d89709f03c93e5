"""The request that is being decided: its route, ids and query, for the few questions that Airflow asks wrongly.

Airflow's hooks get the user and at most one id. On some routes that is another Dag than the one acted on, or too
little to decide. An ASGI middleware keeps the request at hand here while it is served; starlette copies the context
into tasks and threads, and the router writes route and path ids into the same scope, so both are there when a hook
is called.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextvars import ContextVar, Token
from typing import Any
from urllib.parse import parse_qs

from astro_auth_plugin.airflow_bridge.identity import AstroIdentity

_current: ContextVar[RequestFacts | None] = ContextVar("astro_auth_request", default=None)


class RequestFacts:
    """What the hooks may want to know of a request. Made by the middleware, filled while the request is served.

    Attributes:
        scope: the ASGI scope; the router adds `route` and `path_params` to it.
        body: the JSON body, on the few routes whose decision needs it; otherwise None.
        actor: who was asked about last.
        api_token: the API token that signed in with this request's header; None for a person.
        denial: the refusal to be recorded when the request ends, a `denials.Denial`; None when there is none.
        write_refusal: why a write was refused, in words for the person; empty when none was.
        signing_in: whether the identity provider's answer is being taken over right now.
    """

    __slots__ = ("_query", "actor", "api_token", "body", "denial", "identities", "scope", "signing_in", "write_refusal")

    def __init__(self, scope: Any, body: Any = None) -> None:
        self.scope = scope
        self.body = body
        self.actor: AstroIdentity | None = None
        self.api_token: AstroIdentity | None = None
        self.identities: dict[int, AstroIdentity] = {}
        self.denial: Any = None
        self.write_refusal = ""
        self.signing_in = False
        self._query: dict[str, list[str]] | None = None

    @property
    def route(self) -> str:
        """The method and the route's template, such as ``GET /api/v2/dags/{dag_id}``; '' before routing."""
        path = getattr(self.scope.get("route"), "path", "")
        return f"{self.scope['method']} {path}" if path else ""

    @property
    def writes(self) -> bool:
        """Whether the request changes something; a search that is too long for a query is posted and does not."""
        return self.scope["method"] not in ("GET", "HEAD", "OPTIONS") and not self.route.endswith("/list")

    @property
    def path_dag_id(self) -> str | None:
        """The Dag that the path names; None when it names none, or says `~` for any."""
        dag_id = self.scope.get("path_params", {}).get("dag_id")
        return dag_id if dag_id and dag_id != "~" else None

    def names_dag(self, dag_id: str) -> bool:
        """Whether the caller has named a Dag, in the path or in the body; an id or a file may lead to others."""
        return dag_id in (self.path_dag_id, self.body_field("dag_id"))

    @property
    def path_asks_for_dag(self) -> bool:
        """Whether the route's path has a place for a Dag, `~` or not."""
        return "dag_id" in self.scope.get("path_params", {})

    def query(self, name: str) -> list[str]:
        """Return every value that the query gives to a name, empty ones included."""
        return self._parsed_query().get(name, [])

    @property
    def query_names(self) -> Iterable[str]:
        """Every name that the query gives a value to."""
        return self._parsed_query()

    def _parsed_query(self) -> dict[str, list[str]]:
        if self._query is None:
            text = self.scope.get("query_string", b"").decode("latin-1")
            self._query = parse_qs(text, keep_blank_values=True)
        return self._query

    def body_field(self, name: str) -> Any:
        """Return a field of the JSON body; None when there is none."""
        return self.body.get(name) if isinstance(self.body, dict) else None

    @property
    def has_body(self) -> bool:
        """Whether the request brings a body, as its headers announce it."""
        headers = dict(self.scope.get("headers", ()))
        return b"transfer-encoding" in headers or headers.get(b"content-length", b"0") != b"0"


def current_request() -> RequestFacts | None:
    """Return the request being served; None outside of one, and when the middleware is not installed."""
    return _current.get()


def enter_request(facts: RequestFacts) -> Token[RequestFacts | None]:
    """Make a request the current one, until `leave_request`."""
    return _current.set(facts)


def leave_request(token: Token[RequestFacts | None]) -> None:
    """End what `enter_request` began."""
    _current.reset(token)
