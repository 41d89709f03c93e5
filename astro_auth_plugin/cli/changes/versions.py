"""The commands about the policy in the database as a whole: import, export, and its versions."""

from __future__ import annotations

import sys
from argparse import Namespace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from astro_auth_plugin.cli.changes.applying import apply, change, show
from astro_auth_plugin.cli.changes.options import duration, time_of
from astro_auth_plugin.cli.changes.policy_file import read_policy_file
from astro_auth_plugin.cli.exit_codes import CommandFailed, command
from astro_auth_plugin.cli.inputs import setting_if_set
from astro_auth_plugin.cli.output import console, count, only_on_stderr, print_table, print_values, printable
from astro_auth_plugin.cli.review import plan_report
from astro_auth_plugin.cli.review.plan import report_of
from astro_auth_plugin.rbac.changes import edits
from astro_auth_plugin.rbac.changes.edits import EditError, Values
from astro_auth_plugin.rbac.policy import loader
from astro_auth_plugin.rbac.policy.loader import Policy

if TYPE_CHECKING:
    from astro_auth_plugin.runtime.policy_versions import Record, Stored


@command
def import_file(args: Namespace) -> None:
    """Make the content of a policy file the next version."""
    file = read_policy_file(Path(args.file))
    _in_database(args)
    show(args, apply(args, edits.replace(file.values), source="import", text=file.data))


@command
def init(args: Namespace) -> None:
    """Begin a policy with one Organization Owner."""
    ids = {name: getattr(args, name, None) or setting_if_set(f"{name}_id") for name in _PLACES}
    for name, place in ids.items():
        if not place:
            raise CommandFailed(f"which {name.capitalize()}? Pass --{name}, or set [astro_auth] {name}_id")
    values: Values = {
        "version": 1,
        "organization_id": ids["organization"],
        "workspaces": [{"id": ids["workspace"]}],
        "deployments": [{"id": ids["deployment"], "workspace_id": ids["workspace"]}],
        "users": [{"email": args.owner, "organization_role": "ORGANIZATION_OWNER"}],
    }

    def begin(old: Values) -> Values:
        if "workspaces" in old or "users" in old:
            raise EditError("there is a policy already: change it with `astro-auth user grant` and the like")
        return values

    _in_database(args)
    show(args, apply(args, begin, source="import"))


_MOST_DIGITS = 9
_PLACES = ("organization", "workspace", "deployment")


@command
def export(args: Namespace) -> None:
    """Write a version as a policy file, which says exactly the same."""
    stored = _stored(args.version)
    text, lost = _text_of(stored, tokens=not args.without_tokens)
    if args.out:
        try:
            with Path(args.out).open("xb") as out:
                out.write(text)
        except OSError as error:
            raise CommandFailed(f"{args.out}: {error.strerror or error}") from None
    else:
        sys.stdout.buffer.write(text)
        sys.stdout.flush()
    if lost:
        console(stderr=True).print(
            "Comments and layout of the imported file are left out: the policy has changed since."
        )


def _text_of(stored: Stored, *, tokens: bool) -> tuple[bytes, bool]:
    """Return the YAML of a version, and whether comments of an import may be missing."""
    from astro_auth_plugin.runtime import policy_versions  # noqa: PLC0415 - Airflow takes seconds

    values = {key: each for key, each in stored.values.items() if tokens or key != "api_tokens"}
    expected = loader.from_values(values).policy
    if stored.text and tokens:
        imported = loader.load(stored.text).policy
        if imported is not None and expected is not None and imported.document == expected.document:
            return stored.text, False
    # Only ASCII: PyYAML writes some line ends of Unicode so that it reads them as blanks.
    text = yaml.safe_dump(values, sort_keys=False, allow_unicode=False, width=120).encode()
    read = loader.load(text).policy
    if read is None or expected is None or read.document != expected.document:
        way = "`policy show --document --output json`"
        raise CommandFailed(f"the policy cannot be written as YAML without loss; use {way}")
    return text, any(record.source == "import" for record in policy_versions.history(before=stored.id + 1))


@command
def history(args: Namespace) -> None:
    """List the versions, newest first."""
    with only_on_stderr():
        from astro_auth_plugin.runtime import policy_versions  # noqa: PLC0415 - Airflow takes seconds

    since = int(time_of(args.since).timestamp()) if args.since else 0
    records = _read(lambda: policy_versions.history(_number(args.limit), since=since))
    if args.output != "table":
        print_values([*map(_values, records)], args.output)
        return
    rows = [
        (
            each.id,
            _time(each.created_at),
            f"{each.author} ({each.author_kind})",
            each.source,
            each.reason,
            len(each.changes),
        )
        for each in records
    ]
    print_table(("version", "time", "author", "source", "reason", "changes"), rows)


@command
def show_version(args: Namespace) -> None:
    """Show who made a version, when, why, and what it changed."""
    with only_on_stderr():
        from astro_auth_plugin.runtime import policy_versions  # noqa: PLC0415 - Airflow takes seconds

    number = args.version
    before = _number(number) + 1 if number else None
    records = _read(lambda: policy_versions.history(1, before))
    if not records or (number and records[0].id != _number(number)):
        raise CommandFailed(f"there is no version {number or 'of the policy'}")
    values = _values(records[0])
    if args.document:
        values["document"] = _stored(str(records[0].id)).values
    if args.output != "table":
        print_values(values, args.output)
        return
    for key, value in values.items():
        if value is None:
            continue
        for line in value if isinstance(value, list) else [value]:
            console().print(f"{key}: {printable(str(line))}")


@command
def diff(args: Namespace) -> None:
    """Show who gains and who loses what between two versions."""
    old, new = (_stored(number) for number in (args.old, args.new))
    report = report_of(_policy(old), _policy(new))._replace(old=f"version {old.id}", new=f"version {new.id}")
    if args.output == "table":
        plan_report.print_plan(report)
    else:
        print_values(plan_report.values(report), args.output)


@command
def revert(args: Namespace) -> None:
    """Make the document of an older version the next one, but for API tokens unless they are wanted."""
    _in_database(args)
    stored = _stored(args.version)
    edit = edits.replace(stored.values) if args.tokens else edits.return_to(stored.values)
    done = apply(args, edit, source="revert", reverts=stored.id, text=stored.text)
    show(args, done)


@command
def support_access(args: Namespace) -> None:
    """Switch all support Teams on or off."""
    change(args, edits.set_support_access(args.setting))


@command
def clean(args: Namespace) -> None:
    """Remove the documents of old versions; what each changed is kept."""
    with only_on_stderr():
        from astro_auth_plugin.runtime import policy_versions  # noqa: PLC0415 - Airflow takes seconds

    older = datetime.now(UTC) - duration(args.older_than)
    records = _read(policy_versions.history)
    wanted = [each.id for each in records[max(_number(args.keep), 1) :] if each.created_at < older.timestamp()]
    if args.dry_run:
        console().print(f"The documents of {count(len(wanted), 'version')} would be removed, if they have one.")
        return
    removed = _read(lambda: policy_versions.remove_documents(wanted))
    console().print(f"The documents of {count(removed, 'version')} are removed.")


# -- versions ------------------------------------------------------------------------------------------------------


def _in_database(args: Namespace) -> None:
    """Direct the change to the database, whatever the options say: these commands are how a policy gets there."""
    args.policy, args.to_database = None, True


def _stored(number: str | None) -> Stored:
    with only_on_stderr():
        from astro_auth_plugin.runtime import policy_versions  # noqa: PLC0415 - Airflow takes seconds

    wanted = _number(number) if number else None
    try:
        found = _read(lambda: policy_versions.read(wanted))
    except policy_versions.DocumentUnusable as unusable:
        raise CommandFailed(str(unusable)) from None
    if found is None:
        raise CommandFailed(f"there is no version {number} of the policy" if number else "there is no policy yet")
    stored: Stored = found
    return stored


def _number(text: str) -> int:
    if not (text.isascii() and text.isdigit()) or len(text) > _MOST_DIGITS:
        raise CommandFailed(f"`{text}` is not a number; see `astro-auth policy history` for those of versions")
    return int(text)


def _policy(stored: Stored) -> Policy:
    policy = loader.from_values(stored.values).policy
    if policy is None:
        raise CommandFailed(f"version {stored.id} of the policy has errors")
    return policy


def _read(work: Any) -> Any:
    from sqlalchemy.exc import SQLAlchemyError  # noqa: PLC0415 - Airflow takes seconds

    try:
        return work()
    except SQLAlchemyError as error:
        raise CommandFailed(f"{type(error).__name__}: Airflow's metadata database cannot be read") from None


def _values(record: Record) -> Values:
    values: Values = {**record._asdict(), "created_at": _time(record.created_at), "changes": list(record.changes)}
    del values["scopes"]
    return values


def _time(seconds: int) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%SZ}"
