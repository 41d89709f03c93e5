"""What a policy says of protected tags: whether it makes sense, and the rules that follow for one Deployment."""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import Any

from astro_auth_plugin.rbac.policy.diagnostics import Diagnostic, warning
from astro_auth_plugin.rbac.policy.document import PolicyDocument, ProtectedTag
from astro_auth_plugin.rbac.policy.grants import grants
from astro_auth_plugin.rbac.policy.hints import Hints
from astro_auth_plugin.rbac.policy.tag_rules import Place, TagRules
from astro_auth_plugin.rbac.policy.yaml_reader import Path

_DAG_FILES = (".py", ".zip")


def rules(document: PolicyDocument, deployment_id: str) -> TagRules:
    """Return the rules of a document without errors for one of its Deployments."""
    here = [entry for entry in document.protected_tags if entry.deployment_id == deployment_id]
    granted = granted_tags(document) if document.protect_granted_tags else ()
    return _rules(here, (tag for where, tag in granted if where == deployment_id))


def _rules(entries: Iterable[ProtectedTag], granted: Iterable[str]) -> TagRules:
    places = {entry.tag: tuple(Place(place.bundle, tuple(place.files)) for place in entry.only_in) for entry in entries}
    return TagRules(places, granted)


def granted_tags(document: PolicyDocument) -> dict[tuple[str, str], Path]:
    """Return every tag that a grant uses, as Deployment and tag, with the place of the first such grant."""
    found: dict[tuple[str, str], Path] = {}
    for grant in grants(document):
        if grant.scope.kind == "tag":
            found.setdefault((grant.scope.deployment_id, grant.scope.id), grant.id_path)
    return found


def errors(values: dict[str, Any], hints: Hints | None = None) -> Iterator[Diagnostic]:
    """Yield what is wrong across the entries of `protected_tags`, of values that may have any shape."""
    hints = hints or Hints()
    listed = (entry.get("id") for entry in _mappings(values.get("deployments")).values())
    deployments = {text for text in listed if isinstance(text, str)}
    seen = set()
    for index, entry in _mappings(values.get("protected_tags")).items():
        where, tag = entry.get("deployment_id"), entry.get("tag")
        if not isinstance(where, str) or not isinstance(tag, str):
            continue
        if where not in deployments:
            message = f"Deployment `{where}` is not listed in this file{hints.did_you_mean(where, deployments)}"
            yield Diagnostic(("protected_tags", index, "deployment_id"), message)
        if (where, tag) in seen:
            message = f"duplicate protected tag `{tag}` of Deployment `{where}`"
            yield Diagnostic(("protected_tags", index, "tag"), message)
        seen.add((where, tag))


def warnings(document: PolicyDocument) -> Iterator[Diagnostic]:
    """Yield what is allowed but likely not meant, of a document without errors."""
    if not document.protected_tags and not document.protect_granted_tags:
        return
    granted = granted_tags(document)
    in_order = sorted(granted)
    for index, entry in enumerate(document.protected_tags):
        # The first granted tag that is not before the protected one is it, or begins so, if any does.
        begins = entry.tag.removesuffix("*")
        at = bisect_left(in_order, (entry.deployment_id, begins))
        where, tag = in_order[at] if at < len(in_order) else ("", "")
        if where != entry.deployment_id or not (tag.startswith(begins) if entry.tag.endswith("*") else tag == begins):
            yield warning(("protected_tags", index, "tag"), f"no grant uses the protected tag `{entry.tag}`")
        yield from _unmatchable(("protected_tags", index), entry)
    if document.protect_granted_tags:
        yield from _unplaced(document, granted)


def _unmatchable(path: Path, entry: ProtectedTag) -> Iterator[Diagnostic]:
    for number, place in enumerate(entry.only_in):
        for position, pattern in enumerate(place.files):
            name = pattern.rpartition("/")[2]
            end = name.rpartition("*")[2]
            if name and not any(end.endswith(dag) or (end != name and dag.endswith(end)) for dag in _DAG_FILES):
                message = f"no Dag file is named `{name}`: they end in `.py` or `.zip`, and a folder in `/`"
                yield warning((*path, "only_in", number, "files", position), message)


def _unplaced(document: PolicyDocument, granted: dict[tuple[str, str], Path]) -> Iterator[Diagnostic]:
    # Grouped in one pass: `rules` reads the whole document, and there can be a thousand Deployments.
    entries: defaultdict[str, list[ProtectedTag]] = defaultdict(list)
    for entry in document.protected_tags:
        entries[entry.deployment_id].append(entry)
    by_deployment = {where: _rules(listed, ()) for where, listed in entries.items()}
    for (where, tag), path in granted.items():
        if where not in by_deployment or by_deployment[where].places(tag) is None:
            yield warning(path, f"no Dag may use the tag `{tag}`: `protected_tags` names no place for it")


def _mappings(items: Any) -> dict[int, dict[str, Any]]:
    listed = items if isinstance(items, list) else []
    return {index: item for index, item in enumerate(listed) if isinstance(item, dict)}
