"""What a policy says of protected tags: whether it makes sense, and the rules that follow for one Deployment."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
from typing import Any

from astro_auth_plugin.rbac.policy_checks import Finding, did_you_mean
from astro_auth_plugin.rbac.policy_document import PolicyDocument, ProtectedTag
from astro_auth_plugin.rbac.policy_text import Path
from astro_auth_plugin.rbac.tag_rules import Place, TagRules

_DAG_FILES = (".py", ".zip")


def rules(document: PolicyDocument, deployment_id: str) -> TagRules:
    """Return the rules of a document without errors for one of its Deployments."""
    here = [entry for entry in document.protected_tags if entry.deployment_id == deployment_id]
    entries = {entry.tag: tuple(Place(place.bundle, tuple(place.files)) for place in entry.only_in) for entry in here}
    granted = [tag for where, tag in granted_tags(document) if where == deployment_id]
    return TagRules(entries, granted if document.protect_granted_tags else ())


def granted_tags(document: PolicyDocument) -> dict[tuple[str, str], Path]:
    """Return every tag that a grant uses, as Deployment and tag, with the place of the first such grant."""
    found: dict[tuple[str, str], Path] = {}
    for key, holders in (("teams", document.teams), ("users", document.users)):
        for number, holder in enumerate(holders):
            for index, grant in enumerate(holder.dag_roles):
                if grant.tag:
                    found.setdefault((grant.deployment_id, grant.tag), (key, number, "dag_roles", index, "tag"))
    for number, token in enumerate(document.api_tokens):
        for index, role in enumerate(token.roles):
            if role.entity_type == "DAG_TAG":
                where = (role.deployment_id, role.entity_id)
                found.setdefault(where, ("api_tokens", number, "roles", index, "entity_id"))
    return found


def errors(values: dict[str, Any]) -> Iterator[Finding]:
    """Yield what is wrong across the entries of `protected_tags`, of values that may have any shape."""
    deployments = {entry.get("id") for entry in _mappings(values.get("deployments")).values()}
    seen = set()
    for index, entry in _mappings(values.get("protected_tags")).items():
        where, tag = entry.get("deployment_id"), entry.get("tag")
        if not isinstance(where, str) or not isinstance(tag, str):
            continue
        if where not in deployments:
            hint = did_you_mean(where, [known for known in deployments if isinstance(known, str)])
            message = f"Deployment `{where}` is not listed in this file{hint}"
            yield Finding(("protected_tags", index, "deployment_id"), message)
        if (where, tag) in seen:
            message = f"protected tag `{tag}` of Deployment `{where}` stands here a second time"
            yield Finding(("protected_tags", index, "tag"), message)
        seen.add((where, tag))


def warnings(document: PolicyDocument) -> Iterator[Finding]:
    """Yield what is allowed but likely not meant, of a document without errors."""
    granted = granted_tags(document)
    in_order = sorted(granted)
    for index, entry in enumerate(document.protected_tags):
        # The first granted tag that is not before the protected one is it, or begins so, if any does.
        begins = entry.tag.removesuffix("*")
        at = bisect_left(in_order, (entry.deployment_id, begins))
        where, tag = in_order[at] if at < len(in_order) else ("", "")
        if where != entry.deployment_id or not (tag.startswith(begins) if entry.tag.endswith("*") else tag == begins):
            yield _warning(("protected_tags", index, "tag"), f"no grant uses the protected tag `{entry.tag}`")
        yield from _unmatchable(("protected_tags", index), entry)
    if document.protect_granted_tags:
        yield from _unplaced(document, granted)


def _unmatchable(path: Path, entry: ProtectedTag) -> Iterator[Finding]:
    for number, place in enumerate(entry.only_in):
        for position, pattern in enumerate(place.files):
            name = pattern.rpartition("/")[2]
            end = name.rpartition("*")[2]
            if name and not any(end.endswith(dag) or (end != name and dag.endswith(end)) for dag in _DAG_FILES):
                message = f"no Dag file is named `{name}`: they end in `.py` or `.zip`, and a folder in `/`"
                yield _warning((*path, "only_in", number, "files", position), message)


def _unplaced(document: PolicyDocument, granted: dict[tuple[str, str], Path]) -> Iterator[Finding]:
    by_deployment = {where: rules(document, where) for where in {where for where, _ in granted}}
    for (where, tag), path in granted.items():
        if by_deployment[where].places(tag) == ():
            yield _warning(path, f"no Dag may carry the tag `{tag}`: `protected_tags` does not say where")


def _warning(path: Path, message: str) -> Finding:
    return Finding(path, message, "warning")


def _mappings(items: Any) -> dict[int, dict[str, Any]]:
    listed = items if isinstance(items, list) else []
    return {index: item for index, item in enumerate(listed) if isinstance(item, dict)}
