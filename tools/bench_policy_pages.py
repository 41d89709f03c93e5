"""What the Access pages cost with a large policy: run by `make bench-policy`, in an Airflow of its own.

The api-server's application is asked in this process, as a Workspace Owner with a JWT: the best of some rounds on the
processor, with everything that a request goes through, and the first round apart, since it makes what later ones use.
"""

from __future__ import annotations

import json
import logging
import sys
import time
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from tools import bench_policy_store

if TYPE_CHECKING:
    from starlette.testclient import TestClient

HEADINGS = ("Access pages", "Seconds on the processor", "The first time", "Aim")
AIMS = {
    "the list of users": 0.05,
    "a search for users": 0.05,
    "the last page of users": 0.05,
    "a user": 0.05,
    "the list of Teams": 0.05,
    "a Team": 0.05,
    "API tokens": 0.05,
    "custom roles": 0.05,
    "suggestions for an e-mail": 0.05,
    "suggestions for a Dag": 0.1,
    "the list of tags": 0.2,
    "who can do what on a Dag": 0.06,
    "who can do what through a tag": 0.06,
    "my access": 0.05,
    "my Dags": 0.1,
    "why not": 0.05,
    "why not, of another user": 0.05,
    "what dialogs offer": 0.05,
    "the history": 0.05,
    "the comparison of two versions": 0.6,
    "the preview of a role": 0.3,
    "the preview of a member of a Team": 0.3,
    "saving a role": 0.5,
    "saving a member of a Team": 0.5,
    "the first page after a change": 0.15,
    "a refused change, with users who may make it": 0.3,
}
_ROUNDS = 5
_API = "/access/api/v1"
_OWNER = "wendy@example.com"
_AT_ONCE = 1000


class Cost(NamedTuple):
    """What a page costs, each time and the first time."""

    name: str
    seconds: float
    first: float

    @property
    def good(self) -> bool:
        """Whether it is within what the project promises."""
        return self.seconds <= AIMS[self.name]


def rows(found: list[Cost]) -> list[list[str]]:
    """Return the rows of the table."""
    return [[each.name, f"{each.seconds:.3f}", f"{each.first:.3f}", f"{AIMS[each.name]:.2f}"] for each in found]


def measure(folder: Path) -> list[Cost]:
    """Measure the policy and the Dags of a folder, in a process of its own.

    Raises:
        CalledProcessError: if it fails.
    """
    options = {
        "AIRFLOW__API__SECRET_KEY": "benchmark",
        "AIRFLOW__API_AUTH__JWT_SECRET": "benchmark",
        "AIRFLOW__ASTRO_AUTH__POLICY_STORE": "database",
        "AIRFLOW__ASTRO_AUTH__DEPLOYMENT_ID": "cldep0prod",
        "AIRFLOW__LOGGING__LOGGING_LEVEL": "ERROR",
    }
    found = bench_policy_store.in_process(__spec__.name, folder, folder / "airflow-pages", options)
    return [Cost(*each) for each in found]


def costs(folder: Path) -> Iterator[Cost]:
    """Fill a database, start the application, and yield what each page costs."""
    # Airflow reads its options when it is imported.
    from airflow.api_fastapi.app import create_app  # noqa: PLC0415 - see above
    from airflow.providers.fab.auth_manager.models import User  # noqa: PLC0415 - see above
    from airflow.utils.session import create_session  # noqa: PLC0415 - see above
    from starlette.testclient import TestClient  # noqa: PLC0415 - see above

    from astro_auth_plugin.auth_manager import AstroAuthManager  # noqa: PLC0415 - see above

    logging.disable(logging.WARNING)
    _fill(folder)
    app = create_app()
    manager = app.state.auth_manager
    assert isinstance(manager, AstroAuthManager)
    with create_session() as session:
        owner = session.query(User).filter(User.email == _OWNER).one()
        token = manager.generate_jwt(owner)
    with TestClient(app, headers={"Authorization": f"Bearer {token}"}) as client:
        for name, work in _work(client).items():
            taken = [_on_processor(*work) for _ in range(_ROUNDS)]
            yield Cost(name, min(taken[1:]), taken[0])


def _fill(folder: Path) -> None:
    """Make the accounts, the Dags and some versions of the policy."""
    import sqlalchemy as sa  # noqa: PLC0415 - see above
    from airflow.models.dag import DagModel, DagTag  # noqa: PLC0415 - see above
    from airflow.models.dagbundle import DagBundleModel  # noqa: PLC0415 - see above
    from airflow.providers.fab.auth_manager.models import User  # noqa: PLC0415 - see above
    from airflow.utils.db import initdb  # noqa: PLC0415 - see above
    from airflow.utils.session import create_session  # noqa: PLC0415 - see above

    from astro_auth_plugin.access_management.publisher import Actor, Wanted, publish  # noqa: PLC0415 - see above
    from astro_auth_plugin.accounts.accounts import note_emails  # noqa: PLC0415 - see above
    from astro_auth_plugin.rbac.changes import edits  # noqa: PLC0415 - see above
    from astro_auth_plugin.rbac.model.scopes import ORGANIZATION, GrantScope  # noqa: PLC0415 - see above
    from astro_auth_plugin.rbac.policy import yaml_reader  # noqa: PLC0415 - see above
    from astro_auth_plugin.rbac.policy.grants import Principal  # noqa: PLC0415 - see above
    from astro_auth_plugin.runtime.settings import Settings  # noqa: PLC0415 - see above

    initdb()
    settings = Settings(None, "cldep0prod")
    workspace = GrantScope("Workspace", "clws0data")
    begin = yaml_reader.read((folder / "policy.yaml").read_bytes()).values
    for email, role, scope in (
        ("olga@example.com", "ORGANIZATION_OWNER", ORGANIZATION),
        (_OWNER, "WORKSPACE_OWNER", workspace),
    ):
        begin = edits.grant(Principal("user", email), role, scope)(begin)
    publish(Wanted(edits.replace(begin), "import"), Actor("root", "shell"), settings)
    for number in range(3):
        edit = edits.change_members(f"team{number}", add=[f"later{number}@example.com"])
        publish(Wanted(edit, "cli"), Actor("root", "shell"), settings)

    emails = [entry["email"] for entry in begin["users"]]
    dags = json.loads((folder / "dags.json").read_text())
    with create_session() as session:
        session.add(DagBundleModel(name="dags"))
        session.flush()
        make: Any = DagModel
        session.add_all([make(dag_id=each["dag_id"], bundle_name="dags", is_stale=False) for each in dags])
        session.flush()
        for model, found in (
            (User, [_account(email) for email in emails]),
            (DagTag, [{"dag_id": each["dag_id"], "name": tag} for each in dags for tag in {*each["tags"]}]),
        ):
            for at in range(0, len(found), _AT_ONCE):
                session.execute(sa.insert(model.__table__), found[at : at + _AT_ONCE])
    note_emails()


def _account(email: str) -> dict[str, Any]:
    names = {"username": email, "email": email, "first_name": "F", "last_name": "L"}
    return {**names, "password": "x", "active": True}


def _nothing() -> None:
    pass


def _work(client: TestClient) -> dict[str, tuple[Callable[[], object], Callable[[], object]]]:
    """Return what is measured, in the order of the table, each with what is done before it."""
    numbers = count()

    def get(path: str) -> Callable[[], object]:
        return lambda: _asked(client, "GET", path)

    def ask(**body: object) -> Callable[[], object]:
        return lambda: _asked(client, "POST", "/explain", json=body)

    user, team = "/users/person77@example.com", "/teams/team7"
    etags = {path: _asked(client, "GET", path).headers["ETag"] for path in (user, team)}
    grant = {"role": "DAG_VIEWER", "scope": {"kind": "Dag", "id": "dag1", "deployment_id": "cldep0prod"}}

    def change(path: str, body: Callable[[], dict[str, Any]], query: str = "", status: int = 200) -> Any:
        headers = {"If-Match": etags[path]}
        answer = _asked(client, "PATCH", path + query, status, headers=headers, json=body())
        if not query:
            etags[path] = f'"{answer.json()["etag"]}"'
        return answer

    def role() -> dict[str, Any]:
        scope = {**grant["scope"], "id": f"dag{next(numbers)}"}  # type: ignore[dict-item]
        return {"grant": [{**grant, "scope": scope}]}

    def member() -> dict[str, Any]:
        return {"add_members": [f"joined{next(numbers)}@example.com"]}

    def refused() -> dict[str, Any]:
        return {"grant": [{"role": "ORGANIZATION_OWNER", "scope": {"kind": "Organization"}}]}

    dry = "?dry_run=true"
    found = (
        get("/users"),
        get("/users?search=person99"),
        get("/users?offset=9950"),
        get(user),
        get("/teams"),
        get(team),
        get("/tokens"),
        get("/roles"),
        get("/suggest?kind=user&search=person12"),
        get("/suggest?kind=dag&search=dag12"),
        get("/tags"),
        get("/dags/dag1/access"),
        get("/tags/access?tag=team:tag1"),
        get("/me"),
        get("/me/dags"),
        ask(action="delete", dag_id="dag1"),
        ask(action="delete", dag_id="dag1", **{"as": "person77@example.com"}),
        get("/catalogue"),
        get("/history"),
        get("/history/1/diff/4"),
        lambda: change(user, role, dry),
        lambda: change(team, member, dry),
        lambda: change(user, role),
        lambda: change(team, member),
        get("/users"),
        lambda: change(user, refused, dry, 403),
    )
    before: dict[str, Callable[[], object]] = {"the first page after a change": lambda: change(user, role)}
    return {name: (before.get(name, _nothing), work) for name, work in zip(AIMS, found, strict=True)}


def _asked(client: TestClient, method: str, path: str, status: int = 200, **more: Any) -> Any:
    answer = client.request(method, f"{_API}{path}", **more)
    assert answer.status_code == status, f"{method} {path}: {answer.status_code} {answer.text[:300]}"
    return answer


def _on_processor(before: Callable[[], object], work: Callable[[], object]) -> float:
    before()
    begun = time.process_time()
    work()
    return time.process_time() - begun


if __name__ == "__main__":
    print(json.dumps([*costs(Path(sys.argv[1]))]))
