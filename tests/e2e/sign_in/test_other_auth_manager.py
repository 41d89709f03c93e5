"""The package is installed, and another auth manager is configured."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.e2e.stock import STOCK

from .small import Person, running

pytestmark = [pytest.mark.e2e, pytest.mark.slow]


def test_sign_out(tmp_path: Path) -> None:
    """Signing out logs no traceback, and a request passes as if the package were not installed."""
    # Of a folder of its own: the database that is migrated here lacks the table of this package.
    with running(tmp_path / "stock" / "airflow", "none.py", {"AIRFLOW__CORE__AUTH_MANAGER": STOCK}) as airflow:
        http = Person(airflow.url).http
        answers = [http.get(way_out, follow_redirects=False) for way_out in ("/api/v2/auth/logout", "/auth/logout")]
        assert [answer.status_code for answer in answers] == [307, 307]
        assert "www-authenticate" not in http.get("/api/v2/dags").headers
        assert "Traceback" not in airflow.log()
        assert "could not be revoked" not in airflow.log()
