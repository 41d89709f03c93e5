"""What roles on connections, Variables and pools allow besides, or do not allow at all."""

from __future__ import annotations

from collections.abc import Iterator

from astro_auth_plugin.rbac.model.permissions import mask
from astro_auth_plugin.rbac.model.resources import NOUNS
from astro_auth_plugin.rbac.policy.diagnostics import Diagnostic, warning
from astro_auth_plugin.rbac.policy.document import PolicyDocument
from astro_auth_plugin.rbac.policy.grants import object_grants, role_permissions

_UPDATE, _CREATE = mask("connection.update"), mask("connection.create")
_ALLOWS_BESIDES = (
    (
        _UPDATE,
        "connection-update-shows-password",
        "`connection.update` is as good as reading the password: what it changes is sent to the host it sets",
    ),
    (
        _CREATE,
        "connection-create-connects",
        "`connection.create` also tests connections from the api-server to any host, if `[core] test_connection` is on",
    ),
)


def warnings(document: PolicyDocument) -> Iterator[Diagnostic]:
    """Yield what is allowed but likely not meant; of what roles allow besides, the first grant that does."""
    on_objects = [*object_grants(document)]
    permissions = role_permissions(document) if on_objects else {}
    reported = 0
    for grant in on_objects:
        held, kind, path = grant.scope.narrowed(permissions[grant.role]), grant.scope.object_kind, (*grant.path, "role")
        if not held and kind:
            message = f"role `{grant.role}` has no permission on {NOUNS[kind]}s, so this grant has no effect"
            yield warning(path, message, "object-role-without-effect")
        for bit, rule, message in _ALLOWS_BESIDES:
            if held & bit & ~reported:
                yield warning(path, message, rule)
                reported |= bit
