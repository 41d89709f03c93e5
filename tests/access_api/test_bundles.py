"""Who has access through a bundle or a folder, as the API answers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from airflow.models import DagModel
from airflow.models.dagbundle import DagBundleModel
from sqlalchemy.orm import Session

from astro_auth_plugin.access_management import publisher
from astro_auth_plugin.access_management.publisher import Actor, Wanted
from astro_auth_plugin.rbac.changes import edits
from astro_auth_plugin.rbac.policy import yaml_reader
from astro_auth_plugin.rbac.policy.entries import plain

from .conftest import HASH, POLICY, Api

FILES = {"loads": ("fin", "a/loads.py"), "sums": ("fin", "a/b/sums.py"), "other": ("ops", "a/other.py")}
GRANTS = POLICY.replace(
    "teams:\n",
    """roles:
  - {name: reader, scope: DEPLOYMENT, permissions: [deployment.users.get, deployment.teams.get]}
teams:
  - {name: loaders, members: [lou@example.com], dag_roles: [{deployment_id: dep, bundle: fin, role: DAG_AUTHOR}]}
""",
    1,
)
GRANTS = GRANTS.replace(
    "api_tokens:\n",
    f"""api_tokens:
  - {{id: sums, name: Sums, secret_sha256: {HASH[::-1]}, expires_at: never,
     roles: [{{role: DAG_VIEWER, entity_type: DAG_BUNDLE, entity_id: fin, folder: a/b/, deployment_id: dep}}]}}
""",
    1,
)
GRANTS += """\
  - {email: ana@example.com, dag_roles: [{deployment_id: dep, bundle: fin, folder: a/, role: DAG_VIEWER}]}
  - {email: una@example.com, dag_roles: [{deployment_id: dep, bundle: fin, role: DAG_VIEWER, expires_at: 2020-01-01T00:00:00Z}]}
  - {email: rhea@example.com, deployment_roles: [{deployment_id: dep, role: reader}]}
  - {email: far@example.com, dag_roles: [{deployment_id: dep-other, bundle: afar, role: DAG_VIEWER}]}
"""


@pytest.fixture
def bundles(api: Api, metadata_database: Any) -> Iterator[Api]:
    """The API with Dags in two bundles, and roles on one of them and its folders."""
    names = {bundle for bundle, _ in FILES.values()}
    with Session(metadata_database) as session:
        session.add_all(DagBundleModel(name=name) for name in names)
        session.flush()
        for dag_id, (bundle, path) in FILES.items():
            session.add(DagModel(dag_id=dag_id, bundle_name=bundle, relative_fileloc=path, is_stale=False))
        session.commit()
    values = plain(yaml_reader.read(GRANTS.encode()).values)
    publisher.publish(Wanted(edits.replace(values), "import"), Actor("root", "shell"), api.settings)
    yield api
    with Session(metadata_database) as session:
        for dag_id in FILES:
            session.delete(session.get(DagModel, dag_id))
        session.flush()
        for name in names:
            session.delete(session.get(DagBundleModel, name))
        session.commit()


@pytest.mark.parametrize(
    ("asked", "dags", "users"),
    [
        ("bundle=fin", ["loads", "sums"], {"lou@example.com"}),
        ("bundle=fin&folder=a/", ["loads", "sums"], {"lou@example.com", "ana@example.com"}),
        ("bundle=fin&folder=a/b/", ["sums"], {"lou@example.com", "ana@example.com", "token:sums"}),
        ("bundle=ops", ["other"], set[str]()),
    ],
)
def test_who_has_access_through_it(bundles: Api, asked: str, dags: list[str], users: set[str]) -> None:
    answer = bundles.ask("olga", "GET", f"/bundles/access?{asked}").json()
    assert answer["dags"] == dags
    assert {user["who"] for user in answer["users"]} == users
    assert answer["total_users"] == len(users)
    assert answer["may_grant"]
    of_member = bundles.ask("mo", "GET", f"/bundles/access?{asked}").json()
    assert {user["who"] for user in of_member["users"]} == users - {"token:sums"}
    assert not of_member["may_grant"]


def test_each_with_the_role_that_gives_it(bundles: Api) -> None:
    users = bundles.ask("olga", "GET", "/bundles/access?bundle=fin&folder=a/&limit=1").json()["users"]
    (ana,) = [user for user in users if user["who"] == "ana@example.com"]
    assert "see" in ana["may"] and "trigger" not in ana["may"]
    scope = {"kind": "bundle", "id": "fin", "deployment_id": "dep", "folder": "a/"}
    assert [grant["scope"] for grant in ana["grants"]] == [scope]


@pytest.mark.parametrize("name", ["olga", "mo"])
def test_bundles_of_dags_and_folders_of_grants(bundles: Api, name: str) -> None:
    """A folder that only an API token's role names is listed for those who may see it; ended roles do not count."""
    rows = bundles.ask(name, "GET", "/bundles").json()
    found = [(row["bundle"], row["folder"], row["dags"], row["grants"]) for row in rows["bundles"]]
    of_token = [("fin", "a/b/", 1, 1)] if name == "olga" else []
    here = [row for row in found if row[0] in ("fin", "ops", "afar")]
    assert here == [("fin", "", 2, 1), ("fin", "a/", 2, 1), *of_token, ("ops", "", 1, 0)]
    assert rows["total_entries"] == len(found)
    searched = bundles.ask(name, "GET", "/bundles?search=FIN/A").json()["bundles"]
    assert [row["folder"] for row in searched] == ["a/", *(["a/b/"] if of_token else [])]


def test_the_bundle_and_folders_of_a_dag(bundles: Api) -> None:
    places = bundles.ask("lou", "GET", "/dags/sums/access").json()["places"]
    assert [(place["id"], place["folder"]) for place in places] == [("fin", ""), ("fin", "a/"), ("fin", "a/b/")]


@pytest.mark.parametrize("asked", ["bundle=FIN", "bundle=fin%20", "bundle=nosuch&folder=a/", "bundle=afar"])
def test_what_is_not_there_has_no_users(bundles: Api, asked: str) -> None:
    """Names are compared exactly. Readers of access see grants on any bundle of this Deployment, if there are some."""
    answer = bundles.ask("olga", "GET", f"/bundles/access?{asked}").json()
    assert (answer["dags"], answer["users"], answer["total_users"]) == ([], [], 0)


@pytest.mark.parametrize(("name", "status"), [("rhea", 404), ("lou", 403), ("fred", 403)])
def test_nothing_for_those_who_may_not_see_it(bundles: Api, name: str, status: int) -> None:
    """A custom role that reads access but sees no Dag, an author of the Dags, and a user of another Workspace."""
    answers = [bundles.ask(name, "GET", f"/bundles/access?bundle={bundle}") for bundle in ("fin", "nosuch")]
    assert [answer.status_code for answer in answers] == [status, status]
    assert answers[0].text.replace("fin", "") == answers[1].text.replace("nosuch", "")
    if name == "rhea":
        assert bundles.ask(name, "GET", "/bundles").json() == {"bundles": [], "total_entries": 0}


@pytest.mark.parametrize("folder", ["a", "/a/", "a/../", "a/*/"])
def test_what_is_no_folder_is_refused_in_words(bundles: Api, folder: str) -> None:
    answer = bundles.ask("olga", "GET", f"/bundles/access?bundle=fin&folder={folder}")
    assert answer.status_code == 422
    assert answer.json()["detail"].startswith(f"folder `{folder}`: ")
