"""Airflow's list of plugins, from which its pages know the pages of plugins: each user gets what they may see."""

from __future__ import annotations

import json
from typing import Any

from starlette.types import Message, Send

from astro_auth_plugin.authorization import action_map, authorizer
from astro_auth_plugin.rbac.engine.visibility import visibility_of
from astro_auth_plugin.runtime.identity import AstroIdentity
from astro_auth_plugin.runtime.request_context import RequestContext

_OK = 200
_OWN = "astro_auth"
_READERS_PAGE = "access"
_NAMED = ("name", "react_apps")


def cut(context: RequestContext, send: Send) -> Send:
    """Return a `send` that leaves in the list what the caller may see.

    Anyone who may not see plugins gets this plugin's own pages, and nothing else of any plugin; the page about the
    access of others is only listed for those who may read that.
    """
    started: list[Message] = []
    body = bytearray()

    async def send_cut(message: Message) -> None:
        is_start = message["type"] == "http.response.start"
        if is_start and message["status"] == _OK and context.route == action_map.PLUGIN_LIST:
            started.append(message)
        elif message["type"] == "http.response.body" and started:
            body.extend(message.get("body", b""))
            if message.get("more_body"):
                return
            start = started.pop()
            text = json.dumps(_cut(context.actor, json.loads(body))).encode() if body else b""
            headers = [each for each in start["headers"] if each[0].lower() != b"content-length"]
            length = (b"content-length", str(len(text)).encode())
            await send({**start, "headers": [*headers, length]})
            await send({"type": "http.response.body", "body": text})
        else:
            await send(message)

    return send_cut


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
