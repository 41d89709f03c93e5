"""`import astro`: a policy from responses of Astro's API, with nothing guessed and no secret shown."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from astro_auth_plugin.cli.main import main
from astro_auth_plugin.rbac.policy import loader, yaml_reader
from tests.cli.importers import astro_organization as given
from tests.test_docs import blocks

SECRET = "this-is-a-secret"
TEAMS = {
    "finance": (given.FINANCE_TEAM, ("bo", "dan")),
    "developers": (given.DEVELOPERS_TEAM, ("fay",)),
    "platform": (given.PLATFORM_TEAM, ("cy",)),
}
SETS = ("roles", "permissions", "restrictedWorkspaceIds")


def camel_case(value: Any) -> Any:
    """Return what the API has for what Terraform has: its words, and nothing where nothing is set."""
    if isinstance(value, list):
        return list(map(camel_case, value))
    if isinstance(value, dict):
        words = {key: re.sub("_(.)", lambda letter: letter[1].upper(), key) for key in value}
        return {
            "dagTag" if key == "tag" else words[key]: camel_case(each)
            for key, each in value.items()
            if each is not None
        }
    if isinstance(value, str) and value.endswith(" +0000 UTC"):
        return value.removesuffix(" +0000 UTC").replace(" ", "T") + "Z"
    return value


def page(key: str, entries: list[Any], offset: int = 0, total: int | None = None) -> dict[str, Any]:
    """Return one page of a list."""
    return {
        key: camel_case(entries),
        "limit": 1000,
        "offset": offset,
        "totalCount": len(entries) if total is None else total,
    }


def answers() -> dict[str, Any]:
    """Return the responses for the whole Organization, by file."""
    in_organization = {"organization_id": given.ORGANIZATION}
    teams = [
        given.team(name, held, is_idp_managed=name != "finance") | in_organization for name, (held, _) in TEAMS.items()
    ]
    tokens = [
        each | {"kind": "STANDARD", "scope": "DEPLOYMENT"} for each in (given.CI | {"token": SECRET}, given.OWNER)
    ]
    custom = [{key: value for key, value in each.items() if key != "permissions"} for each in given.CUSTOM_ROLES]
    return {
        "users.json": page("users", given.USERS),
        "teams.json": page("teams", teams),
        **{
            f"team-members-clteam0{name}.json": page("teamMembers", given.members(*who))
            for name, (_, who) in TEAMS.items()
        },
        "roles.json": page("roles", custom) | {"defaultRoles": [{"name": "DAG_VIEWER", "permissions": []}]},
        **{f"role-{each['id']}.json": camel_case(each) for each in given.CUSTOM_ROLES},
        "tokens.json": page("tokens", tokens),
        "workspaces.json": page("workspaces", [each | in_organization for each in given.WORKSPACES]),
        "deployments.json": page("deployments", [each | in_organization for each in given.DEPLOYMENTS]),
    }


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
        """What is left out, as it was printed."""
        return [line.removeprefix("left out: ") for line in self[2].splitlines()[:-1]]


@pytest.fixture
def run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Any:
    """Import a folder of files; no secret in it is printed."""

    def run_it(files: dict[str, Any], *options: str) -> Ran:
        folder = tmp_path / "astro"
        folder.mkdir(exist_ok=True)
        for old in folder.iterdir():
            old.unlink()
        for name, content in files.items():
            (folder / name).write_text(content if isinstance(content, str) else json.dumps(content))
        code: Any = 0
        try:
            main(["import", "astro", str(folder), *options])
        except SystemExit as end:
            code = end.code
        said = capsys.readouterr()
        assert SECRET not in said.out + said.err
        return Ran((code, said.out, said.err.replace(str(folder), "FOLDER")))

    return run_it


def test_organization(run: Any) -> None:
    """Each user, Team, role and token of an Organization is in the policy or listed."""
    ran = run(answers())
    assert ran[0] == 0
    assert ran[1].startswith(
        "# Made by `astro-auth import astro` from responses of Astro's API.\n#\n# Left out:\n# - Team"
    )
    assert ran.values == given.POLICY
    assert ran.left_out == [line.replace("31 00:00:00 +0000 UTC", "31T00:00:00Z") for line in given.LEFT_OUT]


def test_pages(run: Any) -> None:
    """Pages may be in a file each, or in a list in one file; a page that is missing is named."""
    files = answers()
    files["users.json"] = page("users", given.USERS[:2], total=7)
    files["users-2.json"] = [page("users", given.USERS[2:4], 2, 7), page("users", given.USERS[4:], 4, 7)]
    assert run(files).values == given.POLICY
    del files["users-2.json"]
    files["team-members-clteam0platform.json"]["totalCount"] = 30
    ran = run(files)
    assert [user["email"] for user in ran.values["users"]] == ["ana@example.com", "olga@example.com"]
    assert ran.left_out[:2] == [
        "users.json: 2 of 7; get the other pages, too, with `offset`",
        "team-members-clteam0platform.json: 1 of 30; get the other pages, too, with `offset`",
    ]


def test_missing_files(run: Any) -> None:
    """What a response names and no file has is listed, and so is a file that is not read."""
    files = answers()
    for name in ("tokens.json", "team-members-clteam0platform.json", "role-clrole0operator.json"):
        del files[name]
    ran = run(files | {"invites.json": {}, ".hidden": ""})
    assert ran.left_out[:4] == [
        "invites.json: not read; its name is not that of a response",
        "no tokens.json: nothing is known of tokens",
        "Team `platform`: no team-members-clteam0platform.json, so its members are unknown",
        "role `Dag Operator`: no role-clrole0operator.json, so its permissions are unknown",
    ]
    assert "members" not in ran.values["teams"][2]
    assert [grant["role"] for grant in ran.values["users"][0]["dag_roles"]] == ["DAG_AUTHOR"]
    assert any(line.startswith("user `ana@example.com`: dag_roles") for line in ran.left_out)


def test_unknown_attributes(run: Any) -> None:
    """An attribute that is not known is listed once for a list, and what it may restrict is not given."""
    files = answers()
    for each in files["users.json"]["users"]:
        each["lastSeenAt"] = SECRET
    files["users.json"]["users"][2]["workspaceRoles"][0]["expiresAt"] = SECRET
    files["role-clrole0tokens.json"]["deniedPermissions"] = ["deployment.get"]
    ran = run(files)
    assert ran.left_out[:3] == [
        "role-clrole0tokens.json: `denied_permissions` is not known, so the role `Tokens` is not used",
        f"users.json.users[2]: `expires_at` is not known, so WORKSPACE_AUTHOR on `{given.DATA}` is not used",
        "users.json: `last_seen_at` is not known, so it is not used (7 times); check what access it gives",
    ]
    users = {user["email"]: user for user in ran.values["users"]}
    assert "workspace_roles" not in users["bo@example.com"]
    assert not users["cy@example.com"].get("deployment_roles")


def test_odd_entry(run: Any) -> None:
    """An entry of another shape is left out by its place, and the others stay."""
    files = answers()
    files["users.json"]["users"][1] = {"id": 1, "username": SECRET}
    files["team-members-clteam0platform.json"]["teamMembers"].append(SECRET)
    files["users.json"]["users"].append(SECRET)
    ran = run(files)
    assert [user["email"] for user in ran.values["users"]] == [
        f"{name}@example.com" for name in ("bo", "cy", "fay", "olga")
    ]
    assert ran.values["teams"] == given.POLICY["teams"]
    assert ran.left_out[:3] == [
        "team-members-clteam0platform.json: its values are not as expected: no object",
        "users.json.users[1]: its values are not as expected: id",
        "users.json.users[7]: its values are not as expected: no object",
    ]


def test_emails(run: Any, tmp_path: Path) -> None:
    """A user whose user name is no e-mail is listed, and a file can say it."""
    files = answers()
    files["users.json"]["users"][0]["username"] = "olga"
    why = f"user {given.user_id('olga')}: the e-mail is unknown; add it in a file with --emails; its roles: ORGANIZATION_OWNER"
    assert why in run(files).left_out
    (tmp_path / "emails.yaml").write_text(f"{given.user_id('olga')}: olga@example.com\n")
    assert run(files, "--emails", str(tmp_path / "emails.yaml")).values == given.POLICY


def test_several_organizations(run: Any) -> None:
    """Responses of two Organizations need the name of one."""
    files = answers()
    files["workspaces.json"]["workspaces"][0]["organizationId"] = "clorg2"
    why = "error: several Organizations are named: name one of `clorg0main00000000000000001`, `clorg2` with --organization\n"
    assert run(files) == (1, "", why)
    assert run(files, "--organization", "clorg2").values["organization_id"] == "clorg2"


def test_out(run: Any, tmp_path: Path) -> None:
    """The policy is written to a new file, never over one that is there."""
    out = tmp_path / "policy.yaml"
    assert run(answers(), "--out", str(out))[:2] == (0, "")
    assert yaml_reader.read(out.read_bytes()).values == given.POLICY
    assert run(answers(), "--out", str(out))[0] == 1


LISTS = ("deployments.json", "roles.json", "teams.json", "tokens.json", "users.json", "workspaces.json")
ERROR = {"message": SECRET, "requestId": "1", "statusCode": 401}


@pytest.mark.parametrize(
    ("files", "why"),
    [
        ({"users.json": ERROR}, "FOLDER/users.json: not a response of Astro's API with `users`"),
        ({"role-cl.json": ERROR}, "FOLDER/role-cl.json: not a response of Astro's API with `id`"),
        ({"users.json": {"users": []}}, "FOLDER/users.json: not a list of Astro's API, with `totalCount`"),
        (
            {"users.json": {"users": SECRET, "totalCount": 1}},
            "FOLDER/users.json: not a list of Astro's API, with `totalCount`",
        ),
        ({"users.json": [[]]}, "FOLDER/users.json: not a response of Astro's API with `users`"),
        ({"users.json": ""}, "FOLDER/users.json: not JSON"),
        ({"users.json": '[{"users":' * 400 + "1" + "}]" * 400}, "FOLDER/users.json: not JSON"),
        ({"state.json": {}}, f"FOLDER: no responses of Astro's API; expected {', '.join(LISTS)}"),
    ],
)
def test_no_answers(run: Any, files: dict[str, Any], why: str) -> None:
    """What is no response fails with the reason; nothing of it is repeated."""
    assert run(files) == (1, "", f"error: {why}\n")


def test_no_folder(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """A folder that is not there fails with the reason."""
    with pytest.raises(SystemExit) as end:
        main(["import", "astro", str(tmp_path / "none")])
    assert end.value.code == 1
    assert capsys.readouterr().err.endswith("none: cannot read the folder: No such file or directory\n")


@pytest.fixture
def api() -> Iterator[str]:
    """An API with the Organization's responses, to those who have a token."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path, _, query = self.path.partition("?")
            name = path.removeprefix(f"/v1/organizations/{given.ORGANIZATION}/")
            name = re.sub("teams/(.*)/members", r"team-members-\1", name).replace("roles/", "role-")
            is_known = self.headers["Authorization"] == "Bearer token" and query == (
                "" if "role-" in name else "limit=1000"
            )
            self.send_response(200 if is_known else 401)
            self.end_headers()
            self.wfile.write(json.dumps(answers()[f"{name}.json"] if is_known else ERROR).encode())

        def log_message(self, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.mark.skipif(not (shutil.which("curl") and shutil.which("jq")), reason="needs curl and jq")
def test_commands_in_the_docs(run: Any, api: str, tmp_path: Path) -> None:
    """What the docs say to run gets all that is read."""
    (script,) = [block for block in blocks("docs/access-as-code.md", "sh") if "curl" in block]
    folder = tmp_path / "fetched"
    folder.mkdir()
    environment = os.environ | {
        "ASTRO_API_TOKEN": "token",
        "ASTRO_ORGANIZATION_ID": given.ORGANIZATION,
        "no_proxy": "*",
    }
    command = ["sh", "-e", "-c", script.replace("https://api.astronomer.io", api)]
    subprocess.run(command, cwd=folder, env=environment, check=True)
    assert run({path.name: path.read_text() for path in folder.iterdir()}).values == given.POLICY
