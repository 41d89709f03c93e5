"""What one server process does before its first request: everything that it cannot run without is looked at here."""

from __future__ import annotations

import logging
import multiprocessing
from typing import NoReturn

from airflow.exceptions import AirflowConfigException
from sqlalchemy.exc import SQLAlchemyError

from astro_auth_plugin.access_management import policy_audit
from astro_auth_plugin.accounts import account_guard, accounts, db_manager
from astro_auth_plugin.accounts.identity_cache import IdentityCache
from astro_auth_plugin.authentication.authenticator import Authenticator
from astro_auth_plugin.authentication.trusted_issuers import Issuers, parse_issuers
from astro_auth_plugin.authorization import audit_rows, route_rules
from astro_auth_plugin.authorization.dag_cache import DagCache
from astro_auth_plugin.authorization.route_table import RouteTableError
from astro_auth_plugin.runtime import log_filters, state, version_compat
from astro_auth_plugin.runtime.policy_store import PolicyRefused, PolicyStore
from astro_auth_plugin.runtime.settings import SettingsError, read_settings
from astro_auth_plugin.runtime.state import State
from astro_auth_plugin.web import registration, size_limits

log = logging.getLogger(__name__)

# uvicorn stops altogether when a worker ends with this, and starts the worker again, for ever, after any other.
STARTUP_FAILURE = 3


def start() -> None:
    """Load the policy and install what listens, or refuse to start.

    Raises:
        AirflowConfigException: without a policy, or on a release of Airflow that is not supported. The server does not
            start then; the message lists everything that is wrong.
    """
    if reason := version_compat.unsupported():
        _stop_server(reason)
    if not db_manager.has_tables():
        _stop_server("The tables of astro_auth_plugin are missing or too old: run `airflow db migrate`")
    try:
        route_rules.rules(route_rules.RELEASE)
        settings = read_settings()
        # Versions in the database are recorded where they are published.
        policy_store = (
            PolicyStore(settings, policy_audit.record_file) if settings.policy_file else PolicyStore(settings)
        )
        issuers = Issuers(parse_issuers(settings.trusted_issuers))
    except (RouteTableError, SettingsError, PolicyRefused) as error:
        _stop_server(str(error))
    if not registration.is_installed():
        _stop_server(
            "Airflow has not loaded the plugin `astro_auth`, without which requests cannot be decided on; "
            "is astro_auth_plugin installed with its entry points?"
        )
    account_guard.install()
    log_filters.install()
    issuers.fetch_keys()
    audit_rows.install()
    size_limits.limit_ranges()
    dag_cache = DagCache(settings.tag_cache_ttl)
    _note_emails()
    state.start(
        State(
            settings=settings,
            policy_store=policy_store,
            authenticator=Authenticator(policy_store, issuers, dag_cache, IdentityCache(settings.identity_cache_ttl)),
            dag_cache=dag_cache,
        )
    )


def _note_emails() -> None:
    try:
        accounts.note_emails()
    except SQLAlchemyError:
        # Requests do it again, or do without.
        log.exception("Cannot note the e-mails of accounts")


def _stop_server(why: str) -> NoReturn:
    """Keep the server from starting."""
    if multiprocessing.parent_process() is not None:
        # One worker of several.
        log.critical("%s", why)
        raise SystemExit(STARTUP_FAILURE)
    raise AirflowConfigException(why)
