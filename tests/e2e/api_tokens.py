"""API tokens against a running server: made with the commands, used over HTTP, and everything secret is remembered."""

from __future__ import annotations

import contextlib
import io
from pathlib import Path
from typing import Any

import httpx
import yaml

from astro_auth_plugin.cli.main import main
from astro_auth_plugin.rbac.model import token_secrets

from .live import LiveAirflow

FINANCE = ("--tag-role", "dep-prod", "team:finance", "DAG_AUTHOR")


class TokenServer:
    """A running Airflow, the commands on its policy file, and requests to it.

    `seen` has every secret and JWT that there has been: none of them may turn up anywhere else.
    """

    def __init__(self, live: LiveAirflow, http: httpx.Client) -> None:
        self.live = live
        self.http = http
        self.seen: set[str] = set()

    def cli(self, *words: str) -> str:
        """What `astro-auth token` prints to standard output; a secret that is printed is remembered."""
        out = io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(io.StringIO()):
            main(["token", *words, "--policy", str(self.live.policy)])
        if words[0] in ("create", "rotate", "revoke"):
            self.live.publish_policy()
        printed = out.getvalue().strip()
        if token_secrets.has_form(printed):
            self.seen.add(printed)
        return printed

    def create(self, name: str, *roles: str, expires_in: str = "30d") -> str:
        """The secret of a new token."""
        return self.cli("create", "--name", name, "--expires-in", expires_in, *(roles or FINANCE), "--write")

    def change(self, name: str, **values: Any) -> None:
        """Changes keys of a token in the policy file by hand, as an operator does."""
        policy = yaml.safe_load(self.live.policy.read_bytes())
        next(token for token in policy["api_tokens"] if token["name"] == name).update(values)
        self.live.put_policy(yaml.safe_dump(policy).encode())

    def exchange(self, secret: str, path: str = "/auth/token") -> str:
        """The JWT that a secret is exchanged for."""
        answer = self.http.post(path, json={"token": secret})
        assert answer.status_code == 201, answer.text
        return self.remember(answer.json()["access_token"])

    def remember(self, credential: str) -> str:
        """The same credential, which from now on may turn up nowhere else."""
        self.seen.add(credential)
        return credential

    def request(self, method: str, path: str, credential: str, **kwargs: Any) -> httpx.Response:
        """The answer to a request with a bearer."""
        return self.http.request(method, path, headers={"Authorization": f"Bearer {credential}"}, **kwargs)

    def get(self, path: str, credential: str) -> httpx.Response:
        """The answer to a GET with a bearer."""
        return self.request("GET", path, credential)

    def log(self) -> str:
        """The server's log so far."""
        return Path(self.live.home / "server.log").read_text(errors="replace")


def assert_refused(answer: httpx.Response, credential: str) -> None:
    """Refused as the standard says, with a reason that tells nothing, whatever the credential was."""
    assert answer.status_code == 401, (answer.status_code, answer.text[:300])
    assert answer.headers["www-authenticate"].startswith("Bearer")
    assert answer.json()["detail"] in ("Invalid API token", "Invalid JWT token", "Token Expired", "Not authenticated")
    assert len(credential) < 20 or credential not in answer.text
