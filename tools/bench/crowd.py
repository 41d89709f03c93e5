"""Memory of a real api-server that many users, API tokens and wrong credentials make requests to."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable
from http.client import FORBIDDEN, OK, TOO_MANY_REQUESTS, UNAUTHORIZED
from pathlib import Path
from typing import NamedTuple

import httpx
import psutil

from astro_auth_plugin.rbac.model import token_secrets
from tools.bench.cells import REQUESTS
from tools.bench.crew import Key, crew
from tools.bench.data import DEPLOYMENT, GRANTED, policy
from tools.bench.engines import CACHED, ENGINES, environment
from tools.bench.load import server
from tools.bench.results import Results

_AT_ONCE = 16
_API_TOKENS = 500
_OF_ONE = 10
"""How many requests each user makes."""
_WRONG_PASSWORDS = 100
"""Every so many requests have a wrong password, at which the server looks for a tenth of a second."""
_EXPECTED = {OK, FORBIDDEN, UNAUTHORIZED, TOO_MANY_REQUESTS}


class Grown(NamedTuple):
    """The server after a tenth of the requests, and after all."""

    requests: int
    people: int
    before: float
    after: float
    unexpected: int


def measure(results: Results, folder: Path, address: str, requests: int, tell: Callable[[str], None]) -> None:
    """Make requests to a server of whose database `fill.more_accounts` has made the accounts."""
    people = max(requests // _OF_ONE, 1)
    secret = [token_secrets.compose(f"crowd{n}", f"{n:0{token_secrets.RANDOM_LENGTH}}") for n in range(_API_TOKENS)]
    (folder / "policy-crowd.yaml").write_text(policy() + "\n".join(_more(people, secret)) + "\n", encoding="utf-8")
    engine = next(each for each in ENGINES if each.name == CACHED)._replace(policy="policy-crowd.yaml")
    with crew(folder, [(engine, 0, address, "")], tell) as workers:
        bearers = workers[Key(CACHED, 0)].do("tokens", people=[f"crowd{n}" for n in range(people)])
    tell(f"starting an api-server for {requests} requests of {people} users")
    with server(folder / "server-crowd", environment(engine, folder, address)) as live:
        asked = _Asked(live.url, bearers, secret)
        asyncio.run(asked.ask(0, requests // 10))
        before = _megabytes(live.pid)
        asyncio.run(asked.ask(requests // 10, requests))
        after = _megabytes(live.pid)
    results.grown = Grown(requests, people, before, after, asked.unexpected)


def _more(people: int, tokens: list[str]) -> list[str]:
    lines = []
    for n in range(people):
        grant = f'{{deployment_id: {DEPLOYMENT}, tag: "{GRANTED[n % len(GRANTED)]}", role: DAG_VIEWER}}'
        lines.append(f"  - {{email: crowd{n}@example.com, dag_roles: [{grant}]}}")
    lines.append("api_tokens:")
    for n, token in enumerate(tokens):
        role = f'{{role: DAG_VIEWER, entity_type: DAG_TAG, entity_id: "{GRANTED[0]}", deployment_id: {DEPLOYMENT}}}'
        lines += [
            f"  - id: crowd{n}",
            f"    name: crowd{n}",
            f'    secret_sha256: "{token_secrets.sha256(token)}"',
            "    expires_at: never",
            f"    roles: [{role}]",
        ]
    return lines


class _Asked:
    """What has been asked. Most are users, a tenth API tokens, and two tenths credentials that are wrong."""

    def __init__(self, url: str, bearers: list[str], api_tokens: list[str]) -> None:
        self._url = url
        self._bearers = bearers
        self._api_tokens = api_tokens
        self.unexpected = 0

    async def ask(self, begin: int, end: int) -> None:
        """Make the requests from a number to another one."""
        numbers = iter(range(begin, end))
        async with httpx.AsyncClient(base_url=self._url, timeout=120) as client:

            async def one_after_another() -> None:
                for number in numbers:
                    if await self._status(client, number) not in _EXPECTED:
                        self.unexpected += 1

            await asyncio.gather(*(one_after_another() for _ in range(_AT_ONCE)))

    async def _status(self, client: httpx.AsyncClient, number: int) -> int:
        if number % _WRONG_PASSWORDS == 0:
            wrong = {"username": f"nobody{number}", "password": "wrong"}
            return (await client.post("/auth/token", json=wrong)).status_code
        bearer = self._bearers[number % len(self._bearers)]
        if number % 10 == 1:
            bearer = self._api_tokens[number // 10 % len(self._api_tokens)]
        elif number % 10 == 2:  # noqa: PLR2004 - the next tenth
            bearer = token_secrets.compose(f"crowd{number}", f"{number:0{token_secrets.RANDOM_LENGTH}}")
        elif number % 10 == 3:  # noqa: PLR2004 - the next tenth
            bearer = f"{bearer[:-20]}{secrets.token_urlsafe(15)}"
        method, path = REQUESTS["get_dag"]
        return (await client.request(method, path, headers={"Authorization": f"Bearer {bearer}"})).status_code


def _megabytes(pid: int) -> float:
    processes = [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]
    return float(sum(process.memory_info().rss for process in processes)) / 1024**2
