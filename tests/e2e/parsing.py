"""An Airflow whose Dags a real dag-processor parses, one pass at a time."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from .client import Caller
from .live import BUNDLES, LiveAirflow
from .smuggling import PLAIN


class ParsingAirflow(LiveAirflow):
    """`configure` sets the bundles, `parse` parses what is in them."""

    runs = 0

    def configure(self, bundles: dict[str, Path]) -> None:
        """Makes these the bundles, by name, for whatever is started from now on."""
        self.settings[BUNDLES] = json.dumps([bundle(name, path) for name, path in bundles.items()])
        # A second look at the folders in one run would, in Airflow 3.1, throw away the errors of archives. Airflow
        # counts from the start of the machine, so a longer interval than that would leave out the first look, too.
        interval = str(min(3600, int(time.monotonic())))
        self.settings["AIRFLOW__DAG_PROCESSOR__BUNDLE_REFRESH_CHECK_INTERVAL"] = interval

    def parse(self) -> str:
        """Parses every file once, and returns what the dag-processor logged."""
        self.runs += 1
        log = self.home / f"dag-processor-{self.runs}.log"
        command = [sys.executable, "-m", "airflow", "dag-processor", "--num-runs", "1"]
        with log.open("w") as out:
            running = subprocess.Popen(command, env=self.environment(), cwd=self.home, stdout=out, stderr=out)
            while running.poll() is None:
                self.meanwhile()
        assert running.returncode == 0, log.read_text()[-4000:]
        return log.read_text()

    def meanwhile(self) -> None:
        """Called again and again while files are parsed."""
        time.sleep(0.1)


def bundle(name: str, path: Path) -> dict[str, Any]:
    """A folder of Dags, as `dag_bundle_config_list` has it."""
    kwargs = {"path": str(path), "refresh_interval": 0}
    return {"name": name, "classpath": "airflow.dag_processing.bundles.local.LocalDagBundle", "kwargs": kwargs}


def put(path: Path, dag_id: str, *tags: str) -> None:
    """Writes a file with one Dag."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(PLAIN.replace("{id}", dag_id).replace("{tags}", repr(list(tags))))


def import_errors(owner: Caller) -> dict[str, str]:
    """The import errors by bundle and file, as an Owner reads them."""
    found = owner.json("/api/v2/importErrors?limit=500")["import_errors"]
    return {f"{error['bundle_name']}/{error['filename']}": error["stack_trace"] for error in found}


def changes(log: str) -> list[dict[str, Any]]:
    """What the log says of changed access."""
    found = []
    for line in log.splitlines():
        _, reported, rest = line.partition("tags changed access ")
        if reported:
            found.append(json.JSONDecoder().raw_decode(rest)[0])
    return found
