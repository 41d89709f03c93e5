"""The examples of docs/deploying.md: each component gets settings that the plugin accepts, and no secret that it does not need."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from astro_auth_plugin.provider_info import get_provider_info

EXAMPLES = Path(__file__).parents[1] / "docs" / "examples"
SECRETS = {"AIRFLOW__API__SECRET_KEY", "AIRFLOW__API_AUTH__JWT_SECRET"}
WITH_POLICY = ("api-server", "scheduler", "dag-processor")
IN_CHART = {
    "api-server": "apiServer",
    "scheduler": "scheduler",
    "dag-processor": "dagProcessor",
    "Celery worker": "workers",
    "triggerer": "triggerer",
}
OPTIONS = set(get_provider_info()["config"]["astro_auth"]["options"])
CODE = "from astro_auth_plugin.runtime.settings import read_settings; print(read_settings())"
Component = tuple[dict[str, str], list[str]]


def of_compose() -> dict[str, Component]:
    """Return the environment of each component, and where the policy is mounted."""
    services = yaml.safe_load((EXAMPLES / "compose.yaml").read_text())["services"]
    return {
        name: (services[name]["environment"], [volume.split(":")[1] for volume in services[name]["volumes"]])
        for name in WITH_POLICY
    }


def of_chart(store: str) -> dict[str, Component]:
    """Return the same of the chart, which sets the secrets for all components itself."""
    values = yaml.safe_load((EXAMPLES / f"helm-values-{store}.yaml").read_text())
    config = {
        f"AIRFLOW__{section.upper()}__{name.upper()}": text
        for section, options in values["config"].items()
        for name, text in options.items()
    }
    found = {}
    for name, key in IN_CHART.items():
        part: dict[str, Any] = values.get(key, {})
        own = {each["name"]: each["value"] for each in part.get("env", ())}
        mounts = [mount["mountPath"] for mount in part.get("extraVolumeMounts", ())]
        assert all("subPath" not in mount for mount in part.get("extraVolumeMounts", ()))
        assert [volume["name"] for volume in part.get("extraVolumes", ())] == ["policy"] * len(mounts)
        found[name] = (config | dict.fromkeys(SECRETS, "real") | own, mounts)
    return found


EXAMPLE = {"compose": of_compose(), "file": of_chart("file"), "database": of_chart("database")}


@pytest.mark.parametrize("component", WITH_POLICY)
@pytest.mark.parametrize("example", EXAMPLE)
def test_settings(example: str, component: str, tmp_path: Path) -> None:
    """The plugin reads the settings as they are meant, and the policy is where they say."""
    settings, mounts = EXAMPLE[example][component]
    ours = {name: text for name, text in settings.items() if name.startswith("AIRFLOW__ASTRO_AUTH__")}
    assert {name.rpartition("__")[2].lower() for name in ours} <= OPTIONS
    environment = {"PATH": os.environ["PATH"], "AIRFLOW_HOME": str(tmp_path), **ours}
    done = subprocess.run([sys.executable, "-c", CODE], env=environment, capture_output=True, text=True, check=True)
    assert "deployment_id='cldep0prod'" in done.stdout
    if example == "database":
        assert "policy_file=None" in done.stdout
        assert mounts == []
    else:
        assert str(Path(ours["AIRFLOW__ASTRO_AUTH__POLICY_FILE"]).parent) in mounts


def of_the_page() -> dict[str, dict[str, str]]:
    """Return what docs/tag-guard.md says of each component and secret: `yes: ...`, `no`, or that it depends."""
    page = (EXAMPLES.parent / "tag-guard.md").read_text().partition("## Which component needs which secret")[2]
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")] for line in page.splitlines() if line.startswith("| ")
    ]
    assert "jwt_secret" in rows[0][1] and "secret_key" in rows[0][2]
    names = ("AIRFLOW__API_AUTH__JWT_SECRET", "AIRFLOW__API__SECRET_KEY")
    return {row[0]: dict(zip(names, row[1:], strict=True)) for row in rows[2:]}


@pytest.mark.parametrize(
    ("example", "component"), [(example, component) for example in EXAMPLE for component in EXAMPLE[example]]
)
def test_secrets(example: str, component: str) -> None:
    """Each component has the secrets that it needs, and none that the page says that it must not have."""
    settings, _ = EXAMPLE[example][component]
    for name, needed in of_the_page()[component].items():
        has = settings.get(name, "unused") != "unused"
        if needed.startswith(("yes:", "no")):
            assert has == needed.startswith("yes:"), (name, needed)


def test_image() -> None:
    """The page shows the Dockerfile as it is."""
    page = (EXAMPLES.parent / "deploying.md").read_text()
    assert (EXAMPLES / "Dockerfile").read_text().partition("\n")[2] in page
