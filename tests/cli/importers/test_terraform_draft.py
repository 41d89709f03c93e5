"""`import terraform`: a policy from the state of Astronomer's provider, with nothing guessed and no secret shown."""

from __future__ import annotations

import json
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from astro_auth_plugin.cli.main import main
from astro_auth_plugin.rbac.policy import loader, yaml_reader
from tests.cli.importers import astro_organization

SECRET = "this-is-a-secret-of-the-state"
NOBODY = {
    "organization_role": "ORGANIZATION_MEMBER",
    "workspace_roles": None,
    "deployment_roles": None,
    "dag_roles": None,
}

STATE: dict[str, Any] = {
    "astro_workspace": [{"id": "clws", "name": "Data", "description": "", "cicd_enforced_default": True}],
    "astro_deployment": [
        {
            "id": "cldep",
            "name": "prod",
            "workspace_id": "clws",
            "environment_variables": [{"key": "PASSWORD", "value": "${" + SECRET}],
        }
    ],
    "astro_custom_role": [
        {
            "id": "clrole",
            "name": "run operator",
            "description": None,
            "scope_type": "DAG",
            "permissions": ["dag.airflow.dagRun.get", "dag.airflow.dag.get"],
            "restricted_workspace_ids": ["clws"],
        }
    ],
    "astro_team": [
        {
            "id": "clteam",
            "name": "data",
            "description": "People",
            "member_ids": ["u2", "u1"],
            "is_idp_managed": False,
            **NOBODY,
            "workspace_roles": [{"workspace_id": "clws", "role": "WORKSPACE_MEMBER"}],
            "deployment_roles": [{"deployment_id": "cldep", "role": "DEPLOYMENT_ACCESSOR"}],
            "dag_roles": [
                {"deployment_id": "cldep", "dag_id": None, "tag": "team:data", "role": "run operator"},
                {"deployment_id": "cldep", "dag_id": "report", "tag": None, "role": "DAG_VIEWER"},
            ],
        }
    ],
    "astro_user_roles": [{"user_id": "u1", **NOBODY, "organization_role": "ORGANIZATION_OWNER"}],
    "astro_api_token": [
        {
            "id": "cltok",
            "name": "ci",
            "type": "DEPLOYMENT",
            "token": SECRET,
            "short_token": SECRET[:8],
            "roles": [
                {
                    "role": "ORGANIZATION_MEMBER",
                    "entity_id": "clorg",
                    "entity_type": "ORGANIZATION",
                    "deployment_id": None,
                },
                {"role": "DAG_AUTHOR", "entity_id": "team:data", "entity_type": "TAG", "deployment_id": "cldep"},
            ],
        }
    ],
    "data.astro_users_list": [
        {
            "users": [
                {"id": "u1", "username": "Ana@example.com", "status": "ACTIVE"},
                {"id": "u2", "username": "bo@example.com", "status": "ACTIVE"},
                {"id": "u3", "username": "cy@example.com", "status": "BANNED"},
            ]
        }
    ],
}
POLICY = {
    "version": 1,
    "organization_id": "clorg",
    "workspaces": [{"id": "clws", "name": "Data"}],
    "deployments": [{"id": "cldep", "workspace_id": "clws", "name": "prod"}],
    "roles": [
        {
            "name": "run operator",
            "scope": "DAG",
            "permissions": ["dag.airflow.dag.get", "dag.airflow.dagRun.get"],
            "restricted_workspace_ids": ["clws"],
        }
    ],
    "teams": [
        {
            "name": "data",
            "description": "People",
            "members": ["ana@example.com", "bo@example.com"],
            "organization_role": "ORGANIZATION_MEMBER",
            "workspace_roles": [{"workspace_id": "clws", "role": "WORKSPACE_MEMBER"}],
            "deployment_roles": [{"deployment_id": "cldep", "role": "DEPLOYMENT_ACCESSOR"}],
            "dag_roles": [
                {"deployment_id": "cldep", "tag": "team:data", "role": "run operator"},
                {"deployment_id": "cldep", "dag_id": "report", "role": "DAG_VIEWER"},
            ],
        }
    ],
    "users": [{"email": "ana@example.com", "organization_role": "ORGANIZATION_OWNER"}],
}
BANNED = "user `cy@example.com`: not an active user (BANNED); its roles: no role"
TOKEN = (
    "API token `ci`: its secret is not imported; create a new token with "
    "ORGANIZATION_MEMBER on ORGANIZATION `clorg`; DAG_AUTHOR on DAG_TAG `team:data` in `cldep`"
)


def tfstate(resources: dict[str, list[Any]]) -> Any:
    """What Terraform keeps in terraform.tfstate."""
    found = []
    for kind, several in resources.items():
        mode = "data" if kind.startswith("data.") else "managed"
        instances = [{"index_key": number, "attributes": values} for number, values in enumerate(several)]
        found.append({"mode": mode, "type": kind.removeprefix("data."), "name": "x", "instances": instances})
    return {"version": 4, "terraform_version": "1.9.7", "serial": 1, "resources": found}


def shown(resources: dict[str, list[Any]]) -> Any:
    """What `terraform show -json` prints, half of it in a module."""
    found = [
        {
            "address": f"{kind}.x[{number}]",
            "mode": "data" if kind.startswith("data.") else "managed",
            "type": kind.removeprefix("data."),
            "name": "x",
            "values": values,
        }
        for kind, several in resources.items()
        for number, values in enumerate(several)
    ]
    module = {"resources": found[:3], "child_modules": [{"address": "module.m", "resources": found[3:]}]}
    return {"format_version": "1.0", "terraform_version": "1.9.7", "values": {"root_module": module}}


def configuration(resources: dict[str, list[Any]]) -> Any:
    """Resources as .tf.json."""
    found: dict[str, Any] = {"resource": {}, "data": {}}
    for kind, several in resources.items():
        block = found["data" if kind.startswith("data.") else "resource"]
        block[kind.removeprefix("data.")] = {f"x{number}": values for number, values in enumerate(several)}
    return found


class Ran(tuple[int, str, str]):
    """What a run gave: its exit code, and what it printed on both streams."""

    __slots__ = ()

    @property
    def values(self) -> Any:
        """The policy that was printed."""
        assert loader.load(self[1].encode()).errors == ()
        return yaml_reader.read(self[1].encode()).values

    @property
    def left_out(self) -> list[str]:
        """What was told to be left out."""
        return [line.removeprefix("left out: ") for line in self[2].splitlines()[:-1]]


@pytest.fixture
def run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Any:
    """Import a document; nothing of what is printed names the machine's folders or has a secret."""

    def run_it(document: Any, *options: str) -> Ran:
        path = tmp_path / "state.json"
        path.write_text(document if isinstance(document, str) else json.dumps(document))
        code: Any = 0
        try:
            main(["import", "terraform", str(path), *options])
        except SystemExit as end:
            code = end.code
        said = capsys.readouterr()
        assert SECRET[:8] not in said.out + said.err
        assert str(tmp_path) not in said.out
        return Ran((code, said.out, said.err))

    return run_it


@pytest.fixture
def state() -> dict[str, list[Any]]:
    """A state of one of each, to be changed."""
    return deepcopy(STATE)


@pytest.mark.parametrize("form", [tfstate, shown])
def test_state(run: Any, form: Any) -> None:
    """Both forms of a state make the same policy; API tokens are listed, to be made anew."""
    ran = run(form(STATE))
    assert ran[0] == 0
    assert ran.values == POLICY
    assert ran.left_out == [BANNED, TOKEN]
    assert ran[1].startswith(
        "# Made by `astro-auth import terraform` from a Terraform state.\n#\n# Left out:\n# - user"
    )


def test_configuration(run: Any, state: dict[str, list[Any]]) -> None:
    """Resources as .tf.json make the same, as far as they have values and not expressions."""
    state["astro_user_roles"].append({"user_id": "${astro_user_invite.x.user_id}", **NOBODY})
    ran = run(configuration(state))
    assert ran.values == POLICY
    assert ran.left_out == ["astro_user_roles.x1: it has expressions; a state has their values", BANNED, TOKEN]


@pytest.mark.parametrize("form", [tfstate, shown])
def test_organization_after_the_first_apply(run: Any, form: Any) -> None:
    """Each user, Team, invite and token that a state of all kinds names is in the policy or listed."""
    ran = run(form(astro_organization.STATE))
    assert ran.values == astro_organization.POLICY
    assert ran.left_out == [
        "1 resource of `astro_agent_token`, a token of Remote Execution agents, which gives users nothing",
        "1 resource of `astro_allowed_ip_address_ranges`, which the proxy in front of Airflow has to check",
        *astro_organization.LEFT_OUT[:3],
        "invite of `gus@example.com`: unknown whether it was accepted; ORGANIZATION_OWNER is not given",
        *astro_organization.LEFT_OUT[3:],
    ]


def test_stable(run: Any, state: dict[str, list[Any]]) -> None:
    """Terraform's sets have no order, and the policy has one."""
    for roles in ("workspace_roles", "deployment_roles", "dag_roles"):
        state["astro_team"][0][roles].reverse()
    state["astro_team"][0]["member_ids"].reverse()
    assert run(tfstate(dict(reversed(state.items()))))[1] == run(tfstate(STATE))[1]


def test_emails(run: Any, state: dict[str, list[Any]], tmp_path: Path) -> None:
    """Whose e-mail nobody says is left out, and a file can say it."""
    del state["data.astro_users_list"]
    ran = run(tfstate(state))
    assert "users" not in ran.values
    assert "members" not in ran.values["teams"][0]
    assert ran.left_out[:3] == [
        "Team `data`: member u1: the e-mail is unknown; add it in a file with --emails",
        "Team `data`: member u2: the e-mail is unknown; add it in a file with --emails",
        "user u1: the e-mail is unknown; add it in a file with --emails; its roles: ORGANIZATION_OWNER",
    ]
    emails = tmp_path / "emails.yaml"
    emails.write_text("u1: ana@example.com\nu2: bo@example.com\n")
    assert run(tfstate(state), "--emails", str(emails)).values == POLICY


# Ten keys that merge the level before ten times each, on eight levels, and the ninth one.
MERGED = "\n".join(
    ["a0: &a0 {u: x}", *(f"a{n}: &a{n} {{<<: [{', '.join([f'*a{n - 1}'] * 10)}]}}" for n in range(1, 9))]
)


def test_emails_without_an_end(run: Any) -> None:
    """No more is read than a file of e-mails may have."""
    why = "cannot read the e-mails: the file is larger than 10 MiB"
    assert run(tfstate(STATE), "--emails", "/dev/zero") == (1, "", f"error: /dev/zero: {why}\n")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("[u1]", "expected a mapping from user ids to e-mails"),
        ("u1: ana", "expected the text of an id and an e-mail, found `u1: ana`"),
        ("1: 2", "expected the text of an id and an e-mail, found `1: 2`"),
        ("u1: [", "cannot read the e-mails: not valid YAML: did not find expected node content"),
        (MERGED, "cannot read the e-mails: aliases blow the file up beyond what is reasonable"),
        (f"u1: {'1:' * 50_000}1", f"cannot read the e-mails: `{'1:' * 20}` cannot be read; put it in quotes"),
        (None, "cannot read the e-mails: No such file or directory"),
    ],
)
def test_bad_emails(run: Any, tmp_path: Path, text: str | None, why: str) -> None:
    """A file of e-mails that is none fails with the reason, and nothing is printed."""
    path = tmp_path / "emails.yaml"
    if text is not None:
        path.write_text(text)
    assert run(tfstate(STATE), "--emails", str(path)) == (1, "", f"error: {path}: {why}\n")


def test_where_emails_come_from(run: Any, state: dict[str, list[Any]]) -> None:
    """Data sources of users and Teams, and invites, say e-mails; two different ones are none."""
    state["data.astro_users_list"] = [{"users": []}]
    state["data.astro_user"] = [{"id": "u1", "username": "ana@example.com", "status": None}]
    state["data.astro_team"] = [
        {"id": "clother", "name": "o", "team_members": [{"user_id": "u2", "username": "bo@example.com"}]}
    ]
    state["astro_user_invite"] = [{"email": "ana@example.com", "role": "ORGANIZATION_MEMBER", "user_id": "u1"}]
    other = {"name": "o", "members": ["bo@example.com"]}
    assert run(tfstate(state)).values == POLICY | {"teams": [POLICY["teams"][0], other]}
    state["astro_user_invite"][0]["email"] = "other@example.com"
    ran = run(tfstate(state))
    assert "users" not in ran.values
    why = "user u1: several e-mails are known; name the right one in a file with --emails"
    assert f"{why}; its roles: ORGANIZATION_OWNER" in ran.left_out


def test_inactive(run: Any, state: dict[str, list[Any]]) -> None:
    """Whoever is not active gets nothing, whatever else is known of them."""
    state["data.astro_users_list"][0]["users"][0]["status"] = "INACTIVE"
    ran = run(tfstate(state))
    assert "users" not in ran.values
    assert ran.values["teams"][0]["members"] == ["bo@example.com"]
    assert ran.left_out[:2] == [
        "Team `data`: member `ana@example.com`: not an active user (INACTIVE)",
        "user `ana@example.com`: not an active user (INACTIVE); its roles: ORGANIZATION_OWNER",
    ]


def test_roles_of_teams(run: Any, state: dict[str, list[Any]]) -> None:
    """Roles of a Team that is managed elsewhere count; of two that differ neither does."""
    state["data.astro_teams"] = [
        {"teams": [{"id": "clops", "name": "ops", "team_members": [{"user_id": "u2", "username": "bo@example.com"}]}]}
    ]
    roles = {**NOBODY, "deployment_roles": [{"deployment_id": "cldep", "role": "DEPLOYMENT_ADMIN"}]}
    state["astro_team_roles"] = [{"team_id": "clops", **roles}, {"team_id": "clnone", **roles}]
    ran = run(tfstate(state))
    assert ran.values["teams"][1] == {
        "name": "ops",
        "members": ["bo@example.com"],
        "organization_role": "ORGANIZATION_MEMBER",
        "deployment_roles": [{"deployment_id": "cldep", "role": "DEPLOYMENT_ADMIN"}],
    }
    given = "ORGANIZATION_MEMBER, DEPLOYMENT_ADMIN on `cldep`"
    assert f"Team clnone: its name is unknown; its roles: {given}" in ran.left_out
    state["astro_team_roles"] = [{"team_id": "clteam", **roles}]
    ran = run(tfstate(state))
    assert set(ran.values["teams"][0]) == {"name", "description", "members"}
    (line,) = [
        line for line in ran.left_out if line.startswith("Team `data`: resources disagree on its roles, so none")
    ]
    assert "is used: ORGANIZATION_MEMBER, DAG_VIEWER on Dag `report` in `cldep`, " in line
    assert line.endswith(f" | {given}")


def test_roles_after_the_first_apply(run: Any, state: dict[str, list[Any]]) -> None:
    """A Team whose roles another resource sets has none of them in the state until the next refresh."""
    team = state["astro_team"][0]
    lists = {key: team[key] for key in ("workspace_roles", "deployment_roles", "dag_roles")}
    team.update(dict.fromkeys(lists))
    state["astro_team_roles"] = [{"team_id": "clteam", "organization_role": "ORGANIZATION_MEMBER", **lists}]
    assert run(tfstate(state)).values == POLICY
    state["astro_team_roles"][0]["organization_role"] = "ORGANIZATION_OWNER"
    ran = run(tfstate(state))
    assert set(ran.values["teams"][0]) == {"name", "description", "members"}
    assert any(line.startswith("Team `data`: resources disagree on its roles, so none") for line in ran.left_out)


def test_roles_in_data_sources(run: Any, state: dict[str, list[Any]]) -> None:
    """Data sources with a filter have a part of the roles each; a resource has all, and is newer."""
    owner, member = ({"workspace_id": "clws", "role": f"WORKSPACE_{role}"} for role in ("OWNER", "MEMBER"))
    admin = {"deployment_id": "cldep", "role": "DEPLOYMENT_ADMIN"}
    bo = {"id": "u2", "username": "bo@example.com", "status": "ACTIVE", **NOBODY}
    state["data.astro_users"] = [
        {"workspace_id": "clws", "users": [bo | {"workspace_roles": [member]}]},
        {"deployment_id": "cldep", "users": [bo | {"deployment_roles": [admin]}]},
    ]
    del state["data.astro_users_list"][0]["users"][1]
    assert run(tfstate(state)).values["users"][1] == {
        "email": "bo@example.com",
        "organization_role": "ORGANIZATION_MEMBER",
        "workspace_roles": [member],
        "deployment_roles": [admin],
    }
    state["data.astro_users"][1]["users"][0]["organization_role"] = "ORGANIZATION_OWNER"
    ran = run(tfstate(state))
    assert [user["email"] for user in ran.values["users"]] == ["ana@example.com"]
    assert any(line.startswith("user `bo@example.com`: resources disagree on its roles") for line in ran.left_out)
    state["astro_user_roles"].append({"user_id": "u2", **NOBODY, "workspace_roles": [member]})
    state["data.astro_users"][0]["users"][0]["workspace_roles"] = [owner]
    ran = run(tfstate(state))
    assert ran.values["users"][1] == {
        "email": "bo@example.com",
        "organization_role": "ORGANIZATION_MEMBER",
        "workspace_roles": [member],
    }
    assert [line for line in ran.left_out if "only in a data source" in line] == [
        f"user `bo@example.com`: {each} is only in a data source and not in its resource"
        for each in ("DEPLOYMENT_ADMIN on `cldep`", "ORGANIZATION_OWNER", "WORKSPACE_OWNER on `clws`")
    ]


def test_first_page_of_members(run: Any, state: dict[str, list[Any]]) -> None:
    """The provider's data sources have one page of a Team's members, and do not say so."""
    members = [{"user_id": f"m{number}", "username": f"m{number}@example.com"} for number in range(20)]
    state["data.astro_team"] = [{"id": "cl2", "name": "many", **NOBODY, "team_members": members}]
    ran = run(tfstate(state))
    assert len(ran.values["teams"][1]["members"]) == 20
    assert "Team `many`: its data source has 20 members at most, so there may be more" in ran.left_out
    members.pop()
    assert "so there may be more" not in run(tfstate(state))[2]


def test_members(run: Any, state: dict[str, list[Any]]) -> None:
    """Single memberships make a Team without a list, and add nobody to a Team that has one."""
    state["astro_team_membership"] = [{"id": "clteam/u9", "team_id": "clteam", "user_id": "u9"}]
    ran = run(tfstate(state))
    assert ran.values == POLICY
    assert "Team `data`: member u9, who is not in its list" in ran.left_out
    state["astro_team_membership"] = [{"team_id": "clother", "user_id": "u1"}]
    assert "Team clother: its name is unknown; its members: `ana@example.com`" in run(tfstate(state)).left_out
    state["astro_team"][0]["member_ids"] = None
    state["astro_team_membership"] = [{"team_id": "clteam", "user_id": each} for each in ("u1", "u2")]
    assert run(tfstate(state)).values == POLICY


def test_identity_provider(run: Any, state: dict[str, list[Any]]) -> None:
    """A Team of the identity provider is marked, since its people change there."""
    state["astro_team"][0]["is_idp_managed"] = True
    assert (
        "teams:\n  # The identity provider manages this Team: name its groups in `idp_groups`" in run(tfstate(state))[1]
    )


def test_unknown_resources(run: Any, state: dict[str, list[Any]]) -> None:
    """What is not read is counted, by kind where it is Astro's."""
    state.update({"astro_cluster": [{}, {}], "data.astro_clusters": [{}], "null_resource": [{}]})
    assert run(tfstate(state)).left_out[:3] == [
        "2 resources of `astro_cluster`, which a policy does not need",
        "1 resource of `data.astro_clusters`, which a policy does not need",
        "1 resource of other providers",
    ]


def test_unknown_types(run: Any, state: dict[str, list[Any]]) -> None:
    """Each resource of a type that is not known is listed: it may give access."""
    state.update({"astro_group": [{"roles": [SECRET]}, {}], "data.astro_group": [{}]})
    assert run(tfstate(state)).left_out[:3] == [
        "astro_group.x[0]: its type is not known; check what access it gives",
        "astro_group.x[1]: its type is not known; check what access it gives",
        "data.astro_group.x[0]: its type is not known; check what access it gives",
    ]


def test_unknown_attributes(run: Any, state: dict[str, list[Any]]) -> None:
    """An attribute that is not known is listed, and what it may restrict is not given."""
    state["data.astro_users_list"][0]["users"][0]["object_roles"] = [{"secret": SECRET}]
    state["data.astro_users_list"][0]["users"][1] |= {"object_roles": [], "last_seen": None}
    team = state["astro_team"][0]
    team["not_understood"] = [SECRET]
    team["dag_roles"].append({"deployment_id": "cldep", "tag": "b", "role": "DAG_AUTHOR", "expires_at": SECRET})
    state["astro_user_roles"][0]["dag_roles"] = [{"deployment_id": "cldep", "bundle": "b", "role": "DAG_AUTHOR"}]
    ran = run(tfstate(state))
    assert ran.values == POLICY
    check = "is not known, so it is not used (1 time); check what access it gives"
    assert ran.left_out[:4] == [
        "astro_team.x[0]: `expires_at` is not known, so DAG_AUTHOR on tag `b` in `cldep` is not used",
        "astro_user_roles.x[0]: `bundle` is not known, so DAG_AUTHOR on Dag `` in `cldep` is not used",
        f"astro_team.x[0]: `not_understood` {check}",
        f"data.astro_users_list.x[0]: `object_roles` {check}",
    ]


def test_unknown_attribute_of_a_role(run: Any, state: dict[str, list[Any]]) -> None:
    """A role with an attribute that is not known is given by no grant: it may be narrower than its permissions say."""
    state["astro_custom_role"][0]["denied_permissions"] = ["dag.airflow.dag.get"]
    ran = run(tfstate(state))
    assert "roles" not in ran.values
    assert [grant["role"] for grant in ran.values["teams"][0]["dag_roles"]] == ["DAG_VIEWER"]
    assert ran.left_out[0] == (
        "astro_custom_role.x[0]: `denied_permissions` is not known, so the role `run operator` is not used"
    )


def test_odd_values(run: Any, state: dict[str, list[Any]]) -> None:
    """A resource whose values are of another shape is left out, told by its place and not by its values."""
    state["astro_user_roles"].append({"user_id": {"x": SECRET}, "organization_role": 1})
    ran = run(tfstate(state))
    assert ran.values == POLICY
    assert ran.left_out[0] == ("astro_user_roles.x[1]: its values are not as expected: organization_role, user_id")


def test_deposed(run: Any) -> None:
    """What Terraform is about to destroy does not count."""
    document = tfstate(STATE)
    gone = {"user_id": "u2", **NOBODY, "organization_role": "ORGANIZATION_OWNER"}
    for resource in document["resources"]:
        if resource["type"] == "astro_user_roles":
            resource["instances"].append({"deposed": "00000000", "attributes": gone})
    assert run(document).values == POLICY
    document = shown(STATE)
    entry = {"address": "x", "mode": "managed", "type": "astro_user_roles", "values": gone, "deposed_key": "00000000"}
    document["values"]["root_module"]["resources"].append(entry)
    assert run(document).values == POLICY


def test_what_no_policy_may_say(run: Any, state: dict[str, list[Any]]) -> None:
    """What the checks of a policy refuse is left out with their reason, and the rest stands."""
    team = state["astro_team"][0]
    team["deployment_roles"].append({"deployment_id": "clgone", "role": "DEPLOYMENT_ADMIN"})
    team["dag_roles"].append({"deployment_id": "cldep", "dag_id": "a", "tag": "b", "role": "DAG_AUTHOR"})
    team["workspace_roles"].append({"workspace_id": "clws", "role": "WORKSPACE_KING"})
    state["astro_user_roles"][0]["organization_role"] = "ORGANIZATION_KING"
    state["astro_custom_role"][0]["permissions"].append("dag.airflow.dag.fly")
    ran = run(tfstate(state))
    assert ran.values == POLICY | {"users": [{"email": "ana@example.com"}]}
    assert [line.partition(":")[0] for line in ran.left_out[2:]] == [
        "user `ana@example.com`",
        "Team `data`",
        "Team `data`",
        "Team `data`",
        "role `run operator`",
    ]
    assert any(line.endswith(": Deployment `clgone` is not listed in this file") for line in ran.left_out)


def test_dropped_role_takes_its_grants_along(run: Any, state: dict[str, list[Any]]) -> None:
    """A role that cannot be taken whole, and not only without a permission, is not given by anybody."""
    state["astro_custom_role"][0]["scope_type"] = "WORKSPACE"
    ran = run(tfstate(state))
    assert "roles" not in ran.values
    assert [grant["role"] for grant in ran.values["teams"][0]["dag_roles"]] == ["DAG_VIEWER"]


@pytest.mark.parametrize("name", ["DAG_AUTHOR", "run operator"])
def test_two_roles_of_one_name(run: Any, state: dict[str, list[Any]], name: str) -> None:
    """A grant whose role could be one of two is not taken: one of them may hold more than was given."""
    other = {**state["astro_custom_role"][0], "name": name, "permissions": ["dag.airflow.dag.get"]}
    state["astro_custom_role"].append(other)
    state["astro_team"][0]["dag_roles"].append({"deployment_id": "cldep", "dag_id": "a", "role": name})
    ran = run(tfstate(state))
    assert name not in {grant["role"] for grant in ran.values["teams"][0]["dag_roles"]}
    assert name not in {role["name"] for role in ran.values.get("roles", [])}
    assert f"role `{name}`: built in, or another of this name differs; no grant is taken" in ran.left_out
    assert f"Team `data`: {name} on Dag `a` in `cldep`: unknown what the role gives" in ran.left_out


def test_same_role_twice(run: Any, state: dict[str, list[Any]]) -> None:
    """A role that a data source repeats is one role."""
    state["data.astro_custom_role"] = deepcopy(state["astro_custom_role"])
    assert run(tfstate(state)).values == POLICY


def test_restricted_role(run: Any, state: dict[str, list[Any]]) -> None:
    """A restriction to a Workspace that the state lacks stays, and with it the Workspace; it is never loosened."""
    state["astro_custom_role"][0]["restricted_workspace_ids"] = ["clelsewhere"]
    values = run(tfstate(state)).values
    assert values["workspaces"] == [{"id": "clelsewhere"}, {"id": "clws", "name": "Data"}]
    assert values["roles"][0]["restricted_workspace_ids"] == ["clelsewhere"]
    assert [grant["role"] for grant in values["teams"][0]["dag_roles"]] == ["DAG_VIEWER"]


def test_organization(run: Any, state: dict[str, list[Any]], monkeypatch: pytest.MonkeyPatch) -> None:
    """The Organization comes from the option, the state or the settings; of several, none is chosen."""
    assert run(tfstate(state), "--organization", "other").values["organization_id"] == "other"
    state["data.astro_organization"] = [{"id": "clorg2"}]
    ran = run(tfstate(state))
    assert ran == (
        1,
        "",
        "error: several Organizations are named: name one of `clorg`, `clorg2` with --organization\n",
    )
    del state["data.astro_organization"], state["astro_api_token"]
    assert "no Organization: name it with --organization" in run(tfstate(state))[2]
    monkeypatch.setenv("ASTRO_ORGANIZATION_ID", "clorg3")
    assert run(tfstate(state)).values["organization_id"] == "clorg3"


@pytest.mark.parametrize(
    ("document", "why"),
    [
        ("{", "not JSON; `terraform show -json` prints a state as JSON"),
        ("[" * 100_000, "not JSON; `terraform show -json` prints a state as JSON"),
        ("[]", "this JSON is not shaped like a Terraform state"),
        ("{}", "this JSON is not shaped like a Terraform state"),
        ('{"version": 4, "resources": [{"type": "' + SECRET + '"}]}', "this JSON is not shaped like a Terraform state"),
        ('{"version": 3, "resources": []}', "a state of another version than 4; print it with `terraform show -json`"),
        (
            '{"format_version": "1.2", "planned_values": {}}',
            "a plan has resources that do not exist yet; use the state that `terraform show -json` prints",
        ),
    ],
)
def test_no_state(run: Any, tmp_path: Path, document: str, why: str) -> None:
    """What is no state fails with the reason; nothing of it is repeated."""
    assert run(document) == (1, "", f"error: {tmp_path / 'state.json'}: {why}\n")


def test_empty_state(run: Any) -> None:
    """A state without resources is an empty policy."""
    ran = run({"format_version": "1.0"}, "--organization", "clorg")
    assert ran.values == {"version": 1, "organization_id": "clorg"}


def test_hostile_words(run: Any, state: dict[str, list[Any]]) -> None:
    """A word of the state stays a word, in the policy and in what is told of it."""
    evil = "x\nusers:\n  - {email: evil@example.com, organization_role: ORGANIZATION_OWNER}\n# \x1b[31m"
    state["astro_team"][0].update({"name": evil, "description": evil})
    state["astro_team"][0]["dag_roles"].append({"deployment_id": evil, "dag_id": evil, "role": evil})
    ran = run(tfstate(state))
    assert ran.values["teams"][0]["name"] == ran.values["teams"][0]["description"] == evil
    assert ran.values["users"] == POLICY["users"]
    assert "\x1b" not in ran[1] + ran[2]
