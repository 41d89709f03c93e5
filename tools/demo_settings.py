"""The environment variables that make one Airflow out of a folder, a port and a policy."""

from __future__ import annotations

import base64
import os
import secrets
import socket
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from tools.demo_people import read_private, write_private

HOST = "127.0.0.1"  # a demo with printed passwords is nobody else's business


def is_free(port: int) -> bool:
    """Say whether nothing on this machine answers on `port`."""
    for family, address in ((socket.AF_INET, HOST), (socket.AF_INET6, "::1")):
        with suppress(OSError), socket.socket(family) as probe:
            probe.settimeout(1)
            if probe.connect_ex((address, port)) == 0:
                return False
    return True


def free_port() -> int:
    """Return a port that is free just now."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def inherited(environ: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Return the caller's environment without another Airflow's settings.

    With AIRFLOW__DATABASE__SQL_ALCHEMY_CONN inherited, a demo would migrate a real Airflow's database.
    """
    kept = {name: value for name, value in environ.items() if not name.startswith(("AIRFLOW", "ASTRO_", "_AIRFLOW"))}
    bin_folder = str(Path(sys.executable).parent)
    local = ",".join(filter(None, [kept.get("NO_PROXY", kept.get("no_proxy", "")), "localhost", HOST]))
    return kept | {
        "PATH": os.pathsep.join([bin_folder, kept.get("PATH", os.defpath)]),
        "NO_PROXY": local,
        "no_proxy": local,
        "PYTHONUNBUFFERED": "1",
    }


def airflow_settings(home: Path, port: int, dags_folder: Path) -> dict[str, str]:
    """Return the settings of Airflow itself. Its secrets are made once and kept in `home`, for its owner's eyes."""
    keys = _keys(home / "keys.json")
    return {
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__DAGS_FOLDER": str(dags_folder),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__EXECUTOR": "LocalExecutor",
        "AIRFLOW__CORE__PARALLELISM": "4",
        "AIRFLOW__CORE__FERNET_KEY": keys["fernet_key"],
        "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"http://{HOST}:{port}/execution/",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{home / 'airflow.db'}",
        "AIRFLOW__API__BASE_URL": f"http://localhost:{port}/",
        "AIRFLOW__API__SECRET_KEY": keys["api_secret_key"],
        "AIRFLOW__API_AUTH__JWT_SECRET": keys["jwt_secret"],
        "AIRFLOW__DAG_PROCESSOR__REFRESH_INTERVAL": "30",  # a new file is seen within a minute, not five
    }


def plugin_settings(policy_store: str, policy_file: Path, deployment_id: str, access_contact: str) -> dict[str, str]:
    """Return the settings of astro_auth_plugin."""
    return {
        "AIRFLOW__ASTRO_AUTH__POLICY_STORE": policy_store,
        "AIRFLOW__ASTRO_AUTH__POLICY_FILE": str(policy_file),
        "AIRFLOW__ASTRO_AUTH__DEPLOYMENT_ID": deployment_id,
        "AIRFLOW__ASTRO_AUTH__ACCESS_CONTACT": access_contact,
    }


def _keys(file: Path) -> dict[str, str]:
    known = read_private(file)
    if not known:
        known = {
            "fernet_key": base64.urlsafe_b64encode(os.urandom(32)).decode(),
            "jwt_secret": secrets.token_hex(64),
            "api_secret_key": secrets.token_hex(32),
        }
        write_private(file, known)
    return known
