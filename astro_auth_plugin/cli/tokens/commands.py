"""The commands about API tokens. No secret is taken from the command line, where everybody on the machine sees it."""

from __future__ import annotations

import re
import secrets
import sys
from argparse import Namespace
from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager, nullcontext
from datetime import UTC, datetime, timedelta
from pathlib import Path

from astro_auth_plugin.cli.exit_codes import DENIED, YES, CommandFailed, command
from astro_auth_plugin.cli.inputs import compiled, policy_file
from astro_auth_plugin.cli.output import console, print_table, print_values, printable
from astro_auth_plugin.cli.tokens import policy_editor
from astro_auth_plugin.cli.tokens.policy_file import (
    PolicyFile,
    policy_file_to_change,
    read_policy_file,
    with_tokens,
    write_policy_file,
)
from astro_auth_plugin.cli.tokens.report import last_uses, say, show, spell_role, spell_time, stamp, token_values, warn
from astro_auth_plugin.rbac.engine import delegation
from astro_auth_plugin.rbac.engine.delegation import TokenChange
from astro_auth_plugin.rbac.engine.engine import Engine
from astro_auth_plugin.rbac.model import token_secrets
from astro_auth_plugin.rbac.model.subjects import user_subject
from astro_auth_plugin.rbac.policy.document import NEVER, ApiToken
from astro_auth_plugin.rbac.policy.hints import did_you_mean
from astro_auth_plugin.rbac.policy.loader import Checked

_UNITS = {"m": timedelta(minutes=1), "h": timedelta(hours=1), "d": timedelta(days=1), "w": timedelta(weeks=1)}
_TIME = re.compile(r"([0-9]{1,5})([mhdw])")
_LONGEST_INPUT = 4096


@command
def create(args: Namespace) -> None:
    """Make a token; its secret goes to standard output."""
    with _file_of(args, write=args.write) as file:
        secret = _create(args, file)
    show(secret)


def _create(args: Namespace, file: PolicyFile) -> str:
    roles = list(_roles(args, file))
    if not roles:
        raise CommandFailed("the token has no role; give it one with --dag-role, --deployment-role or the like")
    token_id = f"tok_{secrets.token_hex(5)}"
    secret = _new_secret(token_id)
    entry = {
        "id": token_id,
        "name": args.name,
        "secret_sha256": token_secrets.sha256(secret),
        "expires_at": _expiry(args.expires_in),
        "roles": roles,
    }
    expected = with_tokens(file, [*file.tokens, entry])
    _check_actor(args, file, _token_of(expected, token_id), "create")
    warn(expected, len(file.tokens))
    if args.write:
        write_policy_file(file, lambda text: policy_editor.add_token(text, entry), expected)
        say(f"API token `{token_id}` is in {file.path}.")
    else:
        say("Add this to `api_tokens` of the policy:", *policy_editor.block_of(entry))
    return secret


@command
def rotate(args: Namespace) -> None:
    """Give a token a new secret, which goes to standard output."""
    with _file_of(args, write=args.write) as file:
        secret = _rotate(args, file)
    show(secret)


def _rotate(args: Namespace, file: PolicyFile) -> str:
    index, token = _find(file, args.token)
    secret = _new_secret(token.id)
    changes = _rotated(token, token_secrets.sha256(secret), args)
    new = {key: value for key, value in {**file.tokens[index], **changes}.items() if value is not None}
    expected = with_tokens(file, [*file.tokens[:index], new, *file.tokens[index + 1 :]])
    _check_actor(args, file, _token_of(expected, token.id), "rotate")
    warn(expected, index)
    if args.write:
        write_policy_file(file, lambda text: _changed(text, index, changes), expected)
        say(f"API token `{token.id}` has a new secret in {file.path}.")
    else:
        say(f"Put this into the entry of `{token.id}`, and nothing else of a previous secret:")
        say(*(f"  {key}: {value}" for key, value in changes.items() if value is not None))
    return secret


@command
def revoke(args: Namespace) -> None:
    """Take a token out of the policy file."""
    with _file_of(args, write=True) as file:
        index, token = _find(file, args.token)
        _check_actor(args, file, token, "delete")
        expected = with_tokens(file, [*file.tokens[:index], *file.tokens[index + 1 :]])
        write_policy_file(file, lambda text: policy_editor.remove_token(text, index), expected)
    say(f"API token `{token.id}` is revoked. Its secrets and JWTs end as soon as the api-servers see the file.")


def _file_of(args: Namespace, *, write: bool) -> AbstractContextManager[PolicyFile]:
    path = policy_file(args)
    return policy_file_to_change(path) if write else nullcontext(read_policy_file(path))


@command
def list_tokens(args: Namespace) -> None:
    """List the tokens, with when each was last used if requested."""
    tokens = read_policy_file(policy_file(args)).policy.document.api_tokens
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
    file = read_policy_file(policy_file(args))
    found = [token for token in file.policy.document.api_tokens if token.id == token_id]
    if not found:
        raise CommandFailed(f"a whole secret of API token `{token_id}`, which is not in {file.path}", DENIED)
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


def _roles(args: Namespace, file: PolicyFile) -> Iterable[dict[str, str]]:
    for (role,) in args.organization_roles:
        organization = file.policy.document.organization_id
        yield {"role": role, "entity_type": "ORGANIZATION", "entity_id": organization}
    for workspace, role in args.workspace_roles:
        yield {"role": role, "entity_type": "WORKSPACE", "entity_id": workspace}
    for deployment, role in args.deployment_roles:
        yield {"role": role, "entity_type": "DEPLOYMENT", "entity_id": deployment}
    for kind, grants in (("DAG", args.dag_roles), ("DAG_TAG", args.tag_roles)):
        for deployment, name, role in grants:
            yield {"role": role, "entity_type": kind, "entity_id": name, "deployment_id": deployment}


def _expiry(text: str) -> str:
    return NEVER if text == NEVER else stamp(datetime.now(UTC) + _duration(text))


def _duration(text: str) -> timedelta:
    found = _TIME.fullmatch(text)
    duration = int(found[1]) * _UNITS[found[2]] if found else timedelta(0)
    if not duration:
        raise CommandFailed(f"invalid duration `{text}`: use a number and m, h, d or w, for example 30d")
    return duration


def _find(file: PolicyFile, wanted: str) -> tuple[int, ApiToken]:
    tokens = list(enumerate(file.policy.document.api_tokens))
    found = [each for each in tokens if each[1].id == wanted] or [each for each in tokens if each[1].name == wanted]
    if not found:
        hint = did_you_mean(wanted, [word for _, token in tokens for word in (token.id, token.name)])
        raise CommandFailed(f"the policy has no API token `{wanted}`{hint}")
    if len(found) > 1:
        ids = ", ".join(f"`{token.id}`" for _, token in found)
        raise CommandFailed(f"several API tokens are named `{wanted}`; say which by its id: {ids}")
    return found[0]


def _token_of(checked: Checked, token_id: str) -> ApiToken:
    assert checked.policy is not None
    return next(token for token in checked.policy.document.api_tokens if token.id == token_id)


def _check_actor(args: Namespace, file: PolicyFile, token: ApiToken, change: TokenChange) -> None:
    if args.actor is None:
        return
    now = compiled(file.policy, args)
    # The secret is of use until the token ends, so the grants of whoever sees it have to last as long.
    last = Engine(file.policy, now.deployment_id, token.expires_at or datetime.max.replace(tzinfo=UTC))
    for engine, when in ((now, ""), (last, " until the token ends")) if change != "delete" else ((now, ""),):
        if beyond := delegation.token_roles_beyond(engine, user_subject(args.actor), token.roles, change):
            listed = ", ".join(sorted({f"`{given.role}` on `{given.place}`" for given in beyond}))
            what = f"{args.actor} may not {change} an API token with these roles{when}: {listed}"
            raise CommandFailed(what, DENIED)


# -- secrets -------------------------------------------------------------------------------------------------------


def _new_secret(token_id: str) -> str:
    random_part = "".join(secrets.choice(token_secrets.ALPHABET) for _ in range(token_secrets.RANDOM_LENGTH))
    return token_secrets.compose(token_id, random_part)


def _rotated(token: ApiToken, sha256: str, args: Namespace) -> dict[str, str | None]:
    """Return the keys that a rotation changes; None for those that go."""
    changes: dict[str, str | None] = {
        "secret_sha256": sha256,
        "previous_secret_sha256": None,
        "previous_secret_expires_at": None,
    }
    if args.overlap:
        changes["previous_secret_sha256"] = token.secret_sha256
        changes["previous_secret_expires_at"] = stamp(datetime.now(UTC) + _duration(args.overlap))
    if args.expires_in:
        changes["expires_at"] = _expiry(args.expires_in)
    return changes


def _changed(text: str, index: int, changes: Mapping[str, str | None]) -> str:
    # A new key goes behind the secret, so the last one has to come first.
    for key, value in reversed(list(changes.items())):
        text = policy_editor.change_token(text, index, key, value)
    return text


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
