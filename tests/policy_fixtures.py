"""Policy files for the commands."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.in_request import HEAD

if TYPE_CHECKING:
    from astro_auth_plugin.doctor.installation import Installation

ODD = """\
teams: [{name: empty}]
users:
  - email: ana@example.com
    dag_roles:
      - {deployment_id: dep, tag: finance, role: DAG_VIEWER}
      - {deployment_id: dep, tag: no-such-tag, role: DAG_VIEWER}
      - {deployment_id: dep, dag_id: no_such_dag, role: DAG_VIEWER}
"""
BAD = """\
users:
  - email: nobody
    dag_roles: [{deployment_id: dep, tag: x, role: DAG_VIEVER}]
  - emial: a@b
"""
BAD_PROBLEMS = [
    "6:12: users[0].email: `nobody` is not an e-mail address",
    "7:52: users[0].dag_roles[0].role: unknown role `DAG_VIEVER`, did you mean `DAG_VIEWER`?",
    "8:5: users[1]: the key `email` is missing",
    "8:5: users[1].emial: unknown key `emial`, did you mean `email`?",
]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A policy file in which nothing is odd."""
    path = tmp_path / "policy.yaml"
    path.write_text(HEAD)
    return path


@pytest.fixture
def set_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Installation]]:
    """A function that returns an installation with these options, and these lines in webserver_config.py."""
    from airflow.configuration import conf

    from astro_auth_plugin.doctor import request_probe
    from astro_auth_plugin.doctor.installation import Installation

    def set_up(webserver_config: str = "", proxy_headers: bool = False, **options: str) -> Installation:
        file = tmp_path / "webserver_config.py"
        file.write_text(webserver_config)
        monkeypatch.setenv("AIRFLOW__FAB__CONFIG_FILE", str(file))
        monkeypatch.setenv("AIRFLOW__ASTRO_AUTH__POLICY_FILE", str(tmp_path / "policy.yaml"))
        monkeypatch.setenv("AIRFLOW__ASTRO_AUTH__DEPLOYMENT_ID", "dep")
        for name, value in options.items():
            monkeypatch.setenv(name if name.isupper() else f"AIRFLOW__{name.upper()}", value)
        if options.get("api__base_url", "").endswith("/a/b"):
            # Airflow works it out when it is loaded.
            monkeypatch.setattr(request_probe, "API_ROOT_PATH", "/a/b/")
        return Installation(proxy_headers=proxy_headers)

    # Airflow sets it for its own process when it signs without one, as another test may have let it do.
    own = conf.get("api_auth", "jwt_secret", fallback="")
    conf.remove_option("api_auth", "jwt_secret")
    yield set_up
    if own:
        conf.set("api_auth", "jwt_secret", own)
