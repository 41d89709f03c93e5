"""Makes changes of the policy for the API; with the policy in a file, says what to write into it instead."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Collection, Iterable, Sequence
from datetime import UTC, datetime
from http import HTTPStatus
from itertools import chain, islice
from pathlib import Path
from typing import Any, NamedTuple

import yaml
from pydantic import BaseModel

from astro_auth_plugin.access_api import effects, redaction, shapes
from astro_auth_plugin.access_api.caller import READERS, Caller, as_of_now
from astro_auth_plugin.access_api.errors import ApiError, denied, invalid
from astro_auth_plugin.access_api.etags import Entity, Stale, required, unchanged
from astro_auth_plugin.access_management import publisher
from astro_auth_plugin.access_management.publisher import Actor, Wanted
from astro_auth_plugin.authorization import denials
from astro_auth_plugin.authorization.access_decision import AccessDecision
from astro_auth_plugin.rbac.changes.affected import concerned_scopes
from astro_auth_plugin.rbac.changes.difference import PolicyChange
from astro_auth_plugin.rbac.changes.edits import Edit, EditError, Values
from astro_auth_plugin.rbac.changes.owners import organization_owners
from astro_auth_plugin.rbac.changes.proposal import InvalidProposal, Proposal, propose
from astro_auth_plugin.rbac.changes.rule import OWNER, DeniedChange, denied_changes
from astro_auth_plugin.rbac.engine import delegation
from astro_auth_plugin.rbac.model.scopes import GrantScope
from astro_auth_plugin.rbac.policy.document import NEVER, ApiToken, Team, User
from astro_auth_plugin.rbac.policy.grants import grants_of
from astro_auth_plugin.rbac.policy.loader import Policy
from astro_auth_plugin.runtime.policy_versions import DocumentUnusable, Origin
from astro_auth_plugin.runtime.request_context import current_request

_HIDDEN = "a part of the policy that you may not see"
MOST_CONTACTS = 5
MOST_AT_ONCE = 12
"""How many changes a process works on: they wait for each other, in threads that Airflow's routes need, too."""
MOST_EXPLAINED = 20
"""How many parts of a change are judged for a caller who may give no role at all, or to say who may make it."""
MOST_ASKED = 50
"""Of how many users it is found out whether they may make a change."""
turns = threading.BoundedSemaphore(MOST_AT_ONCE)


class Wish(NamedTuple):
    """A change that a request asks for.

    Attributes:
        edit: what it makes of the policy.
        reason: why.
        dry_run: whether only the effect is wanted.
        entity: the entry that it is about; None for a setting or the whole policy.
        setting: the setting that it is about, if it is one.
        renamed: the name that the entry is to have; '' for the one that it has.
        new: whether there is to be no such entry yet.
        if_match: the header `If-Match`, for an entry that there is.
        show: returns the entry as the API shows it, for a caller whose `If-Match` is of an older one.
        reverts: the version that it returns to, if it does.
        text: the YAML of that version.
    """

    edit: Edit
    reason: str = ""
    dry_run: bool = False
    entity: Entity | None = None
    setting: str = ""
    renamed: str = ""
    new: bool = False
    if_match: str | None = None
    show: Callable[[Caller], BaseModel] | None = None
    reverts: int | None = None
    text: bytes = b""


def change(who: Caller, wish: Wish) -> shapes.Result:
    """Make a change, or say what it would be.

    Raises:
        ApiError: if it cannot be made; nothing is changed then.
    """
    if who.settings.require_reason and not wish.reason.strip() and not wish.dry_run:
        raise ApiError(HTTPStatus.UNPROCESSABLE_ENTITY, "reason_required", "A change needs a reason here.")
    edit = wish.edit
    if wish.entity is not None and not wish.new:
        edit = unchanged(wish.entity, required(wish.if_match), edit)
    if not turns.acquire(blocking=False):
        detail = f"There are {MOST_AT_ONCE} other changes at once. Try again."
        raise ApiError(HTTPStatus.SERVICE_UNAVAILABLE, "too_many_changes", detail)
    try:
        return _made(who, wish, edit)
    finally:
        turns.release()


def needs_reader(who: Caller) -> None:
    """Refuse a change of an entry that the caller may not read.

    Raises:
        ApiError: if it may not.
    """
    if not who.visibility.access:
        raise _refused(who, READERS)


def needs_owner(who: Caller, change: str) -> None:
    """Refuse a change that is for Organization Owners, before an error about it can tell what there is.

    Raises:
        ApiError: if the caller is none.
    """
    if "ORGANIZATION" not in who.levels:
        raise _refused(who, f"{change}: {OWNER}")


def needs_giver(who: Caller, *parts: Collection[Any]) -> None:
    """Refuse many changes of roles or members for a caller who gives none, before it is computed what they would be.

    Args:
        who: the caller.
        parts: what is to be given and taken; of a few it is said whom to ask for each.

    Raises:
        ApiError: if the caller gives none.
    """
    if sum(map(len, parts)) > MOST_EXPLAINED and not who.levels:
        raise _refused(who, "a role that may grant roles")


def needs_token_maker(who: Caller) -> None:
    """Refuse to make an API token for a caller who may make none, before it is looked at what it would change.

    Raises:
        ApiError: if the caller may make none.
    """
    if not delegation.may_make_tokens(who.engine, who.identity.subject):
        raise _refused(who, "a role that may grant roles or make API tokens")


def needs_sight(who: Caller, scopes: Iterable[GrantScope]) -> None:
    """Refuse a change about scopes that the caller does not see, before an error about it can tell what there is.

    Raises:
        ApiError: if there is one.
    """
    if not all(map(who.visibility.sees, scopes)):
        raise _refused(who, _HIDDEN)


def _made(who: Caller, wish: Wish, edit: Edit) -> shapes.Result:
    try:
        if who.settings.policy_file is not None:
            return _in_file(who, wish, edit, who.settings.policy_file)
        return _in_database(who, wish, edit)
    except Stale:
        raise _stale(who, wish) from None
    except EditError as error:
        raise invalid(f"{str(error)[:1].upper()}{str(error)[1:]}.") from None
    except InvalidProposal as error:
        # Else only what the change names can be wrong; after a revert, it is any part of the policy.
        shown = wish.reverts is None or who.visibility.everything
        text = redaction.problems(who, str(error)) if shown else _HIDDEN
        raise invalid(f"The policy would be invalid:\n{text}") from None


def _stale(who: Caller, wish: Wish) -> ApiError:
    detail = "This was changed meanwhile. Compare it with what you want, and try again."
    try:
        current = wish.show(as_of_now(who)).model_dump(mode="json") if wish.show else None
    except ApiError:
        # Removed, or of no concern to the caller any more.
        current = None
    return ApiError(HTTPStatus.PRECONDITION_FAILED, "stale", detail, current=current)


def _in_database(who: Caller, wish: Wish, edit: Edit) -> shapes.Result:
    source: Origin = "revert" if wish.reverts is not None else _source()
    wanted = Wanted(edit, source, wish.reason, wish.reverts, wish.text)
    identity = who.identity
    kind: Any = "token" if identity.is_token else "person"
    actor = Actor(identity.email or identity.subject, kind, identity.subject, identity.groups)
    try:
        done = publisher.publish(wanted, actor, who.settings, dry_run=wish.dry_run)
    except publisher.ChangeDenied as error:
        raise _not_allowed(who, error.denied, error.before, error.after) from None
    except publisher.LastOwner as error:
        raise ApiError(HTTPStatus.CONFLICT, "last_owner", str(error)) from None
    except publisher.TooManyChanges as error:
        raise ApiError(HTTPStatus.SERVICE_UNAVAILABLE, "too_many_changes", str(error)) from None
    except (publisher.NoPolicy, DocumentUnusable) as error:
        raise ApiError(HTTPStatus.SERVICE_UNAVAILABLE, "unavailable", str(error)) from None
    assert done.before is not None  # else `NoPolicy`: no request replaces what cannot be read
    return _result(who, wish, done.before, done.proposal).model_copy(update={"version": done.version})


def _in_file(who: Caller, wish: Wish, edit: Edit, path: Path) -> shapes.Result:
    before = who.engine.policy
    proposal = propose(values_of(before), before, edit, datetime.now(UTC))
    identity = who.identity
    parts = denied_changes(who.engine, identity.subject, proposal.changes, proposal.policy.document, identity.groups)
    if parts:
        raise _not_allowed(who, parts, before, proposal.policy)
    patch = _patch(who, wish, proposal.values)
    if wish.dry_run:
        return _result(who, wish, before, proposal).model_copy(update={"patch": patch})
    detail = f"The policy is managed in the file {path.name}: change it there."
    raise ApiError(HTTPStatus.CONFLICT, "managed_in_file", detail, patch=patch, file=path.name)


def _source() -> Origin:
    context = current_request()
    return "api" if context is not None and context.is_from_api_client else "page"


def _result(who: Caller, wish: Wish, before: Policy, proposal: Proposal) -> shapes.Result:
    found = effects.of(who, proposal.changes, before, proposal.policy)
    entity = _after(wish)
    return shapes.Result(
        version=None,
        dry_run=wish.dry_run,
        changes=[
            _line(each, new_id=wish.dry_run and wish.new)
            for each in proposal.changes
            if redaction.is_shown(who, str(each))
        ],
        gains=found.gains,
        losses=found.losses,
        own_losses=found.own_losses,
        warnings=redaction.new_warnings(who, entity, before, proposal),
        etag=entity.etag(entity.read(proposal.values)) if entity is not None else None,
    )


def _line(change: PolicyChange, *, new_id: bool) -> str:
    # A token that is not made yet has another id at each request.
    named = new_id and change.what == "API token" and change.after is not None
    return str(change._replace(name=change.after.name) if named and change.after else change)


def _after(wish: Wish) -> Entity | None:
    """Return the entry by the name that it has after the change."""
    return wish.entity._replace(name=wish.renamed) if wish.entity and wish.renamed else wish.entity


def _not_allowed(who: Caller, parts: tuple[DeniedChange, ...], before: Policy, after: Policy) -> ApiError:
    listed = [each for each in parts if redaction.is_shown(who, str(each.change))]
    scopes = concerned_scopes([each.change for each in listed], before.document, after.document)
    shown = [
        _denied_line(each) if all(map(who.visibility.sees, about)) else _HIDDEN
        for each, about in zip(listed, scopes, strict=True)
    ]
    others = [] if _HIDDEN in shown else _who_may(who, [each.change for each in parts], after)
    return _refused(who, *dict.fromkeys(shown), whom_to_ask=others)


def _denied_line(part: DeniedChange) -> str:
    return f"{part.change}: {part.reason.replace('the actor may', 'you may')}"


def _who_may(who: Caller, parts: Sequence[PolicyChange], after: Policy) -> list[str]:
    """Return some users who may make these parts of a change; for callers who may know who that is.

    Each part is judged for each user, so of a large change no one is named, and of many users the first ones are asked,
    and the Organization Owners.
    """
    if not who.visibility.access or len(parts) > MOST_EXPLAINED:
        return []
    givers = (subject for subject in sorted(delegation.givers(who.engine)) if "@" in subject)
    users = dict.fromkeys(chain(islice(givers, MOST_ASKED), sorted(organization_owners(after.document))))
    may = (each for each in users if not denied_changes(who.engine, each, parts, after.document))
    return list(islice(may, MOST_CONTACTS))


def _refused(who: Caller, *missing: str, whom_to_ask: Iterable[str] = ()) -> ApiError:
    denials.record_change(current_request(), AccessDecision(allowed=False, identity=who.identity))
    error = denied("You may not make this change.", *missing)
    error.more |= {"whom_to_ask": list(whom_to_ask), "contact": who.settings.access_contact}
    return error


# -- the policy as plain values ------------------------------------------------------------------------------------


def values_of(policy: Policy) -> Values:
    """Return a policy without errors as plain values, which mean the same."""
    values: Values = policy.document.model_dump(mode="json", exclude_unset=True)
    for token in values.get("api_tokens", ()):
        token["expires_at"] = token["expires_at"] or NEVER
    return values


def _sees_all(who: Caller, entry: Team | User) -> bool:
    return all(who.visibility.sees(grant.scope) for grant in grants_of((), entry))


def _patch(who: Caller, wish: Wish, values: Values) -> str | None:
    """Return an entry or setting as it has to be in the policy file; None if the caller may not see all of it.

    Of an API token there is none: the secret that belongs to its hash is in no answer.
    """
    if wish.setting:
        return yaml.safe_dump({wish.setting: values[wish.setting]})
    entity = _after(wish)
    if entity is None:
        return None
    entry = entity.find(values)
    read = entity.read(values)
    if isinstance(read, ApiToken) or (isinstance(read, Team | User) and not _sees_all(who, read)):
        return None
    if entry is None:
        return f"# In `{entity.key}`, remove the entry of {entity.name}.\n"
    return _hint(wish) + yaml.safe_dump({entity.key: [entry]}, sort_keys=False, allow_unicode=False)


def _hint(wish: Wish) -> str:
    """Return what has to be done in the policy file to rename an entry; '' if its name stays."""
    if not wish.entity or wish.renamed in ("", wish.entity.name):
        return ""
    old, new = json.dumps(wish.entity.name), json.dumps(wish.renamed)
    where = f"# Write {new} instead of {old} wherever a role is {old}, too.\n" if wish.entity.key == "roles" else ""
    return f"# In `{wish.entity.key}`, replace the entry of {old} by this one.\n{where}"
