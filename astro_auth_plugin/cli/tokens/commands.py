"""The commands about API tokens. No secret is taken from the command line, where everybody on the machine sees it."""

from __future__ import annotations

import sys
from argparse import Namespace
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from astro_auth_plugin.cli.changes import options
from astro_auth_plugin.cli.changes.applying import Applied, apply
from astro_auth_plugin.cli.changes.options import duration
from astro_auth_plugin.cli.changes.policy_text import block_of
from astro_auth_plugin.cli.exit_codes import DENIED, YES, CommandFailed, command
from astro_auth_plugin.cli.inputs import good_policy, name_of, policy_file
from astro_auth_plugin.cli.output import console, print_table, print_values, printable
from astro_auth_plugin.cli.tokens.report import last_uses, say, show, spell_role, spell_time, stamp, token_values, warn
from astro_auth_plugin.rbac.changes import edits
from astro_auth_plugin.rbac.changes.edits import EditError, Values
from astro_auth_plugin.rbac.model import token_secrets
from astro_auth_plugin.rbac.model.scopes import KINDS
from astro_auth_plugin.rbac.policy.document import NEVER, ApiToken
from astro_auth_plugin.rbac.policy.hints import did_you_mean
from astro_auth_plugin.runtime.new_secrets import new_secret, new_token_id

_LONGEST_INPUT = 4096


@command
def create(args: Namespace) -> None:
    """Make a token; its secret goes to standard output."""
    token_id = new_token_id()
    secret = new_secret(token_id)
    entry = {
        "id": token_id,
        "name": args.name,
        "secret_sha256": token_secrets.sha256(secret),
        "expires_at": _expiry(args.expires_in),
    }

    def edit(values: Values) -> Values:
        roles = list(roles_of_token(args, values["organization_id"]))
        if not roles:
            raise EditError("the token has no role; give it one with --dag-role, --deployment-role or the like")
        return edits.add_token({**entry, "roles": roles})(values)

    done = apply(args, edit, writes=_writes(args))
    new = next(each for each in done.proposal.values["api_tokens"] if each["id"] == token_id)
    _warn(done, token_id)
    if done.written:
        say(f"API token `{token_id}` is in {done.name}.")
    else:
        say("Add this to `api_tokens` of the policy:", *block_of(new))
    show(secret)


@command
def rotate(args: Namespace) -> None:
    """Give a token a new secret, which goes to standard output."""
    made: dict[str, Any] = {}

    def edit(values: Values) -> Values:
        token = _find(args.token, values)
        made.update(id=token["id"], secret=new_secret(token["id"]))
        made["changes"] = _rotated(token, token_secrets.sha256(made["secret"]), args)
        return edits.change_token(token["id"], made["changes"])(values)

    done = apply(args, edit, writes=_writes(args))
    _warn(done, made["id"])
    if done.written:
        say(f"API token `{made['id']}` has a new secret in {done.name}.")
    else:
        say(f"Put this into the entry of `{made['id']}`, and nothing else of a previous secret:")
        say(*(f"  {key}: {value}" for key, value in made["changes"].items() if value is not None))
    show(made["secret"])


@command
def revoke(args: Namespace) -> None:
    """Take a token out of the policy."""
    token_ids: list[str] = []

    def edit(values: Values) -> Values:
        token_ids[:] = [_find(args.token, values)["id"]]
        return edits.remove_token(token_ids[0])(values)

    apply(args, edit)
    say(f"API token `{token_ids[0]}` is revoked. Its secrets and JWTs end as soon as the api-servers see the policy.")


def _writes(args: Namespace) -> bool:
    """Whether a command writes the policy: in a file only where it is to, in the database always."""
    return bool(args.write) or policy_file(args) is None


def _warn(done: Applied, token_id: str) -> None:
    tokens = done.proposal.policy.document.api_tokens
    index = next(number for number, token in enumerate(tokens) if token.id == token_id)
    warn(done.proposal.warnings, index)


@command
def list_tokens(args: Namespace) -> None:
    """List the tokens, with when each was last used if requested."""
    tokens = good_policy(policy_file(args)).document.api_tokens
    uses = last_uses() if args.last_use else {}
    values = [token_values(token, uses if args.last_use else None) for token in tokens]
    if args.output != "table":
        print_values(values, args.output)
        return
    columns = ["id", "name", "roles", "expires_at", *(["last_use", "last_use_of_previous"] if args.last_use else [])]
    rows = [
        ["; ".join(reported[name]) if name == "roles" else reported[name] or "" for name in columns]
        for reported in values
    ]
    print_table([name.replace("_", " ") for name in columns], rows)


@command
def inspect(args: Namespace) -> int:
    """Show whether a secret is valid now, without showing it."""
    secret = _read_secret(args.file)
    if not token_secrets.has_form(secret):
        raise CommandFailed("this has not the form of a secret of an API token", DENIED)
    token_id = token_secrets.token_id_of(secret)
    if token_id is None:
        raise CommandFailed("the checksum is wrong: a part of the secret is missing, or was changed", DENIED)
    path = policy_file(args)
    found = [token for token in good_policy(path).document.api_tokens if token.id == token_id]
    if not found:
        raise CommandFailed(f"a whole secret of API token `{token_id}`, which is not in {name_of(path)}", DENIED)
    which, ends_at = _which(found[0], token_secrets.sha256(secret))
    good = which != "unknown" and (ends_at is None or datetime.now(UTC) < ends_at)
    reported = {"id": token_id, "name": found[0].name, "checksum": "right", "secret": which}
    if which != "unknown":
        reported["ends_at"] = spell_time(ends_at)
    reported["roles"] = "; ".join(map(spell_role, found[0].roles))
    reported["works"] = "yes" if good else "no"
    for name, value in reported.items():
        console().print(f"{name.replace('_', ' ')}: {printable(value)}")
    return YES if good else DENIED


# -- what the options say ------------------------------------------------------------------------------------------


def roles_of_token(args: Namespace, organization_id: str) -> Iterable[dict[str, str]]:
    """Yield the roles that the options give, as the entry of a token writes them."""
    for scope, role in options.roles(args):
        kind = KINDS[scope.kind]
        place = {"deployment_id": scope.deployment_id} if kind.in_deployment else {}
        folder = {"folder": scope.folder} if scope.folder else {}
        entity_id = scope.id if kind.id_key else organization_id
        yield {"role": role, "entity_type": kind.entity_type, "entity_id": entity_id, **place, **folder}


def _expiry(text: str) -> str:
    return NEVER if text == NEVER else stamp(datetime.now(UTC) + duration(text))


def _find(wanted: str, values: Values) -> Values:
    tokens: list[Values] = values.get("api_tokens", [])
    found = [each for each in tokens if each["id"] == wanted] or [each for each in tokens if each["name"] == wanted]
    if not found:
        hint = did_you_mean(wanted, [word for token in tokens for word in (token["id"], token["name"])])
        raise EditError(f"the policy has no API token `{wanted}`{hint}")
    if len(found) > 1:
        ids = ", ".join(f"`{token['id']}`" for token in found)
        raise EditError(f"several API tokens are named `{wanted}`; say which by its id: {ids}")
    return found[0]


# -- secrets -------------------------------------------------------------------------------------------------------


def _rotated(token: Values, sha256: str, args: Namespace) -> dict[str, str | None]:
    """Return the keys that a rotation changes; None for those that go."""
    changes: dict[str, str | None] = {
        "secret_sha256": sha256,
        "previous_secret_sha256": None,
        "previous_secret_expires_at": None,
    }
    if args.overlap:
        changes["previous_secret_sha256"] = token["secret_sha256"]
        changes["previous_secret_expires_at"] = stamp(datetime.now(UTC) + duration(args.overlap))
    if args.expires_in:
        changes["expires_at"] = _expiry(args.expires_in)
    return changes


def _read_secret(name: str | None) -> str:
    try:
        if name:
            with Path(name).open(encoding="utf-8") as file:
                return file.read(_LONGEST_INPUT).strip()
        return sys.stdin.read(_LONGEST_INPUT).strip()
    except (OSError, UnicodeDecodeError) as error:
        raise CommandFailed(
            f"cannot read the secret: {getattr(error, 'strerror', None) or 'not a text file'}"
        ) from None


def _which(token: ApiToken, sha256: str) -> tuple[str, datetime | None]:
    if sha256 == token.secret_sha256:
        return "current", token.expires_at
    if sha256 == token.previous_secret_sha256:
        return "previous", token.previous_secret_expires_at
    return "unknown", None
