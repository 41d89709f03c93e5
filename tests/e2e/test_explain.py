"""`explain` says what the server answers, for policies that are made up by chance."""

from __future__ import annotations

import json
import random
from argparse import Namespace
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import yaml

from astro_auth_plugin.cli.explain import commands
from tests.reference_engine import DAG_PERMISSIONS, DEPLOYMENT_PERMISSIONS, ROLES_BY_LEVEL

from .client import Everybody
from .conftest import READ_DAGS
from .database import Database
from .live import LiveAirflow
from .tables import ALLOWED, HIDDEN, REFUSED, letter, rows

pytestmark = pytest.mark.e2e

POLICIES, QUESTIONS = 15, 20
PEOPLE = ("tag.viewer", "tag.author", "workspace.member", "uneven", "run.operator", "nobody", "organization.owner")
GROUPS = ("finance", "Finance", "cn=ops,dc=example,dc=com")
DEPLOYMENT, WORKSPACE = "dep-prod", "ws-data"
# A list shows who sees what in another test; a row of no Dag cannot be told from its id.
READS = [("GET", row.path, None) for row in rows("expected_reads.txt") if "{audit_none}" not in row.path]
WRITES = [
    ("POST", "/api/v2/dags/{dag}/favorite", None),
    ("PATCH", "/api/v2/dags/{dag}", {"is_paused": False}),
    ("PATCH", "/api/v2/dags/{dag}/dagRuns/writes", {"note": "by chance"}),
    ("POST", "/api/v2/dags/{dag}/clearTaskInstances", {"dry_run": True}),
    ("POST", "/api/v2/variables", {"key": "e2e", "value": "is there already"}),
]
KNOWN = {ALLOWED, REFUSED, HIDDEN, "400", "409"}
"""What an answer can be; the last two are of requests that are allowed, and ask for what cannot be done."""


@pytest.fixture(autouse=True)
def restored(airflow: LiveAirflow, everybody: Everybody, database: Database) -> Iterator[None]:
    """Puts the policy back as it was, takes the groups away, and lets the server see it."""
    policy = airflow.policy.read_bytes()
    yield
    database.run("UPDATE astro_auth_sign_in SET idp_groups = '[]'")
    airflow.put_policy(policy)
    everybody["organization.owner"].json("/api/v2/dags")


@pytest.fixture(scope="module")
def dags(database: Database, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The server's Dags and their tags in a file."""
    tags: dict[str, list[str]] = {dag_id: [] for (dag_id,) in database.rows("SELECT dag_id FROM dag")}
    for dag_id, tag in database.rows("SELECT dag_id, name FROM dag_tag"):
        tags[dag_id].append(tag)
    file = tmp_path_factory.mktemp("dags") / "dags.json"
    file.write_text(json.dumps([{"dag_id": dag_id, "tags": found} for dag_id, found in tags.items()]))
    return file


def made_up(chance: random.Random, policy: dict[str, Any]) -> dict[str, Any]:
    """The values of a policy with other roles, Teams and grants."""
    roles = [
        {"name": f"{scope} {number}", "scope": scope, "permissions": _words(chance, scope)}
        for scope in ("DAG", "DEPLOYMENT")
        for number in range(3)
    ]
    emails = [f"{user}@example.com" for user in PEOPLE]
    teams = [
        {
            "name": f"team {number}",
            "members": chance.sample(emails, 2),
            "idp_groups": chance.sample(GROUPS, 1),
            **_grants(chance, roles),
        }
        for number in range(3)
    ]
    users = [{"email": email, **_grants(chance, roles)} for email in chance.sample(emails, 4)]
    return {**policy, "roles": roles, "teams": teams, "users": users}


def _words(chance: random.Random, scope: str) -> list[str]:
    prefix, known = ("dag", DAG_PERMISSIONS) if scope == "DAG" else ("deployment", DEPLOYMENT_PERMISSIONS)
    chosen = {"dag.get", *chance.sample(sorted(known), len(known) // 2)}
    return sorted(f"{prefix}.airflow.{name}" for name in chosen)


def _grants(chance: random.Random, roles: list[dict[str, Any]]) -> dict[str, Any]:
    names = {
        level: [*ROLES_BY_LEVEL[level], *(role["name"] for role in roles if role["scope"] == level)]
        for level in ("DAG", "DEPLOYMENT")
    }
    places = [{"dag_id": dag_id} for dag_id in READ_DAGS] + [
        {"tag": "team:finance"},
        {"tag": "team:ops"},
        {"tag": "no"},
    ]
    grants: dict[str, Any] = {
        "dag_roles": [
            {"deployment_id": DEPLOYMENT, "role": chance.choice(names["DAG"]), **chance.choice(places)}
            for _ in range(chance.randint(0, 3))
        ]
    }
    if chance.random() < 0.3:
        grants["deployment_roles"] = [{"deployment_id": DEPLOYMENT, "role": chance.choice(names["DEPLOYMENT"])}]
    if chance.random() < 0.2:
        grants["workspace_roles"] = [{"workspace_id": WORKSPACE, "role": chance.choice(ROLES_BY_LEVEL["WORKSPACE"])}]
    return grants


def groups_by_chance(chance: random.Random, everybody: Everybody, database: Database) -> dict[str, list[str]]:
    """Groups for everybody, as if the sign-in had brought them."""
    found = {user: chance.sample(GROUPS, chance.randint(0, 2)) for user in PEOPLE}
    for user, groups in found.items():
        assert everybody[user], "signs in, so that there is a row"
        account = "SELECT id FROM ab_user WHERE username = :user"
        change = f"UPDATE astro_auth_sign_in SET idp_groups = :groups WHERE account_id = ({account})"
        database.run(change, user=user, groups=json.dumps(groups))
    return found


def reported(
    capsys: pytest.CaptureFixture[str], policy: Path, dags: Path, who: str, groups: list[str], words: list[str]
) -> dict[str, Any]:
    """What `explain` says."""
    with suppress(SystemExit):
        commands.explain(
            Namespace(
                who=f"{who}@example.com",
                groups=groups,
                words=words,
                policy=str(policy),
                deployment=DEPLOYMENT,
                dags=str(dags),
                tag=None,
                bundle=None,
                output="json",
                standalone=True,
            )
        )
    return json.loads(capsys.readouterr().out)


@pytest.mark.parametrize("seed", range(POLICIES))
def test_policy_by_chance(
    seed: int,
    airflow: LiveAirflow,
    everybody: Everybody,
    database: Database,
    read_names: list[dict],
    dags: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Whatever the policy and the groups, the command and the server agree on each request."""
    chance = random.Random(seed)
    groups = groups_by_chance(chance, everybody, database)
    airflow.put_policy(yaml.safe_dump(made_up(chance, yaml.safe_load(airflow.policy.read_bytes()))).encode())
    wrong, answers = [], set()
    for _ in range(QUESTIONS):
        user, names = chance.choice(PEOPLE), chance.choice(read_names)
        method, template, body = chance.choice(READS + WRITES * 3)
        path = template.format(**names)
        by_id = any(f"{{{name}}}" in template for name in ("backfill", "audit"))
        words = [method, path, *([names["dag"]] if by_id else [])]
        answer = reported(capsys, airflow.policy, dags, user, groups[user], words)
        status = everybody[user].request(method, path, json=body).status_code
        found = letter(status)
        answers.add(answer["answer"])
        if found not in KNOWN or (answer["answer"] == "yes") != (found not in (REFUSED, HIDDEN)):
            wrong.append(f"{user} {method} {path}: explain says {answer['answer']}, the server {status}")
    assert not wrong, "\n".join(wrong)
    assert answers <= {"yes", "no"}
