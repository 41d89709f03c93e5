"""The JSON Schema of the policy file agrees with the checks, as far as a schema can know."""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator, FormatChecker

from astro_auth_plugin.rbac.model.permissions import ASTRO_WORDS, DAG_WORDS, DEPLOYMENT_WORDS
from astro_auth_plugin.rbac.model.roles import BUILT_IN
from astro_auth_plugin.rbac.policy import loader
from tests.rbac.policy.test_checks import CASES, Case

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
    "unknown roles",
    "wrong level",
    "not listed",
    "restricted role",
    "built-in",
    "both and neither",
    "keys that",
    "permissions of the other scope",
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
    schema = loader.json_schema()
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


def test_editors_can_complete_words() -> None:
    """The schema lists every permission and every built-in role, and any other text may be a custom role."""
    schema = loader.json_schema()
    permissions = schema["$defs"]["CustomRole"]["properties"]["permissions"]["items"]["enum"]
    assert set(permissions) == {*DEPLOYMENT_WORDS, *DAG_WORDS, *ASTRO_WORDS}
    assert list(BUILT_IN) == schema["$defs"]["DagGrant"]["properties"]["role"]["anyOf"][0]["enum"]
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"


def test_schema_is_json() -> None:
    """The schema can be written down, and always in the same way."""
    assert json.dumps(loader.json_schema()) == json.dumps(loader.json_schema())
