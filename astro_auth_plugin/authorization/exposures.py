"""What an Airflow shows to users who should not see it, and no check can deny, because Airflow has no check there.

One table: docs/limits.md lists it, and `airflow astro-auth validate` warns of the rows that apply to its Airflow and
policy.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from airflow import __version__ as airflow_version
from packaging.version import Version

from astro_auth_plugin.rbac.engine.decision import HeldGrant
from astro_auth_plugin.rbac.engine.engine import Engine
from astro_auth_plugin.rbac.model.permissions import mask
from astro_auth_plugin.rbac.policy.diagnostics import Diagnostic
from astro_auth_plugin.rbac.policy.yaml_reader import Place

_AIRFLOW = Version(Version(airflow_version).base_version)


class Exposure(NamedTuple):
    """Something that is shown to anyone who has `held`, and not `lacking` in the whole Deployment.

    `in_deployment` says whether `held` is needed there too, or on Dags. `since` and `closed` are releases of
    Airflow, '' for none. `of_shared_files` is for what only concerns Dags that share a file with others.
    """

    shows: str
    held: int
    in_deployment: bool
    lacking: int
    remedy: str
    since: str
    closed: str = ""
    of_shared_files: bool = False


EXPOSURES = (
    Exposure(
        "older versions of a file's source also show Dags that have since left the file",
        mask("dagCode.get"),
        in_deployment=False,
        lacking=mask("dagCode.get"),
        remedy="keep Dags with restricted access in separate files",
        since="3.1",
        of_shared_files=True,
    ),
    # On 3.1 `dag.get` in the Deployment is required besides, since there the text of every error is shown.
    Exposure(
        "import errors of all files without a Dag are shown with their text",
        mask("importError.get"),
        in_deployment=True,
        lacking=mask("dag.get"),
        remedy="grant `importError.get` only to users who may see all Dags",
        since="3.2",
        closed="3.4",
    ),
    Exposure(
        "the list of jobs shows the Dag of each job",
        mask("job.get"),
        in_deployment=True,
        lacking=mask("dag.get"),
        remedy="grant `job.get` only to users who may see all Dags",
        since="3.1",
    ),
)


def warnings(engine: Engine, *, shares_files: bool) -> Iterator[Diagnostic]:
    """Yield a warning for each exposure of this Airflow that the policy opens, at the first grant that does.

    Args:
        engine: the policy, for this Deployment.
        shares_files: whether some file of the Deployment has several Dags.
    """
    for exposure in filter(_is_open, EXPOSURES):
        grants = _opening(exposure, engine)
        if grants and (shares_files or not exposure.of_shared_files):
            first = min(grants, key=lambda grant: grant.line)
            until = f"Airflow {exposure.closed} closes it" if exposure.closed else "no Airflow closes it yet"
            message = f"on Airflow {_AIRFLOW} {exposure.shows} ({until}): {exposure.remedy}"
            yield Diagnostic((first.path,), message, "warning", "shown-by-airflow", Place(first.line, 1))


def _is_open(exposure: Exposure) -> bool:
    return Version(exposure.since) <= _AIRFLOW and not (exposure.closed and Version(exposure.closed) <= _AIRFLOW)


def _opening(exposure: Exposure, engine: Engine) -> list[HeldGrant]:
    accesses = (engine.access(subject) for subject in engine.subjects())
    return [
        grant
        for access in accesses
        if exposure.lacking & ~access.deployment_wide
        for grant in access.grants
        if grant.permissions & exposure.held and grant.scope.is_deployment_wide is exposure.in_deployment
    ]
