"""The request that is being decided: its route, ids and query, for the few checks of Airflow that are incomplete.

Airflow's hooks get the user and at most one id. On some routes that is another Dag than the one acted on, or too
little to decide. An ASGI middleware keeps the request here while it is served; starlette copies the context
into tasks and threads, and the router writes route and path ids into the same scope, so both are there when a hook
is called.
"""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar, Token
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Any
from urllib.parse import parse_qs

from airflow.api_fastapi.auth.managers.base_auth_manager import COOKIE_NAME_JWT_TOKEN
from starlette.datastructures import Headers
from starlette.requests import cookie_parser

from astro_auth_plugin.runtime.identity import AstroIdentity

PEER = "astro_auth.peer"
"""Where the scope has the address and port of the connection; `client` is what X-Forwarded-For may have replaced."""
CUT_OFF = "astro_auth.cut_off"
"""Where the scope has a list for the error with which the answer is cut off, whatever is between us and the server."""
Address = IPv4Address | IPv6Address

_current: ContextVar[RequestContext | None] = ContextVar("astro_auth_request", default=None)


class RequestContext:
    """What the hooks may want to know of a request. Made by the middleware, filled while the request is served.

    Attributes:
        scope: the ASGI scope; the router adds `route` and `path_params` to it.
        body: the JSON body, on the few routes whose decision needs it; otherwise None.
        raw_body: the bytes of the body, where it names connections, Variables or pools; read only where that matters.
        actor: whose access was checked last.
        allowed: what was allowed, with the id of whom, in turn; an answer that goes on is asked for again.
        api_token: the API token that signed in with this request's header; None for a person.
        denial: the `AccessDecision` to be recorded when the request ends; None when there is none.
        denied_read: the denied read whose reason an API client gets; None when there is none.
        denied_write: the denied write whose reason every client gets; None when there is none.
        events: what is to be written to the audit log when the request ends, `audit.Event`s.
        refusal: why the sign-in of this request is refused, as a stable keyword; '' where nothing more is known.
        signing_in: whether the identity provider's answer is being taken over right now.
        retry_after: for how many seconds the password that came is not looked at, after too many wrong ones; or 0.
        written: the Dags that a hook has allowed this request to change.
        signed_in: who the credential of the request is of; None before it is verified, and for Flask pages.
        credential: the one that was verified while this request was served; '' where Airflow did it before.
        status: the status of the answer; 0 before there is one.
        log_rows: the ids of the rows that Airflow has added to its audit log for this request.
        is_over: whether another auth manager has decided the request, which is compared: a denial has no effect.
    """

    __slots__ = (
        "_query",
        "actor",
        "allowed",
        "api_token",
        "body",
        "credential",
        "denial",
        "denied_read",
        "denied_write",
        "events",
        "identities",
        "is_over",
        "log_rows",
        "raw_body",
        "refusal",
        "retry_after",
        "scope",
        "signed_in",
        "signing_in",
        "status",
        "written",
    )

    def __init__(self, scope: Any, body: Any = None) -> None:
        self.scope = scope
        self.body = body
        self.raw_body: bytes | None = None
        self.actor: AstroIdentity | None = None
        self.allowed: list[tuple[int | str, Any]] = []
        self.credential = ""
        self.api_token: AstroIdentity | None = None
        self.identities: dict[int, AstroIdentity] = {}
        self.denial: Any = None
        self.denied_read: Any = None
        self.denied_write: Any = None
        self.events: list[Any] = []
        self.refusal = ""
        self.signing_in = False
        self.retry_after = 0
        self.written: set[str] = set()
        self.log_rows: list[int] = []
        self.is_over = False
        # With a cookie, Airflow's middleware has made out who asks before this one.
        known = (scope.get("state") or {}).get("user")
        self.signed_in: AstroIdentity | None = known if isinstance(known, AstroIdentity) else None
        self.status = 0
        self._query: dict[str, list[str]] | None = None

    @property
    def route(self) -> str:
        """The method and the route's template, such as ``GET /api/v2/dags/{dag_id}``; '' before routing."""
        path = getattr(self.scope.get("route"), "path", "")
        return f"{self.scope['method']} {path}" if path else ""

    @property
    def peer(self) -> Address | None:
        """The address at the other end of the connection; None where it is unknown, or there is none."""
        kept = self.scope.get(PEER)
        return parse_address(kept[0]) if kept else None

    @property
    def writes(self) -> bool:
        """Whether the request changes something; a search that is too long for a query is posted and does not."""
        return self.scope["method"] not in ("GET", "HEAD", "OPTIONS") and not self.route.endswith("/list")

    @property
    def is_from_api_client(self) -> bool:
        """Whether the request brings a bearer's token, and not Airflow's cookie as a browser does."""
        headers = Headers(scope={"headers": self.scope.get("headers", ())})
        scheme = headers.get("authorization", "").partition(" ")[0]
        return scheme.lower() == "bearer" and COOKIE_NAME_JWT_TOKEN not in cookie_parser(headers.get("cookie", ""))

    @property
    def denial_reason(self) -> str:
        """Why the request is denied, for the answer; '' for what Airflow says itself."""
        decision = self.denied_write or self.denied_read
        return str(decision.reason) if decision is not None else ""

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
        return self.parsed_query.get(name, [])

    @property
    def parsed_query(self) -> dict[str, list[str]]:
        """Every name of the query with its values."""
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


def parse_address(text: str) -> Address | None:
    """Return an IP address, an IPv4-mapped one as IPv4; None for anything else, ports and zone ids included."""
    try:
        address = ip_address(text)
    except ValueError:
        return None
    if isinstance(address, IPv4Address):
        return address
    return None if address.scope_id else address.ipv4_mapped or address


current_request: Callable[[], RequestContext | None] = _current.get
"""Returns the request being served; None outside of one, and when the middleware is not installed."""


def enter_request(context: RequestContext) -> Token[RequestContext | None]:
    """Make a request the current one, until `leave_request`."""
    return _current.set(context)


def leave_request(token: Token[RequestContext | None]) -> None:
    """End what `enter_request` began."""
    _current.reset(token)
