"""Reads Terraform's JSON: which resources and data sources there are, with their values."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from astro_auth_plugin.cli.exit_codes import CommandFailed
from astro_auth_plugin.cli.inputs import read_input

_STATE_VERSION = 4


class Resource(NamedTuple):
    """A resource of a state, or a data source.

    `kind` is its type, with `data.` before that of a data source; `address` says which one it is.
    """

    kind: str
    address: str
    values: dict[str, Any]


def read_resources(path: Path) -> list[Resource]:
    """Read what `terraform show -json` prints, a terraform.tfstate, or resources as .tf.json.

    Raises:
        CommandFailed: if the file is none of them. What is in it is not repeated: a state has secrets.
    """
    try:
        document = json.loads(read_input(path))
    except OSError as error:
        raise CommandFailed(f"{path}: cannot read the state: {error.strerror or error}") from None
    except (ValueError, RecursionError):
        raise CommandFailed(f"{path}: not JSON; `terraform show -json` prints a state as JSON") from None
    try:
        return list(_resources(document))
    except (AttributeError, KeyError, TypeError, ValueError, RecursionError):
        raise CommandFailed(f"{path}: this JSON is not shaped like a Terraform state") from None
    except CommandFailed as failure:
        raise CommandFailed(f"{path}: {failure}") from None


def _resources(document: Any) -> Iterator[Resource]:
    if "planned_values" in document:
        raise CommandFailed(
            "a plan has resources that do not exist yet; use the state that `terraform show -json` prints"
        )
    if "format_version" in document:
        # An empty state has no values.
        return _of_module(document.get("values", {}).get("root_module", {}))
    if "resources" in document:
        if document["version"] != _STATE_VERSION:
            raise CommandFailed("a state of another version than 4; print it with `terraform show -json`")
        return _of_state(document["resources"])
    if "resource" in document or "data" in document:
        return _of_configuration(document)
    raise ValueError


def _of_module(module: Any) -> Iterator[Resource]:
    for resource in module.get("resources", ()):
        # What is deposed is about to be destroyed.
        if "deposed_key" not in resource:
            kind = _kind(resource["type"], is_data=resource["mode"] == "data")
            yield Resource(kind, str(resource["address"]), dict(resource["values"]))
    for child in module.get("child_modules", ()):
        yield from _of_module(child)


def _of_state(resources: Any) -> Iterator[Resource]:
    for resource in resources:
        kind = _kind(resource["type"], is_data=resource["mode"] == "data")
        where = ".".join(filter(None, [resource.get("module"), kind, resource["name"]]))
        for instance in resource["instances"]:
            if "deposed" not in instance:
                key = f"[{json.dumps(instance['index_key'])}]" if "index_key" in instance else ""
                yield Resource(kind, where + key, dict(instance["attributes"]))


def _of_configuration(document: Any) -> Iterator[Resource]:
    for block, is_data in (("resource", False), ("data", True)):
        for type_name, named in document.get(block, {}).items():
            for name, values in named.items():
                kind = _kind(type_name, is_data=is_data)
                yield Resource(kind, f"{kind}.{name}", dict(values))


def _kind(type_name: str, *, is_data: bool) -> str:
    return f"data.{type_name}" if is_data else str(type_name)
