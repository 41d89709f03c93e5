"""The commands about one person: account, identity, groups, Teams and roles; and to bind the account anew."""

from __future__ import annotations

from argparse import Namespace
from datetime import UTC, datetime
from typing import Any

from astro_auth_plugin.cli.exit_codes import CommandFailed, command
from astro_auth_plugin.cli.inputs import have_passwords, identities_of, open_policy, read_accounts, unbind_accounts
from astro_auth_plugin.cli.output import console, count, print_table, print_values, printable
from astro_auth_plugin.rbac.engine.engine import Engine
from astro_auth_plugin.rbac.model.subjects import only_account, user_subject


@command
def whoami(args: Namespace) -> None:
    """Print what is known of a person, who does not have to have an account yet."""
    engine = open_policy(args).engine
    subject = user_subject(args.email)
    accounts = _accounts(subject)
    active = [account for account in accounts if account["active"]]
    only = only_account(active)
    groups = frozenset(only["groups"]) if only else frozenset[str]()
    found = {"email": args.email, "accounts": accounts, **_held(engine, "" if active and not only else subject, groups)}
    if args.output == "table":
        _print(found)
    else:
        print_values(found, args.output)


@command
def unbind(args: Namespace) -> None:
    """Take away what a person's accounts are bound to; the next sign-in with a verified e-mail binds them anew."""
    found = read_accounts(user_subject(args.email))
    accounts = [account.id for account in found]
    if not accounts:
        raise CommandFailed(f"no account has the e-mail {args.email}")
    bound = identities_of(accounts)
    unbind_accounts(bound)
    console().print(f"{count(len(bound), 'account')} unbound.")
    if with_passwords := have_passwords(bound):
        names = ", ".join(f"`{printable(account.username)}`" for account in found if account.id in with_passwords)
        console().print(f"With a password, which opens it until a sign-in binds it if passwords are allowed: {names}.")


def _accounts(subject: str) -> list[dict[str, Any]]:
    accounts = read_accounts(subject)
    bound = identities_of([account.id for account in accounts])
    return [
        {
            "id": account.id,
            "username": account.username,
            "active": account.active,
            "signed_in_at": _time(account.sign_in.signed_in_at),
            "groups": sorted(account.sign_in.groups),
            "identity": bound[account.id]._asdict() if account.id in bound else None,
        }
        for account in accounts
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
            {"role": grant.role, "given_to": grant.holder, "on": str(grant.scope)}
            for grant in engine.access(subject, groups).grants
        ],
    }


def _print(found: dict[str, Any]) -> None:
    out = console()
    email, accounts = printable(found["email"]), found["accounts"]
    if not accounts:
        out.print(f"No account has the e-mail {email}. Without groups, the policy grants it:")
    for account in accounts:
        state = "active" if account["active"] else "disabled"
        out.print(f"{email} is the account {account['id']}, `{printable(account['username'])}`, {state}.")
        groups = ", ".join(f"`{printable(group)}`" for group in account["groups"]) or "none"
        if account["signed_in_at"]:
            out.print(f"Last sign-in {account['signed_in_at']}, with the groups: {groups}.")
        else:
            out.print("Has not signed in yet.")
        if account["identity"]:
            said = {name: printable(text) for name, text in account["identity"].items()}
            issuer = f" of {said['issuer']}" if said["issuer"] else ""
            out.print(f"Bound to `{said['subject']}`{issuer}, which signs in through `{said['provider']}`.")
    if sum(account["active"] for account in accounts) > 1:
        out.print("Duplicate active accounts for this e-mail: access is denied for all of them.")
    for team in found["teams"]:
        through = f"through the group `{printable(team['group'])}`" if team["group"] else "as a member"
        out.print(f"In Team `{printable(team['name'])}`, {through}.")
    print_table(("Role", "Given to", "On"), [tuple(role.values()) for role in found["roles"]])
