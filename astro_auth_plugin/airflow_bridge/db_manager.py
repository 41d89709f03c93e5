"""Brings the plugin's table into Airflow's metadata database: `airflow db migrate` makes and upgrades it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from airflow import __version__ as airflow_version
from airflow import settings
from airflow.providers.fab.auth_manager.models.db import FABDBManager
from airflow.utils.db_manager import BaseDBManager
from packaging.version import Version
from sqlalchemy import inspect

from astro_auth_plugin.airflow_bridge.sign_ins import SIGN_INS, metadata

_HERE = Path(__file__).parent


class AstroDBManager(BaseDBManager):
    """Airflow calls it beside its own migrations; from 3.2 on it finds it in the list of what providers bring."""

    metadata = metadata
    version_table_name = "alembic_version_astro_auth"
    migration_dir = str(_HERE / "migrations")
    alembic_file = str(_HERE / "migrations" / "alembic.ini")
    supports_table_dropping = True


class FABAndAstroDBManager(FABDBManager):
    """Both, for Airflow 3.1: it asks the auth manager for one, and nobody else."""

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
        """Bring the tables of FAB to the revision that is asked for, and ours to the newest."""
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


def has_table() -> bool:
    """Whether the table is there."""
    return inspect(settings.engine).has_table(SIGN_INS.name)
