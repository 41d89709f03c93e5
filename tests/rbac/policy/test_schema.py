"""The JSON Schema of the policy file agrees with the checks, as far as a schema can know."""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator, FormatChecker

from astro_auth_plugin.rbac.model.permissions import ASTRO_WORDS, DAG_WORDS, DEPLOYMENT_WORDS, OBJECT_WORDS
from astro_auth_plugin.rbac.model.roles import BUILT_IN
from astro_auth_plugin.rbac.policy import loader, policy_schema
from tests.rbac.policy.test_checks import CASES, Case

TOKEN = {"id": "ci", "name": "ci", "secret_sha256": "0" * 64, "expires_at": "never"}
SAMPLE = """\
version: 1
organization_id: clorg0main

workspaces:
  - id: clws0data
    name: Data Platform

deployments:
  - id: cldep0prod
    name: prod
    workspace_id: clws0data

roles:
  - name: run-operator
    description: May run and re-run, may not pause.
    scope: DAG
    permissions:
      - dag.airflow.dag.get
      - dag.airflow.dagRun.get
      - dag.airflow.dagRun.create
      - dag.airflow.taskInstance.get
      - dag.airflow.dagDependencies.get
    restricted_workspace_ids: [clws0data]

teams:
  - name: analytics
    members: [ana@example.com, {email: bo@example.com, expires_at: "2099-01-31T00:00:00Z", note: on call}]
    idp_groups: [okta-analytics]
    dag_roles:
      - {deployment_id: cldep0prod, tag: "team:analytics", role: DAG_AUTHOR}
      - {deployment_id: cldep0prod, dag_id: shared_report, role: run-operator}

users:
  - email: olga@example.com
    organization_role: ORGANIZATION_OWNER
  - email: mo@example.com
    workspace_roles:
      - {workspace_id: clws0data, role: WORKSPACE_MEMBER}
    deployment_roles:
      - {deployment_id: cldep0prod, role: DEPLOYMENT_ADMIN}

api_tokens:
  - id: tok0ci
    name: ci
    secret_sha256: "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    expires_at: "2027-01-31T00:00:00Z"
    roles:
      - {role: DAG_AUTHOR, entity_type: DAG_TAG, entity_id: "team:analytics", deployment_id: cldep0prod}
"""

# What is wrong here takes more than a look at one entry, or a look at the text.
SCHEMA_CANNOT_KNOW = (
    "stands twice",
    "stand twice",
    "two entries",
    "twice",
    "not listed",
    "restricted role",
    "built-in",
    "keys that",
    "a hint never names",
)


class _PlainLoader(yaml.SafeLoader):
    """Reads YAML as an editor does: dates stay text."""


_PlainLoader.yaml_implicit_resolvers = {
    letter: [(tag, pattern) for tag, pattern in resolvers if not tag.endswith(("timestamp", "merge"))]
    for letter, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


@pytest.fixture(scope="module")
def validator() -> Draft202012Validator:
    schema = policy_schema.json_schema()
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema, format_checker=FormatChecker())


def test_sample_is_valid(validator: Draft202012Validator) -> None:
    """The sample of the format is right by the schema and by the checks, without a warning."""
    validator.validate(yaml.load(SAMPLE, _PlainLoader))
    found = loader.load(SAMPLE.encode())
    assert found.policy is not None
    assert found.problems == ()


def structural(case: Case) -> bool:
    """Whether a schema can know what is wrong with a broken file."""
    if any(words in case.what for words in SCHEMA_CANNOT_KNOW):
        return False
    try:
        yaml.load(case.text, _PlainLoader)
    except (yaml.YAMLError, ValueError):
        return False
    return not any(" alias " in line or " tags such as " in line for line in case.expected)


@pytest.mark.parametrize("case", [pytest.param(case, id=case.what) for case in CASES if structural(case)])
def test_broken_policy_is_not_valid(case: Case, validator: Draft202012Validator) -> None:
    """What a schema can know is wrong by the schema, too."""
    assert not validator.is_valid(yaml.load(case.text, _PlainLoader))


def test_most_broken_policies_are_looked_at() -> None:
    """The list of what a schema cannot know leaves enough to look at."""
    assert sum(map(structural, CASES)) >= 20


@pytest.mark.parametrize(
    "change",
    [
        {"version": 2},
        {"organization_id": ""},
        {"users": None},
        {"roles": [{"name": "r", "scope": "DAG", "permissions": ["dag.airflow.dagg.get"]}]},
        {"roles": [{"name": "r", "scope": "dag", "permissions": []}]},
        {"roles": [{"name": "r", "scope": "DAG", "permissions": ["deployment.airflow.dag.get"]}]},
        {"roles": [{"name": "r", "scope": "DEPLOYMENT", "permissions": ["dag.airflow.dag.get"]}]},
        {"roles": [{"name": "r", "scope": "DEPLOYMENT", "permissions": ["deployment.airflow.dagg.get"]}]},
        {"users": [{"email": "a@b", "organization_role": "WORKSPACE_OWNER"}]},
        {"users": [{"email": "a@b", "workspace_roles": [{"workspace_id": "w", "role": "DAG_VIEWER"}]}]},
        {"users": [{"email": "a@b", "workspace_roles": [{"workspace_id": "w", "role": "of-my-own"}]}]},
        {"users": [{"email": "a@b", "deployment_roles": [{"deployment_id": "d", "role": "WORKSPACE_OWNER"}]}]},
        {"users": [{"email": "a@b", "dag_roles": [{"deployment_id": "d", "tag": "t", "role": "DEPLOYMENT_ADMIN"}]}]},
        {"users": [{"email": "a@b", "dag_roles": [{"deployment_id": "d", "role": "DAG_VIEWER"}]}]},
        {"users": [{"email": "a@b", "dag_roles": [{"deployment_id": "d", "dag_id": "d", "tag": "t", "role": "x"}]}]},
        {"api_tokens": [{**TOKEN, "roles": [{"role": "DAG_VIEWER", "entity_type": "DAG", "entity_id": "d"}]}]},
        {"api_tokens": [{**TOKEN, "roles": [{"role": "DAG_VIEWER", "entity_type": "WORKSPACE", "entity_id": "w"}]}]},
        {
            "api_tokens": [
                {
                    **TOKEN,
                    "roles": [
                        {
                            "role": "WORKSPACE_OWNER",
                            "entity_type": "WORKSPACE",
                            "entity_id": "w",
                            "deployment_id": "d",
                        }
                    ],
                }
            ]
        },
        {"workspaces": [{"id": 7}]},
        {"api_tokens": [{"id": "ci", "name": "ci", "secret_sha256": "x", "expires_at": "never"}]},
        {"api_tokens": [{"id": "ci", "name": "ci", "secret_sha256": "0" * 64}]},
        {"teams": [{"name": "t", "members": [7]}]},
        {"teams": [{"name": "t", "members": ["ana"]}]},
        {"teams": [{"name": "t", "members": [{"note": "n"}]}]},
        {"teams": [{"name": "t", "members": [{"email": "a@b", "ends": "2027-01-31T00:00:00Z"}]}]},
        {"users": [{"email": "a@b", "dag_roles": [{"deployment_id": "d", "tag": "", "role": "DAG_VIEWER"}]}]},
    ],
)
def test_schema_refuses(change: dict[str, Any], validator: Draft202012Validator) -> None:
    """A document with one wrong value is refused; without it, it is not."""
    good = {"version": 1, "organization_id": "o"}
    assert validator.is_valid(good)
    assert not validator.is_valid(good | change)


def words_of(schema: dict[str, Any]) -> set[str]:
    """Return the words that an editor offers for a value."""
    return {each["const"] for each in schema["anyOf"] if "const" in each}


def test_editors_can_complete_words() -> None:
    """The schema offers every permission in the roles of its scope, and every built-in role at its level."""
    schema = policy_schema.json_schema()
    of_scope = {
        case["if"]["properties"]["scope"]["const"]: words_of(case["then"]["properties"]["permissions"]["items"])
        for case in schema["$defs"]["CustomRole"]["allOf"]
    }
    assert of_scope == {
        "DAG": {*DAG_WORDS},
        "DEPLOYMENT": {*DEPLOYMENT_WORDS, *ASTRO_WORDS},
        "OBJECT": {*OBJECT_WORDS},
    }
    offered = [
        words_of(schema["$defs"][model]["properties"][key])
        for model, key in (
            ("User", "organization_role"),
            ("WorkspaceGrant", "role"),
            ("DeploymentGrant", "role"),
            ("DagGrant", "role"),
            ("ObjectGrant", "role"),
        )
    ]
    assert set.union(*offered) == set(BUILT_IN)
    assert sum(map(len, offered)) == len(BUILT_IN)
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"


def test_editors_can_explain_words() -> None:
    """Every key, role and permission has a description, and no title that only repeats the key."""
    schema = policy_schema.json_schema()
    models = {"PolicyDocument": schema, **schema["$defs"]}
    keys = {(name, key): value for name, model in models.items() for key, value in model["properties"].items()}
    assert [place for place, value in keys.items() if not value.get("description") or "title" in value] == []
    assert {name: list(texts) for name, texts in policy_schema._DESCRIPTIONS.items()} == {
        name: [key for key in texts if (name, key) in keys] for name, texts in policy_schema._DESCRIPTIONS.items()
    }
    words = [case for value in keys.values() for case in value.get("anyOf", ()) if "const" in case]
    assert len(words) > len(BUILT_IN)
    assert all(word.get("description") for word in words if word["const"] != "never")


def test_schema_is_json() -> None:
    """The schema can be written down, and always in the same way."""
    assert json.dumps(policy_schema.json_schema()) == json.dumps(policy_schema.json_schema())
