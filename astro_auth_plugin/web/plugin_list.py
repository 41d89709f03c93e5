"""Airflow's list of plugins, from which its pages know the pages of plugins: each user gets what they may see."""

from __future__ import annotations

import json
from typing import Any

from astro_auth_plugin.authorization import action_map, authorizer
from astro_auth_plugin.rbac.engine.visibility import visibility_of
from astro_auth_plugin.runtime.identity import AstroIdentity
from astro_auth_plugin.runtime.request_context import RequestContext

_OK = 200
_OWN = "astro_auth"
_READERS_PAGE = "access"
_NAMED = ("name", "react_apps")


def is_cut(context: RequestContext, status: int) -> bool:
    """Whether an answer is the list."""
    return status == _OK and context.route == action_map.PLUGIN_LIST


def cut(identity: AstroIdentity | None, body: bytes) -> bytes:
    """Return the list with what the caller may see.

    Anyone who may not see plugins gets this plugin's own pages, and nothing else of any plugin; the page about the
    access of others is only listed for those who may read that.
    """
    return json.dumps(_cut(identity, json.loads(body))).encode() if body else b""


def _cut(identity: AstroIdentity | None, listed: dict[str, Any]) -> dict[str, Any]:
    plugins = listed["plugins"]
    if identity is None or not authorizer.may_see_all_plugins(identity):
        plugins = [_pages_alone(plugin) for plugin in plugins if plugin["name"] == _OWN]
        listed = {**listed, "total_entries": len(plugins)}
    if identity is None or not visibility_of(identity.engine, identity.subject, identity.groups).access:
        plugins = [_without_readers_page(plugin) for plugin in plugins]
    return {**listed, "plugins": plugins}


def _pages_alone(plugin: dict[str, Any]) -> dict[str, Any]:
    empty: dict[type, Any] = {list: [], str: "", dict: {}}
    return {key: value if key in _NAMED else empty.get(type(value)) for key, value in plugin.items()}


def _without_readers_page(plugin: dict[str, Any]) -> dict[str, Any]:
    if plugin["name"] != _OWN:
        return plugin
    return {**plugin, "react_apps": [each for each in plugin["react_apps"] if each["url_route"] != _READERS_PAGE]}
