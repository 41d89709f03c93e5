"""What the api-server of this installation reads at its start, for `airflow astro-auth doctor`; nothing is written."""

from __future__ import annotations

import os
from functools import cached_property
from typing import Any
from urllib.parse import SplitResult, urlsplit

from airflow.configuration import conf
from airflow.utils.providers_configuration_loader import providers_configuration_loaded
from flask import Flask

from astro_auth_plugin.doctor import request_probe
from astro_auth_plugin.doctor.request_probe import Seen
from astro_auth_plugin.rbac.engine.engine import Engine
from astro_auth_plugin.runtime import policy_store
from astro_auth_plugin.runtime.settings import SettingsError, read_settings


class UnreadableConfig(Exception):
    """webserver_config.py fails when it is executed; the message has only the kind of error, a value may be secret."""


class Installation:
    """The options of Airflow and FAB, read on first use.

    Args:
        proxy_headers: whether the api-server is started with `--proxy-headers`, which no option says.
    """

    # As for the api-server: before Airflow 3.2 FAB's own defaults are not there otherwise.
    @providers_configuration_loaded
    def __init__(self, *, proxy_headers: bool = False) -> None:
        self.proxy_headers = proxy_headers

    def option(self, section: str, name: str) -> str:
        """Return an option as text; '' when neither the installation nor a default sets it."""
        return str(conf.get(section, name, fallback="") or "").strip()

    def truth(self, section: str, name: str) -> bool:
        """Return whether an option says yes."""
        return bool(conf.getboolean(section, name, fallback=False))

    def is_set(self, section: str, name: str) -> bool:
        """Whether the installation sets an option, itself, by a command or by a secret, and not only a default does."""
        _, source = self._sources.get(section, {}).get(name) or ("", "default")
        return not source.startswith(("default", "provider"))

    @cached_property
    def _sources(self) -> dict[str, Any]:
        # Values of secrets are hidden in there.
        return dict(conf.as_dict(display_source=True))

    @property
    def base_url(self) -> SplitResult:
        """`[api] base_url` in its parts.

        Raises:
            ValueError: if it is no URL.
        """
        return urlsplit(self.option("api", "base_url"))

    @property
    def is_behind_tls(self) -> bool:
        """Whether users connect with https and a proxy terminates TLS."""
        return self.base_url.scheme == "https" and not self.option("api", "ssl_cert")

    @property
    def forwarded_allow_ips(self) -> str:
        """The clients whose forwarded headers uvicorn trusts with `--proxy-headers`; empty if it is not set."""
        return os.environ.get("FORWARDED_ALLOW_IPS", "").strip()

    @cached_property
    def fab(self) -> Flask:
        """An application with the settings of webserver_config.py, and what FAB's own application reads before them.

        Raises:
            UnreadableConfig: if the file cannot be executed.
        """
        app = Flask("airflow")
        app.config["SESSION_COOKIE_SECURE"] = self.truth("fab", "cookie_secure")
        app.config["SESSION_COOKIE_SAMESITE"] = self.option("fab", "cookie_samesite") or None
        path = self.option("fab", "config_file")
        try:
            with app.app_context():
                app.config.from_pyfile(path, silent=True)
        except (Exception, SystemExit) as error:  # noqa: BLE001 - the file is Python, so anything can happen in it
            line = getattr(error, "lineno", None) or _last_line_in(error, path)
            raise UnreadableConfig(f"{path}:{line}: {type(error).__name__}") from None
        return app

    @cached_property
    def engine(self) -> Engine | None:
        """The policy, compiled for this Deployment; None when it cannot be used, which a check of its own says."""
        try:
            settings = read_settings()
            good = policy_store.check_policy(settings).policy
            return good and policy_store.compile_policy(settings, good)
        except (SettingsError, policy_store.PolicyRefused):
            return None

    @property
    def oauth_providers(self) -> list[str]:
        """The names of the OAuth providers in webserver_config.py."""
        return [str(provider["name"]) for provider in self.fab.config.get("OAUTH_PROVIDERS", [])]

    @cached_property
    def seen(self) -> Seen:
        """What the api-server makes of the request of a browser at `base_url`."""
        return request_probe.send(
            self.fab, self.base_url, self.oauth_providers, believes_headers=self.proxy_headers, hops=self._hops
        )

    @property
    def _hops(self) -> dict[str, int]:
        return {name: conf.getint("fab", f"proxy_fix_{name}", fallback=1) for name in ("x_proto", "x_host")}


def _last_line_in(error: BaseException, path: str) -> int:
    line, trace = 0, error.__traceback__
    while trace is not None:
        line = trace.tb_lineno if trace.tb_frame.f_code.co_filename == path else line
        trace = trace.tb_next
    return line
