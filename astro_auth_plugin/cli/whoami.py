"""The command that says who somebody is here: the account, what the last sign-in brought, Teams and roles."""

from __future__ import annotations

from argparse import Namespace
from datetime import UTC, datetime
from typing import Any

from astro_auth_plugin.cli.at_hand import open_policy, read_accounts
from astro_auth_plugin.cli.failing import command
from astro_auth_plugin.cli.output import console, print_table, print_values, printable
from astro_auth_plugin.rbac.engine import Engine
from astro_auth_plugin.rbac.subjects import user_subject


@command
def whoami(args: Namespace) -> None:
    """Print what is known of a person, who does not have to have an account yet."""
    engine = open_policy(args).engine
    subject = user_subject(args.email)
    accounts = _accounts(subject)
    active = [account for account in accounts if account["active"]]
    groups = frozenset(active[0]["groups"]) if len(active) == 1 else frozenset[str]()
    found = {"email": args.email, "accounts": accounts, **_held(engine, "" if len(active) > 1 else subject, groups)}
    if args.output == "table":
        _print(found)
    else:
        print_values(found, args.output)


def _accounts(subject: str) -> list[dict[str, Any]]:
    return [
        {
            "id": account.id,
            "username": account.username,
            "active": account.active,
            "signed_in_at": _time(account.sign_in.signed_in_at),
            "groups": sorted(account.sign_in.groups),
        }
        for account in read_accounts(subject)
    ]


def _time(seconds: int) -> str | None:
    return datetime.fromtimestamp(seconds, UTC).isoformat() if seconds else None


def _held(engine: Engine, subject: str, groups: frozenset[str]) -> dict[str, Any]:
    teams = engine.policy.document.teams
    return {
        "teams": [
            {"name": teams[index].name, "group": group or None}
            for index, group in engine.teams_of(subject, groups).items()
        ],
        "roles": [
            {"role": grant.role, "given_to": grant.holder, "on": str(grant.reach)}
            for grant in engine.access(subject, groups).grants
        ],
    }


def _print(found: dict[str, Any]) -> None:
    out = console()
    email, accounts = printable(found["email"]), found["accounts"]
    if not accounts:
        out.print(f"No account has the e-mail {email}. Without groups, the policy gives it:")
    for account in accounts:
        state = "active" if account["active"] else "switched off"
        out.print(f"{email} is the account {account['id']}, `{printable(account['username'])}`, {state}.")
        groups = ", ".join(f"`{printable(group)}`" for group in account["groups"]) or "none"
        if account["signed_in_at"]:
            out.print(f"Last sign-in {account['signed_in_at']}, with the groups: {groups}.")
        else:
            out.print("Has not signed in yet.")
    if sum(account["active"] for account in accounts) > 1:
        out.print("Several active accounts are this person, so none of them holds anything.")
    for team in found["teams"]:
        through = f"through the group `{printable(team['group'])}`" if team["group"] else "as a member"
        out.print(f"In Team `{printable(team['name'])}`, {through}.")
    print_table(("Role", "Given to", "On"), [tuple(role.values()) for role in found["roles"]])
