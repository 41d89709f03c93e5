"""Routes that ask for no permission: whoever has not signed in, FAB's pages and roles, and the API of running tasks."""

from __future__ import annotations

import re
from collections.abc import Iterator

import httpx
import pytest

from .client import ASKED, Everybody
from .live import LiveAirflow
from .route_requests import path_of
from .routes import Route, table
from .tables import BEFORE_3_2
from .test_account_pages import Browser
from .test_routes import ROUTES

pytestmark = pytest.mark.e2e

NAMES = {
    "dag": "alder",
    "backfill": "1",
    "audit": "1",
    "asset": "1",
    "alias": "1",
    "import_error": "1",
    "file_token": "e2e",
}
CHANGE_ACCOUNTS = ("organization.owner", "workspace.owner", "workspace.admin")
CHANGE_NONE = ("workspace.operator", "workspace.author", "tag.author", "nobody", "fab.admin")
SECRETS = ("@example.com", "can_read")


def of_people(*words: str) -> list[Route]:
    """The routes whose line says one of these words."""
    found = [route for route in ROUTES if route.people in words]
    assert {route.people for route in found} == set(words)
    return found


def tell(route: Route, answer: httpx.Response) -> str:
    """One line of what somebody was answered."""
    return f"{route.name}: {answer.status_code} {answer.headers.get('location', '')} {answer.text[:100]!r}"


def refused(answer: httpx.Response) -> bool:
    """Whether an answer gives nothing: refused, sent to sign in or home, or nothing there."""
    # Who has not signed in is stopped by the missing token of a form, too.
    no_form = answer.status_code == 400 and "CSRF" in answer.text
    return (no_form and not answer.request.headers.get("X-CSRFToken")) or (
        answer.status_code in (301, 302, 303, 307, 401, 403, 404, 405)
        and not any(secret in answer.text for secret in SECRETS)
    )


def test_nobody_has_signed_in(airflow: LiveAirflow) -> None:
    """Who has not signed in is refused on every route that is not public, before anything else is looked at."""
    wrong = []
    with httpx.Client(base_url=airflow.url, timeout=180) as client:
        for route in ROUTES:
            if route.people != "public":
                ASKED["nobody has signed in"] += 1
                answer = client.request(route.method, path_of(route, NAMES))
                if not refused(answer):
                    wrong.append(tell(route, answer))
    assert not wrong, "\n".join(["", *wrong])


@pytest.mark.parametrize("user", ["organization.owner", "tag.author", "fab.admin"])
def test_no_person_is_a_task(user: str, everybody: Everybody) -> None:
    """A person's token opens nothing of the API that running tasks use."""
    wrong = []
    for route in of_people("task token"):
        answer = everybody[user].request(route.method, path_of(route, NAMES), json={})
        if answer.status_code not in (401, 403):
            wrong.append(tell(route, answer))
    assert not wrong, "\n".join(["", *wrong])


@pytest.fixture(scope="module")
def pages(airflow: LiveAirflow) -> Iterator[dict[str, httpx.Client]]:
    """People at FAB's pages, with the cookies of a browser."""
    opened = {user: Browser(airflow.url, user).client for user in (*CHANGE_ACCOUNTS, *CHANGE_NONE)}
    for client in opened.values():
        form = client.get("/auth/resetmypassword/form").text
        client.headers["X-CSRFToken"] = re.search(r'name="csrf_token"[^>]*value="([^"]+)"', form)[1]
    yield opened
    for client in opened.values():
        client.close()


@pytest.mark.parametrize("user", [*CHANGE_ACCOUNTS, *CHANGE_NONE])
def test_roles_of_fab_are_nobodys(user: str, pages: dict[str, httpx.Client], everybody: Everybody) -> None:
    """No page and no route of FAB's roles answers anybody, by cookie or by token."""
    wrong = []
    for route in of_people("denied"):
        answer = requested(route, user, pages, everybody)
        # FAB fails on an action that a page does not have before it looks at who asks.
        if not refused(answer) and not (answer.status_code == 500 and "/action" in route.path):
            wrong.append(tell(route, answer))
    assert not wrong, "\n".join(["", *wrong])


@pytest.mark.parametrize("user", CHANGE_NONE)
def test_accounts_are_for_few(user: str, pages: dict[str, httpx.Client], everybody: Everybody) -> None:
    """No page and no route of accounts answers who may not change accounts."""
    wrong = []
    for route in of_people("accounts"):
        answer = requested(route, user, pages, everybody)
        if not refused(answer):
            wrong.append(tell(route, answer))
    assert not wrong, "\n".join(["", *wrong])


@pytest.mark.parametrize("user", CHANGE_ACCOUNTS)
def test_accounts_are_for_owners(user: str, pages: dict[str, httpx.Client], everybody: Everybody) -> None:
    """Who may change accounts opens the pages and lists of accounts."""
    client, caller = pages[user], everybody[user]
    for path in ("list/", "add", "show/1", "edit/1"):
        assert client.get(f"/auth/users/{path}").status_code == 200, path
    for path in ("/auth/fab/v1/users", "/auth/fab/v1/users/nobody"):
        assert caller.get(path).status_code == 200, path


def requested(route: Route, user: str, pages: dict[str, httpx.Client], everybody: Everybody) -> httpx.Response:
    """The answer to somebody: of FAB's pages with a browser's cookies and a form's token, else with a bearer token."""
    path = path_of(route, NAMES)
    # What would be changed is nobody's: no account has this name, so even a hole leaves the others as they are.
    path = path.replace("/1", "/999999").replace("users/nobody", "users/no-such-user")
    ASKED[user] += 1
    if path.startswith("/auth/fab/"):
        return everybody[user].request(route.method, path, json={} if route.method in ("POST", "PATCH") else None)
    # An action that FAB has on its page of accounts; its other pages do not know it.
    data = {"action": "resetpasswords", "rowid": "999999"} if path.endswith("/action_post") else None
    return pages[user].request(route.method, path.replace("/action/Admin", "/action/resetpasswords"), data=data)


@pytest.mark.parametrize("user", ["nobody", "billing.admin", "tag.viewer", "organization.owner"])
def test_everybody_has_an_account(user: str, everybody: Everybody) -> None:
    """Whoever has signed in reads about themselves and how the UI is set up."""
    for path in ("/ui/auth/menus", "/ui/config"):
        assert everybody[user].get(path).status_code == 200, path
    if not BEFORE_3_2:
        assert everybody[user].json("/ui/auth/me")["username"] == user


def test_every_line_is_asked() -> None:
    """Each line of the table is of a kind that some test asks about."""
    kinds = {"public", "signed in", "own account", "accounts", "denied", "task token", ""}
    assert {route.people for route in table().values()} == kinds
