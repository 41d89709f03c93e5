"""How shadow mode gets into the server: light, since every process of Airflow loads plugins, not only the server."""

from __future__ import annotations

import logging
from typing import Any

from astro_auth_plugin.runtime.settings import SettingsError, is_active, is_shadow_on

log = logging.getLogger(__name__)


def shadow_middleware(app: Any) -> Any:
    """Return the middleware around an ASGI app; the app as it is where shadow mode is off or cannot be had.

    Whatever is wrong with shadow mode, the server starts without it.
    """
    try:
        if not is_shadow_on() or is_active():
            return app
        from astro_auth_plugin.shadow.middleware import ShadowMiddleware  # noqa: PLC0415 - only a server needs it

        return ShadowMiddleware(app)
    except SettingsError as error:
        log.error("No shadow mode: %s", error)  # noqa: TRY400 - the message says it all
    except Exception:
        log.exception("No shadow mode, because it cannot be installed")
    return app
