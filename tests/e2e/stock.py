"""An Airflow with its own auth manager, to see whether a failure is Airflow's."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import httpx

from .client import Caller
from .fuzz import send
from .kept import Kept
from .live import LiveAirflow
from .tables import people

PACKAGE = Path(__file__).parents[2] / "astro_auth_plugin"
STOCK = "airflow.providers.fab.auth_manager.fab_auth_manager.FabAuthManager"


class StockAirflow:
    """A server with Airflow's own auth manager, on a copy of the database; it starts when it is first asked."""

    def __init__(self, home: Path, like: LiveAirflow) -> None:
        self._file = home / "airflow.db"
        # Airflow loads the plugins of every package that is installed; of this one it finds nothing to load here.
        hidden = home / "hidden" / "astro_auth_plugin"
        hidden.mkdir(parents=True)
        for name in ("__init__.py", "provider_info.py"):
            shutil.copy(PACKAGE / name, hidden)
        # Airflow does not start without the module of the entry point of cluster policies; an empty one has none.
        (hidden / "tag_protection").mkdir()
        for name in ("__init__.py", "cluster_policy.py"):
            (hidden / "tag_protection" / name).touch()
        changed = {
            "AIRFLOW__CORE__AUTH_MANAGER": STOCK,
            # No policy is published for it.
            "AIRFLOW__ASTRO_AUTH__POLICY_STORE": "file",
            "AIRFLOW__LOGGING__BASE_LOG_FOLDER": str(like.home / "logs"),
            "PYTHONPATH": str(hidden.parent),
        }
        self._live = LiveAirflow(home, database=f"sqlite:///{self._file}", settings=changed)
        self._admin: Caller | None = None

    def answer(self, case: Any, database: Kept) -> int:
        """The status of what an Admin is answered, with the database as it is kept."""
        database.put_back(self._file)
        if self._admin is None:
            self._live.start()
            admin = next(person for person in people() if person.user == "fab.admin")
            with httpx.Client(base_url=self._live.url, timeout=180) as client:
                self._admin = Caller(client, admin)
        return send(case, self._live.url, self._admin).status_code

    def stop(self) -> None:
        """Ends the server, if it was started."""
        self._live.stop()
