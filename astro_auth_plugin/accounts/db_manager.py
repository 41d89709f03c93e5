"""Brings the plugin's tables into Airflow's metadata database: `airflow db migrate` makes and upgrades it."""

from __future__ import annotations

import functools
import logging
from pathlib import Path
from typing import Any

from airflow import __version__ as airflow_version
from airflow import settings
from airflow.providers.fab.auth_manager.models.db import FABDBManager
from airflow.utils.db_manager import BaseDBManager
from airflow.utils.session import create_session
from packaging.version import Version
from sqlalchemy import inspect

from astro_auth_plugin.accounts.identities import IDENTITIES
from astro_auth_plugin.accounts.sign_ins import SIGN_INS
from astro_auth_plugin.runtime.database import metadata
from astro_auth_plugin.runtime.policy_versions import VERSIONS
from astro_auth_plugin.runtime.shadow_records import SHADOW

log = logging.getLogger(__name__)

TABLES = (SIGN_INS, IDENTITIES, VERSIONS, SHADOW)
_HERE = Path(__file__).parent


class AstroDBManager(BaseDBManager):
    """Airflow calls it beside its own migrations; from 3.2 on it finds it in the list of what providers bring."""

    metadata = metadata
    version_table_name = "alembic_version_astro_auth"
    migration_dir = str(_HERE / "alembic")
    alembic_file = str(_HERE / "alembic" / "alembic.ini")
    supports_table_dropping = True

    def get_alembic_config(self) -> Any:
        """Return alembic's configuration, with the folder of the revisions."""
        config = super().get_alembic_config()  # type: ignore[no-untyped-call]
        config.set_main_option("version_locations", str(_HERE / "migrations").replace("%", "%%"))
        return config

    def check_migration(self) -> bool:
        """Whether the tables are as this version wants them, or as a newer version has left them."""
        return self._is_newer() or bool(super().check_migration())  # type: ignore[no-untyped-call]

    def upgradedb(self, *args: Any, **kwargs: Any) -> None:
        """Bring the tables to the newest revision, unless a newer version of the plugin has done more already."""
        if not self._is_newer():
            super().upgradedb(*args, **kwargs)  # type: ignore[no-untyped-call]

    def _is_newer(self) -> bool:
        # A version that was rolled back must be able to migrate, or the roll-back of the whole image would fail.
        current = self.get_current_revision()  # type: ignore[no-untyped-call]
        known = {script.revision for script in self.get_script_object().walk_revisions()}
        if current is None or current in known:
            return False
        _warn_of_newer(current, max(known))
        return True


@functools.cache
def _warn_of_newer(current: str, newest: str) -> None:
    log.warning(
        "The tables of astro_auth_plugin are at revision %s, which is newer than this version's %s; "
        "they are left as they are and can be used, since revisions only add to what is there",
        current,
        newest,
    )


class FABAndAstroDBManager(FABDBManager):
    """Both, for Airflow 3.1: it takes one of the auth manager, and no others."""

    @property
    def _astro(self) -> Any:
        manager: Any = AstroDBManager
        return manager(self.session)

    def check_migration(self) -> bool:
        """Whether the tables of both are as this version wants them."""
        return bool(super().check_migration() and self._astro.check_migration())  # type: ignore[no-untyped-call]

    def initdb(self, *args: Any, **kwargs: Any) -> None:
        """Make the tables of both."""
        super().initdb(*args, **kwargs)  # type: ignore[no-untyped-call]
        self._astro.initdb()

    def upgradedb(self, *args: Any, **kwargs: Any) -> None:
        """Bring the tables of FAB to the requested revision, and ours to the newest."""
        super().upgradedb(*args, **kwargs)
        self._astro.upgradedb(show_sql_only=kwargs.get("show_sql_only", False))

    def drop_tables(self, connection: Any) -> None:
        """Drop the tables of both."""
        super().drop_tables(connection)  # type: ignore[no-untyped-call]
        self._astro.drop_tables(connection)


def of_auth_manager(of_fab: str | None) -> str | None:
    """Return the manager that the auth manager names to Airflow, where FAB's would be this one."""
    if Version(airflow_version) >= Version("3.2.0.dev0"):
        return of_fab
    return f"{FABAndAstroDBManager.__module__}.{FABAndAstroDBManager.__qualname__}"


def has_tables() -> bool:
    """Whether the tables are there; a warning says so if a newer version of the plugin has made them."""
    found = inspect(settings.engine)
    if not all(found.has_table(table.name) for table in TABLES):
        return False
    with create_session(scoped=False) as session:
        manager: Any = AstroDBManager
        return bool(manager(session).check_migration())
