"""People at the API: each signs in once with POST /auth/token, and asks."""

from __future__ import annotations

import time
from collections import Counter
from typing import Any

import httpx

from .tables import Person, people

ASKED: Counter[str] = Counter()
"""How many answers each person was given, for the summary at the end."""
FUZZED: Counter[tuple[str, int]] = Counter()
"""How often each operation of the fuzz was answered with each status, for the same."""


class Caller:
    """One signed-in person. `user` names them; requests go to one server."""

    def __init__(self, client: httpx.Client, person: Person) -> None:
        answer = client.post("/auth/token", json={"username": person.user, "password": person.password})
        answer.raise_for_status()
        self.user = person.user
        self.column = person.column
        self.client = client
        self.headers = {"Authorization": f"Bearer {answer.json()['access_token']}"}

    def request(self, method: str, path: str, **kwargs: Any) -> httpx.Response:
        """The answer to one request; redirects are not followed."""
        ASKED[self.user] += 1
        return self.client.request(method, path, headers=self.headers, **kwargs)

    def get(self, path: str, **kwargs: Any) -> httpx.Response:
        """The answer to a GET."""
        return self.request("GET", path, **kwargs)

    def json(self, path: str, **kwargs: Any) -> Any:
        """The body of a GET that must succeed."""
        answer = self.get(path, **kwargs)
        assert answer.status_code == 200, f"{self.user}: GET {path}: {answer.status_code} {answer.text[:300]}"
        return answer.json()


class Everybody:
    """All people of people.yaml by user name; who is asked for first signs in then."""

    def __init__(self, client: httpx.Client) -> None:
        self._client = client
        self._people = {person.user: person for person in people()}
        self._signed_in: dict[str, Caller] = {}

    def __getitem__(self, user: str) -> Caller:
        if user not in self._signed_in:
            self._signed_in[user] = Caller(self._client, self._people[user])
        return self._signed_in[user]

    def sign_in_again(self, user: str) -> None:
        """Signs somebody in whose token a new password has ended, with all that is given out in the same second."""
        deadline = time.monotonic() + 60
        caller = Caller(self._client, self._people[user])
        while caller.get("/ui/auth/menus").status_code != 200:
            assert time.monotonic() < deadline, user
            caller = Caller(self._client, self._people[user])
        self._signed_in[user] = caller

    def of(self, columns: str) -> list[Caller]:
        """Everybody whose column is one of these letters."""
        return [self[person.user] for person in people() if person.column in columns]
