"""The commands about API tokens. No secret is taken from the command line, where everybody on the machine sees it."""

from __future__ import annotations

import re
import secrets
import sys
from argparse import Namespace
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from astro_auth_plugin.cli import policy_edit
from astro_auth_plugin.cli.at_hand import compiled, policy_file
from astro_auth_plugin.cli.failing import DENIED, YES, CommandFailed, command
from astro_auth_plugin.cli.output import console, only_on_stderr, print_table, print_values, printable
from astro_auth_plugin.cli.policy_write import PolicyFile, read_policy_file, with_tokens, write_policy_file
from astro_auth_plugin.rbac import delegation, token_secrets
from astro_auth_plugin.rbac.policy import Checked
from astro_auth_plugin.rbac.policy_checks import did_you_mean
from astro_auth_plugin.rbac.policy_document import NEVER, ApiToken, TokenRole
from astro_auth_plugin.rbac.subjects import token_subject, user_subject

# When each token, by subject, was last used with each of its secrets, by key.
Uses = Mapping[Any, datetime]

_UNITS = {"m": timedelta(minutes=1), "h": timedelta(hours=1), "d": timedelta(days=1), "w": timedelta(weeks=1)}
_TIME = re.compile(r"([0-9]{1,5})([mhdw])")
_LONGEST_INPUT = 4096


@command
def create(args: Namespace) -> None:
    """Make a token; its secret goes to standard output."""
    file = read_policy_file(policy_file(args))
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
    _check_creator(args, file, _token_of(expected, token_id).roles)
    _warn(expected, len(file.tokens))
    if args.write:
        write_policy_file(file, lambda text: policy_edit.add_token(text, entry), expected)
        _say(f"API token `{token_id}` is in {file.path}.")
    else:
        _say("Add this to `api_tokens` of the policy:", *policy_edit.block_of(entry))
    _show(secret)


@command
def rotate(args: Namespace) -> None:
    """Give a token a new secret, which goes to standard output."""
    file = read_policy_file(policy_file(args))
    index, token = _find(file, args.token)
    _check_creator(args, file, token.roles)
    secret = _new_secret(token.id)
    changes = _rotated(token, token_secrets.sha256(secret), args)
    new = {key: value for key, value in {**file.tokens[index], **changes}.items() if value is not None}
    expected = with_tokens(file, [*file.tokens[:index], new, *file.tokens[index + 1 :]])
    _warn(expected, index)
    if args.write:
        write_policy_file(file, lambda text: _changed(text, index, changes), expected)
        _say(f"API token `{token.id}` has a new secret in {file.path}.")
    else:
        _say(f"Put this into the entry of `{token.id}`, and nothing else of a previous secret:")
        _say(*(f"  {key}: {value}" for key, value in changes.items() if value is not None))
    _show(secret)


@command
def revoke(args: Namespace) -> None:
    """Take a token out of the policy file."""
    file = read_policy_file(policy_file(args))
    index, token = _find(file, args.token)
    expected = with_tokens(file, [*file.tokens[:index], *file.tokens[index + 1 :]])
    write_policy_file(file, lambda text: policy_edit.remove_token(text, index), expected)
    _say(f"API token `{token.id}` is revoked. Its secrets and JWTs end as soon as the api-servers see the file.")


@command
def list_tokens(args: Namespace) -> None:
    """List the tokens, with when each was last used if that is asked for."""
    tokens = read_policy_file(policy_file(args)).policy.document.api_tokens
    uses = _last_uses() if args.last_use else {}
    values = [_told(token, uses if args.last_use else None) for token in tokens]
    if args.output != "table":
        print_values(values, args.output)
        return
    columns = ["id", "name", "roles", "expires_at", *(["last_use", "last_use_of_previous"] if args.last_use else [])]
    rows = [["; ".join(told[name]) if name == "roles" else told[name] or "" for name in columns] for told in values]
    print_table([name.replace("_", " ") for name in columns], rows)


@command
def inspect(args: Namespace) -> int:
    """Tell whether a secret is good now, without showing it."""
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
    told = {"id": token_id, "name": found[0].name, "checksum": "right", "secret": which}
    if which != "unknown":
        told["ends_at"] = _spell_time(ends_at)
    told["roles"] = "; ".join(map(_spell_role, found[0].roles))
    told["works"] = "yes" if good else "no"
    for name, value in told.items():
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
    return NEVER if text == NEVER else _stamp(datetime.now(UTC) + _duration(text))


def _duration(text: str) -> timedelta:
    found = _TIME.fullmatch(text)
    duration = int(found[1]) * _UNITS[found[2]] if found else timedelta(0)
    if not duration:
        raise CommandFailed(f"`{text}` is no time: write a number and m, h, d or w, such as 30d")
    return duration


def _stamp(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def _spell_time(moment: datetime | None) -> str:
    return _stamp(moment) if moment else NEVER


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


def _check_creator(args: Namespace, file: PolicyFile, roles: Sequence[TokenRole]) -> None:
    if args.creator is None:
        return
    beyond = delegation.token_roles_beyond(compiled(file.policy, args), user_subject(args.creator), roles)
    if beyond:
        listed = ", ".join(sorted({f"`{given.role}` on `{given.place}`" for given in beyond}))
        raise CommandFailed(f"{args.creator} may not give what the token holds: {listed}", DENIED)


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
        changes["previous_secret_expires_at"] = _stamp(datetime.now(UTC) + _duration(args.overlap))
    if args.expires_in:
        changes["expires_at"] = _expiry(args.expires_in)
    return changes


def _changed(text: str, index: int, changes: Mapping[str, str | None]) -> str:
    # A new key goes behind the secret, so the last one has to come first.
    for key, value in reversed(list(changes.items())):
        text = policy_edit.change_token(text, index, key, value)
    return text


def _read_secret(name: str | None) -> str:
    try:
        if name:
            with Path(name).open(encoding="utf-8") as file:
                return file.read(_LONGEST_INPUT).strip()
        return sys.stdin.read(_LONGEST_INPUT).strip()
    except (OSError, UnicodeDecodeError) as error:
        raise CommandFailed(f"cannot read the secret: {getattr(error, 'strerror', None) or 'it is no text'}") from None


def _which(token: ApiToken, sha256: str) -> tuple[str, datetime | None]:
    if sha256 == token.secret_sha256:
        return "current", token.expires_at
    if sha256 == token.previous_secret_sha256:
        return "previous", token.previous_secret_expires_at
    return "unknown", None


# -- what is printed -----------------------------------------------------------------------------------------------


def _say(*lines: str) -> None:
    for line in lines:
        console(stderr=True).print(printable(line))


def _show(secret: str) -> None:
    _say("The secret is shown this once:")
    sys.stdout.write(f"{secret}\n")
    sys.stdout.flush()


def _warn(expected: Checked, index: int) -> None:
    about = f"api_tokens[{index}]"
    for problem in expected.warnings:
        if problem.path == about or problem.path.startswith(f"{about}."):
            _say(f"warning: {problem.message}")


def _told(token: ApiToken, uses: Uses | None) -> dict[str, Any]:
    told: dict[str, Any] = {
        "id": token.id,
        "name": token.name,
        "roles": list(map(_spell_role, token.roles)),
        "expires_at": _spell_time(token.expires_at),
    }
    if uses is not None:
        told["last_use"] = _last_use(token, token.secret_sha256, uses)
        told["last_use_of_previous"] = _last_use(token, token.previous_secret_sha256, uses)
    return told


def _spell_role(role: TokenRole) -> str:
    where = f"{role.entity_type} {role.entity_id}"
    return f"{role.role} on {where}" + (f" of {role.deployment_id}" if role.deployment_id else "")


def _last_use(token: ApiToken, sha256: str, uses: Uses) -> str | None:
    moment = uses.get((token_subject(token.id), token_secrets.key_of(sha256)))
    return _stamp(moment.astimezone(UTC)) if moment else None


def _last_uses() -> Uses:
    try:
        with only_on_stderr():
            from astro_auth_plugin.airflow_bridge.token_use import read_last_uses  # noqa: PLC0415 - Airflow takes seconds

            return read_last_uses()
    except Exception as error:  # noqa: BLE001 - whatever is wrong with the database, the way out is the same
        what = f"{type(error).__name__}: Airflow's metadata database cannot be read"
        raise CommandFailed(f"{what}; leave out --last-use") from None
