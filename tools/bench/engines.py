"""The auth managers that are compared, each in a process of its own, and what each has to be told."""

from __future__ import annotations

import importlib.util
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from tools.bench.data import ACCENTED, ALL, DEPLOYMENT, PEOPLE, RESTRICTED
from tools.demo_settings import inherited

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "astro_auth_plugin"
OURS = "astro_auth_plugin.auth_manager.AstroAuthManager"
FAB = "airflow.providers.fab.auth_manager.fab_auth_manager.FabAuthManager"
SIMPLE = "airflow.api_fastapi.auth.managers.simple.simple_auth_manager.SimpleAuthManager"
KEYCLOAK = "airflow.providers.keycloak.auth_manager.keycloak_auth_manager.KeycloakAuthManager"
UNCHECKED = "tools.bench.unchecked.UncheckedAuthManager"
MOST_DAGS_OF_KEYCLOAK_LISTS = 1000
_SECRET = "only-for-the-benchmark-" * 3


class Engine(NamedTuple):
    """One contestant.

    Attributes:
        name: its name in tables of numbers.
        label: what it is, for people.
        auth_manager: the class that Airflow is told to use.
        people: who of the two can be told apart with it.
        settings: environment variables that it needs.
        calls: whether the auth manager itself is asked, and not only through requests.
        only: the cells that it is asked, by name; all without any.
        policy: the name of its policy file.
        many_accounts: whether its database has many accounts more; it is then asked at the smallest number of Dags.
    """

    name: str
    label: str
    auth_manager: str
    people: tuple[str, ...] = PEOPLE
    settings: Mapping[str, str] = {}
    calls: bool = True
    only: tuple[str, ...] = ()
    policy: str = "policy.yaml"
    many_accounts: bool = False


STRICT, CACHED, FOLDERS, CROWDED = "astro", "astro-cached", "astro-folders", "astro-crowded"
ENGINES = (
    Engine("none", "no authorization at all", UNCHECKED, people=(ALL,), calls=False),
    Engine(STRICT, "this plugin", OURS),
    Engine(
        CACHED,
        "this plugin with its caches",
        OURS,
        settings={"AIRFLOW__ASTRO_AUTH__TAG_CACHE_TTL": "3600", "AIRFLOW__ASTRO_AUTH__IDENTITY_CACHE_TTL": "30"},
    ),
    Engine(
        FOLDERS,
        "this plugin with tags for folders",
        OURS,
        people=(RESTRICTED,),
        only=("list", "api_dags", "ui_dags", "get_dag"),
        policy="policy-folders.yaml",
    ),
    Engine(
        CROWDED,
        "this plugin with 50,000 accounts",
        OURS,
        people=(RESTRICTED, ACCENTED),
        only=("get_dag",),
        many_accounts=True,
    ),
    Engine("fab", "FAB's auth manager", FAB),
    Engine(
        "simple",
        "SimpleAuthManager",
        SIMPLE,
        people=(ALL,),
        settings={"AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": "all:ADMIN"},
    ),
    Engine("keycloak", "Keycloak's auth manager, at a server that answers at once", KEYCLOAK),
)
LABELS = {engine.name: engine.label for engine in ENGINES}


def unavailable(engine: Engine) -> str:
    """Say why an engine cannot be measured here; nothing when it can."""
    if engine.name == CACHED and "tag_cache_ttl" not in (PACKAGE / "provider_info.py").read_text():
        return "this version has no option tag_cache_ttl"
    if engine.name == "keycloak" and importlib.util.find_spec("keycloak") is None:
        return "apache-airflow-providers-keycloak is not installed"
    return ""


def hide_plugin(folder: Path) -> Path:
    """Make a folder that hides this plugin's entry points from an Airflow that shall be without it; return it."""
    hidden = folder / "hidden"
    package = hidden / PACKAGE.name
    if not package.exists():
        package.mkdir(parents=True)
        for name in ("__init__.py", "provider_info.py"):
            shutil.copy(PACKAGE / name, package)
        # Airflow does not start without the module of this entry point; an empty one has no hooks.
        (package / "tag_protection").mkdir()
        for name in ("__init__.py", "cluster_policy.py"):
            (package / "tag_protection" / name).touch()
    return hidden


def environment(engine: Engine, folder: Path, database: str, keycloak_url: str = "") -> dict[str, str]:
    """Return the environment of a process of an engine; `folder` is the benchmark's own."""
    home = folder / "homes" / f"{engine.name}-{database.rsplit('/', 1)[-1]}"
    home.mkdir(parents=True, exist_ok=True)
    paths = [str(ROOT)] if engine.auth_manager == OURS else [str(hide_plugin(folder)), str(ROOT)]
    return {
        **inherited(),
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__AUTH_MANAGER": engine.auth_manager,
        "AIRFLOW__CORE__DAGS_FOLDER": str(folder / "dags"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__EXECUTOR": "LocalExecutor",
        "AIRFLOW__CORE__FERNET_KEY": "",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(home / "passwords.json"),
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": database,
        "AIRFLOW__API__SECRET_KEY": _SECRET,
        "AIRFLOW__API_AUTH__JWT_SECRET": _SECRET,
        "AIRFLOW__API_AUTH__JWT_EXPIRATION_TIME": "86400",
        "AIRFLOW__ASTRO_AUTH__POLICY_FILE": str(folder / engine.policy),
        "AIRFLOW__ASTRO_AUTH__DEPLOYMENT_ID": DEPLOYMENT,
        # What is cached expires between two rounds, or not, by chance; so it does not.
        "AIRFLOW__FAB__CACHE_TTL": "3600",
        "AIRFLOW__KEYCLOAK_AUTH_MANAGER__CACHE_TTL_SECONDS": "3600",
        "AIRFLOW__KEYCLOAK_AUTH_MANAGER__CLIENT_ID": "bench",
        "AIRFLOW__KEYCLOAK_AUTH_MANAGER__CLIENT_SECRET": "bench",
        "AIRFLOW__KEYCLOAK_AUTH_MANAGER__REALM": "bench",
        "AIRFLOW__KEYCLOAK_AUTH_MANAGER__SERVER_URL": keycloak_url,
        "PYTHONPATH": os.pathsep.join(paths),
        **engine.settings,
    }
