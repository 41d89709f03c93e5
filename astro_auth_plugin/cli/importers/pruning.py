"""Takes out of a draft what no policy may say, until it is a valid policy; each time less is given, never more."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, NamedTuple

from astro_auth_plugin.cli.importers.policy_draft import Draft, Entry
from astro_auth_plugin.rbac.policy import loader
from astro_auth_plugin.rbac.policy.yaml_reader import Path

_WHAT = {"workspaces": "Workspace", "deployments": "Deployment", "roles": "role", "teams": "Team", "users": "user"}
_INNER = ("permissions", "members", "workspace_roles", "deployment_roles", "dag_roles")


class _Cut(NamedTuple):
    """What is to be taken out: an entry of a list, or with `key` what is in it, at `position` if that is a list."""

    list: str
    entry: int
    key: str = ""
    position: int = -1


def prune(draft: Draft) -> None:
    """Take out whatever the checks of a policy call an error, and list it with what they say.

    Errors that concern no entry are left: they stop the policy when it is written.
    """
    while cuts := _cuts(draft):
        # From the end, so that the positions of what is still to come stay true.
        for cut in sorted(cuts, reverse=True):
            entries = draft.lists[cut.list]
            if not cut.key:
                draft.left_out.append(f"{_name(cut, entries[cut.entry])}: {cuts[cut]}")
                del entries[cut.entry]
            elif _Cut(cut.list, cut.entry) not in cuts:
                entries[cut.entry] = _without(draft, cut, entries[cut.entry], cuts[cut])


def _cuts(draft: Draft) -> dict[_Cut, str]:
    found: dict[_Cut, str] = {}
    for problem in loader.from_values(draft.values()).errors:
        parts = _parts(problem.path)
        if parts and parts[0][0] in draft.lists and parts[0][1] >= 0:
            found.setdefault(_cut(parts), problem.message)
    return found


def _parts(path: Path) -> list[tuple[str, int]]:
    """Return the keys of a path, each with the position in the list that it has; -1 where it has none."""
    # Nothing, for what is said of no part of the policy.
    pairs = zip(path, (*path[1:], None), strict=False)
    return [(key, after if isinstance(after, int) else -1) for key, after in pairs if isinstance(key, str)]


def _cut(parts: list[tuple[str, int]]) -> _Cut:
    (name, entry), *inner = parts
    if inner and (inner[0][0] == "organization_role" or (inner[0][0] in _INNER and inner[0][1] >= 0)):
        return _Cut(name, entry, *inner[0])
    # Also for `restricted_workspace_ids`: with one less, a role might be restricted to nothing any more.
    return _Cut(name, entry)


def _without(draft: Draft, cut: _Cut, entry: Entry, why: str) -> Entry:
    values: dict[str, Any] = dict(entry.values)
    if cut.position < 0:
        out = values.pop(cut.key)
    else:
        values[cut.key] = list(values[cut.key])
        out = values[cut.key].pop(cut.position)
    spelled = json.dumps(out, ensure_ascii=False) if isinstance(out, Mapping) else f"`{out}`"
    draft.left_out.append(f"{_name(cut, entry)}: {cut.key} {spelled}: {why}")
    return entry._replace(values=values)


def _name(cut: _Cut, entry: Entry) -> str:
    reported = next((entry.values[key] for key in ("email", "name", "id") if entry.values.get(key)), "")
    return f"{_WHAT[cut.list]} `{reported}`"
