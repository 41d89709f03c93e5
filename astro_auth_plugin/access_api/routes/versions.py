"""The versions of the policy, the way back to an older one, and the export of the audit log."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from itertools import islice
from typing import Annotated, Literal, NamedTuple

from fastapi import APIRouter, Path, Query
from starlette.responses import Response, StreamingResponse

from astro_auth_plugin.access_api import changing, effects, redaction, shapes
from astro_auth_plugin.access_api.caller import Caller, CallerDep, ChangeReaderDep
from astro_auth_plugin.access_api.changing import Wish
from astro_auth_plugin.access_api.errors import ApiError, denied, invalid, not_found
from astro_auth_plugin.access_api.etags import Stale, required
from astro_auth_plugin.access_api.routes.users import DryRun, IfMatch
from astro_auth_plugin.access_api.views import Limit, Offset
from astro_auth_plugin.access_management import audit_export
from astro_auth_plugin.rbac.changes import edits
from astro_auth_plugin.rbac.changes.affected import concerned_scopes
from astro_auth_plugin.rbac.changes.difference import changes
from astro_auth_plugin.rbac.changes.edits import Values
from astro_auth_plugin.rbac.policy import loader
from astro_auth_plugin.rbac.policy.loader import Policy
from astro_auth_plugin.runtime import policy_source, policy_versions
from astro_auth_plugin.runtime.audit_log import POLICY_CHANGED
from astro_auth_plugin.runtime.policy_source import no_collection
from astro_auth_plugin.runtime.policy_versions import DocumentUnusable, Record, Stored

router = APIRouter(tags=["History"])
_MOST_CHANGES = 200
_MOST_VERSIONS = 2000
"""How many of the newest versions are looked through for callers who may see a part of each."""

_LINES_AT_ONCE = 500

Number = Annotated[int, Path(ge=1, le=2**31 - 1)]
Days = Annotated[int, Query(ge=1, le=3650, description="Of how many days.")]


@router.get("/history")
def history(who: ChangeReaderDep, limit: Limit = 50, offset: Offset = 0) -> shapes.Versions:
    """List the versions, newest first; of other Workspaces than this one nothing but for Organization Owners."""
    if who.settings.policy_file is not None:
        return shapes.Versions(versions=[], total_entries=0)
    if who.visibility.everything:
        newest = policy_versions.newest_number()
        records = policy_versions.heads(limit, newest - offset + 1)
        return shapes.Versions(versions=list(_versions(who, records)), total_entries=newest)
    found = [version for version in _versions(who, policy_versions.heads(_MOST_VERSIONS)) if version.changes]
    return shapes.Versions(versions=found[offset : offset + limit], total_entries=len(found))


@router.get("/history/{number}")
def show_version(who: ChangeReaderDep, number: Number) -> shapes.Version:
    """Show a version: who made it, when, why, and what it changed."""
    records = [] if who.settings.policy_file else policy_versions.heads(1, number + 1)
    found = next(_versions(who, records), None) if records and records[0].id == number else None
    if found is None or not (found.changes or who.visibility.everything):
        raise not_found(f"version {number} of the policy")
    return found


@router.get("/history/{number}/diff/{other}")
def compare_versions(who: ChangeReaderDep, number: Number, other: Number) -> shapes.VersionDifference:
    """Show what two versions have different, and who gains and loses what from the first to the second."""
    older, newer = _policy(who, number), _policy(who, other)
    every = list(changes(older.document, newer.document))
    parts = [each for each in every if redaction.is_shown(who, str(each))]
    about = concerned_scopes(parts, older.document, newer.document)
    shown = [each for each, scopes in zip(parts, about, strict=True) if all(map(who.visibility.sees, scopes))]
    found = effects.of(who, every, older, newer)
    return shapes.VersionDifference(
        older=number,
        newer=other,
        changes=[str(each) for each in shown[:_MOST_CHANGES]],
        more=max(len(shown) - _MOST_CHANGES, 0),
        hidden=len(parts) - len(shown),
        gains=found.gains,
        losses=found.losses,
    )


@router.post("/history/{number}/revert")
def revert(
    who: CallerDep, number: Number, body: shapes.Revert, dry_run: DryRun = False, if_match: IfMatch = None
) -> shapes.Result:
    """Return to an older version, but for API tokens; judged as any change. `If-Match` has the newest number."""
    if who.settings.policy_file is not None:
        name = who.settings.policy_file.name
        detail = f"The policy is managed in the file {name}: its history is where the file is kept."
        raise ApiError(HTTPStatus.CONFLICT, "managed_in_file", detail, patch=None, file=name)
    if not who.visibility.changes:
        raise denied("You may not return to an older version.", "a role that may grant roles")
    _policy(who, number)
    stored = _stored(number)
    etags = required(if_match)

    def edit(values: Values) -> Values:
        if str(policy_versions.newest_number()) not in etags:
            raise Stale
        return edits.return_to(stored.values)(values)

    return changing.change(who, Wish(edit, body.reason, dry_run, reverts=number, text=stored.text))


@router.get("/audit", response_class=Response)
def audit(who: CallerDep, format: Literal["jsonl", "csv"] = "jsonl", days: Days = 30) -> Response:  # noqa: A002 - as in the commands
    """Export what happened to access: changes, sign-ins, denials, as JSON lines or CSV."""
    if not who.reads_audit:
        raise denied("You may not export the audit log.", "a role that may grant roles and sees all Dags")
    found = audit_export.events(datetime.now(UTC) - timedelta(days=days))
    if not who.visibility.everything:
        # They may be of other Workspaces; the history shows those of this one.
        found = (event for event in found if event["event"] != POLICY_CHANGED)
    lines = audit_export.as_csv(found) if format == "csv" else audit_export.as_json_lines(found)
    kind = "text/csv" if format == "csv" else "application/x-ndjson"
    headers = {"Content-Disposition": f'attachment; filename="access-audit.{format}"', "Cache-Control": "no-store"}
    return StreamingResponse(_batches(lines), media_type=kind, headers=headers)


def _batches(lines: Iterator[str]) -> Iterator[str]:
    # Each part of an answer takes a thread anew.
    while batch := "".join(islice(lines, _LINES_AT_ONCE)):
        yield batch


class _Shown(NamedTuple):
    """What a caller may see of the changes of a version: the first of them, how many, and how many it may not see."""

    first: list[str]
    total: int
    hidden: int


_shown: dict[tuple[object, ...], _Shown] = {}
_MOST_KEPT = 2 * _MOST_VERSIONS


def _versions(who: Caller, heads: list[Record]) -> Iterator[shapes.Version]:
    """Yield versions as a caller may see them. What was read once of their changes is kept: versions do not change."""
    sight = who.visibility.sight
    found = {head.digest: _shown.get((head.digest, *sight)) for head in heads}
    with no_collection():
        for record in policy_versions.with_changes([head.id for head in heads if found[head.digest] is None]):
            if len(_shown) >= _MOST_KEPT:
                _shown.clear()
            found[record.digest] = _shown[record.digest, *sight] = _shown_of(who, record)
    for head in heads:
        shown = found[head.digest]
        if shown is not None:
            yield _version(head, shown)


def _shown_of(who: Caller, record: Record) -> _Shown:
    seen = who.visibility
    known = len(record.scopes) == len(record.changes)
    sees = functools.cache(seen.sees)
    parts = [(index, text) for index, text in enumerate(record.changes) if redaction.is_shown(who, text)]
    shown = [text for index, text in parts if seen.everything or (known and all(map(sees, record.scopes[index])))]
    return _Shown(shown[:_MOST_CHANGES], len(shown), len(parts) - len(shown))


def _version(head: Record, shown: _Shown) -> shapes.Version:
    return shapes.Version(
        version=head.id,
        created_at=datetime.fromtimestamp(head.created_at, UTC),
        author=head.author,
        author_kind=head.author_kind,
        source=head.source,
        # It may be about what is hidden.
        reason="" if shown.hidden else head.reason,
        reverts=head.reverts,
        changes=shown.first,
        more=shown.total - len(shown.first),
        hidden=shown.hidden,
    )


def _policy(who: Caller, number: int) -> Policy:
    """Return the policy of a version, checked."""
    digest = None if who.settings.policy_file else policy_versions.digest_of(number)
    if digest is None:
        raise not_found(f"version {number} of the policy")
    return policy_source.checked_last(digest) or _checked(number, digest)


@functools.lru_cache(maxsize=2)
def _checked(number: int, digest: str) -> Policy:  # noqa: ARG001 - a number can come again with another document
    policy = loader.from_values(_stored(number).values).policy
    if policy is None:
        raise invalid(f"Version {number} of the policy has errors.")
    return policy


def _stored(number: int) -> Stored:
    try:
        stored = policy_versions.read(number)
    except DocumentUnusable as error:
        raise invalid(f"{str(error)[:1].upper()}{str(error)[1:]}.") from None
    if stored is None:
        raise not_found(f"version {number} of the policy")
    return stored
