"""ETags: what an entry of the policy was when a client read it, so that no change overwrites another unseen."""

from __future__ import annotations

import functools
import hashlib
import json
import re
from http import HTTPStatus
from typing import NamedTuple

from airflow.configuration import conf
from pydantic import BaseModel

from astro_auth_plugin.access_api.errors import ApiError
from astro_auth_plugin.rbac.changes.edits import Edit, Values
from astro_auth_plugin.rbac.model.subjects import is_same_email, normalize_email
from astro_auth_plugin.rbac.policy.document import ApiToken, CustomRole, PolicyDocument, Team, User

_LISTS: dict[str, tuple[type[BaseModel], str]] = {
    "users": (User, "email"),
    "teams": (Team, "name"),
    "api_tokens": (ApiToken, "id"),
    "roles": (CustomRole, "name"),
}
_TAG = re.compile(r'(?:W/)?"([^"]*)"')


class Entity(NamedTuple):
    """An entry of the policy: the list that it is in, and its e-mail, name or id."""

    key: str
    name: str

    def find(self, values: Values) -> Values | None:
        """Return the entry as the plain values of a policy have it; None where there is none."""
        name_key = _LISTS[self.key][1]
        is_same = is_same_email if name_key == "email" else str.__eq__
        return next((each for each in values.get(self.key, []) if is_same(each[name_key], self.name)), None)

    def of(self, document: PolicyDocument) -> BaseModel | None:
        """Return the entry of a policy document; None where there is none."""
        name_key = _LISTS[self.key][1]
        is_same = is_same_email if name_key == "email" else str.__eq__
        return next((each for each in getattr(document, self.key) if is_same(getattr(each, name_key), self.name)), None)

    def read(self, values: Values) -> BaseModel | None:
        """Return the entry in the plain values of a policy without errors; None where there is none."""
        found = self.find(values)
        return None if found is None else _LISTS[self.key][0].model_validate(found)

    def etag(self, entry: BaseModel | None) -> str:
        """Return the ETag of the entry, without quotation marks; of none, too: a user need not have one."""
        shown = entry.model_dump(mode="json", exclude_defaults=True) if entry is not None else None
        # With a key, since parts of an entry may be of another Workspace: nothing can be tried out against it.
        # Of none, it has the name: were it the same for all, it would tell of an entry that the caller does not see.
        name = normalize_email(self.name) if entry is None else ""
        text = json.dumps([self.key, name, shown], sort_keys=True).encode()
        return hashlib.blake2b(text, digest_size=12, key=_key()).hexdigest()


class Stale(Exception):
    """The entry is another one than the client has read."""


def required(if_match: str | None) -> frozenset[str]:
    """Return the ETags of the header `If-Match`.

    Raises:
        ApiError: if there are none.
    """
    found = frozenset(_TAG.findall(if_match or ""))
    if not found:
        detail = "Send the ETag of what you have read in the header `If-Match`, so that no other change is overwritten."
        raise ApiError(HTTPStatus.PRECONDITION_REQUIRED, "if_match_required", detail)
    return found


def unchanged(entity: Entity, etags: frozenset[str], edit: Edit) -> Edit:
    """Return an edit that is only made of the entry that the client has read, and raises `Stale` else."""

    def edit_unchanged(values: Values) -> Values:
        if entity.etag(entity.read(values)) not in etags:
            raise Stale
        return edit(values)

    return edit_unchanged


@functools.cache
def _key() -> bytes:
    return hashlib.sha256(conf.get("api", "secret_key").encode()).digest()
