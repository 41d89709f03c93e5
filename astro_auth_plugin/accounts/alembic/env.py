"""Run by alembic: the revisions in `migrations`, in Airflow's metadata database or as SQL text."""

from __future__ import annotations

from typing import Any

from airflow import settings
from alembic import context

from astro_auth_plugin.accounts.db_manager import AstroDBManager

options: dict[str, Any] = {
    "target_metadata": AstroDBManager.metadata,
    "version_table": AstroDBManager.version_table_name,
}

if context.is_offline_mode():
    context.configure(url=settings.SQL_ALCHEMY_CONN, literal_binds=True, **options)
    with context.begin_transaction():
        context.run_migrations()
elif settings.engine is not None:
    with settings.engine.connect() as connection:
        context.configure(connection=connection, transaction_per_migration=True, **options)
        with context.begin_transaction():
            context.run_migrations()
