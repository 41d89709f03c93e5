"""Who may touch whose account: one table for the users API and for FAB's pages, and the account that they work on."""

from __future__ import annotations

from .database import Database

ACTORS = {
    "O": ("organization.owner",),
    "W": ("workspace.owner", "workspace.admin"),
    "N": (
        *(
            "deployment.admin",
            "workspace.operator",
            "team.operator",
            "workspace.author",
            "workspace.member",
            "log.auditor",
        ),
        *("tag.author", "other.workspace", "other.deployment", "nobody", "fab.admin", "twin.one"),
    ),
}
# Written by hand: whose account (the e-mail before the @) | what it holds | who may touch it.
# O the Organization Owner; W who owns the Workspace; N anybody else.
EXPECTED = """
absent.nothing       | nothing                               | O W
absent.viewer        | a Dag role here                       | O W
Absent.Viewer        | the same, in other letters            | O W
absent.team.author   | a Dag role here, through a Team       | O W
absent.custom        | a custom Deployment role here         | O W
absent.deployment    | Deployment Admin here                 | O W
absent.stage         | a role in the Workspace's other one   | O W
absent.member        | a Workspace role                      | O W
absent.workspace     | Workspace Owner                       | O W
absent.team.operator | a Workspace role, through a Team      | O W
absent.elsewhere     | a role in another Workspace           | O
absent.billing       | an Organization role                  | O
absent.owner         | Organization Owner                    | O
ABSENT.Owner         | the same, in other letters            | O
"""
CASES = [
    (name.strip(), actor, letter in allowed.split())
    for name, _, allowed in (line.split("|") for line in EXPECTED.strip().splitlines())
    for letter, actors in ACTORS.items()
    for actor in actors
    # Who may touch nobody's account is asked about the two of whom others give most easily.
    if letter != "N" or name.strip() in ("absent.nothing", "absent.viewer")
]
# Every kind of actor and of answer once, for the slower pages.
FEW = [
    case
    for case in CASES
    if case[0] in ("absent.viewer", "absent.member", "absent.elsewhere", "ABSENT.Owner")
    and case[1] in ("organization.owner", "workspace.owner", "deployment.admin")
]
ACCOUNT = "SELECT username, email, password, active FROM ab_user WHERE username IN ('made', 'renamed')"


def forget(database: Database) -> None:
    """Deletes the account of the tests."""
    made = "SELECT id FROM ab_user WHERE username IN ('made', 'renamed')"
    database.run(
        f"DELETE FROM ab_user_role WHERE user_id IN ({made})",
        "DELETE FROM ab_user WHERE username IN ('made', 'renamed')",
    )


def make(database: Database, name: str) -> int:
    """Makes the account of the tests anew, for an e-mail; returns its id."""
    forget(database)
    database.copy("ab_user", {"username": "nobody"}, username="made", email=f"{name}@example.com")
    made = database.value("SELECT id FROM ab_user WHERE username = 'made'")
    # An account that was deleted just now may have had the same number.
    database.run("DELETE FROM astro_auth_sign_in WHERE account_id = :made", made=made)
    return made
