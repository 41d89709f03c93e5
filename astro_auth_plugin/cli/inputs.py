"""The inputs of a command: the policy, the Deployment, and the Dags with their tags.

Each comes from an option of the command, else from the environment, else from Airflow. Airflow takes seconds to load,
so it is loaded only for what nothing else has provided.
"""

from __future__ import annotations

import json
import os
from argparse import Namespace
from collections.abc import Collection, Iterable, Iterator
from configparser import ConfigParser
from configparser import Error as ConfigError
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import yaml

from astro_auth_plugin.cli.exit_codes import INVALID, CommandFailed
from astro_auth_plugin.rbac.engine.engine import Engine
from astro_auth_plugin.rbac.model.errors import UnknownDeployment
from astro_auth_plugin.rbac.model.scopes import Dag, DagFile
from astro_auth_plugin.rbac.policy import loader
from astro_auth_plugin.rbac.policy.diagnostics import Diagnostic
from astro_auth_plugin.rbac.policy.hints import did_you_mean
from astro_auth_plugin.rbac.policy.loader import Checked, Policy
from astro_auth_plugin.rbac.policy.yaml_reader import MAX_BYTES

if TYPE_CHECKING:
    from astro_auth_plugin.accounts.accounts import KnownAccount
    from astro_auth_plugin.accounts.identities import Identity


IN_DATABASE = "the policy store"
"""What messages call the policy in the metadata database."""


class Opened(NamedTuple):
    """A valid policy, compiled for one Deployment, and where it was read."""

    name: str
    policy: Policy
    engine: Engine


def open_policy(args: Namespace) -> Opened:
    """Read the policy of `--policy`, for the Deployment of `--deployment`.

    Raises:
        CommandFailed: if there is none, it has errors, or it does not say for which Deployment.
    """
    path = policy_file(args)
    good = good_policy(path)
    return Opened(name_of(path), good, compiled(good, args))


def policy_file(args: Namespace) -> Path | None:
    """Return the policy file of `--policy`, of the options or of the environment; None for that in the database.

    Raises:
        CommandFailed: if nothing names one.
    """
    if args.policy:
        return Path(args.policy)
    if getattr(args, "to_database", False):
        return None
    return None if word_if_set("policy_store") == "database" else Path(_setting("policy_file"))


def name_of(path: Path | None) -> str:
    """Return what messages call a policy file, or the policy in the database."""
    return IN_DATABASE if path is None else str(path)


def good_policy(path: Path | None) -> Policy:
    """Read a policy without errors.

    Args:
        path: of the file; None for the policy in the database.

    Raises:
        CommandFailed: with every problem of the policy.
    """
    checked = check_policy(path)
    if checked.policy is None:
        problems = "\n".join(problem.in_file(name_of(path)) for problem in checked.errors)
        raise CommandFailed(f"the policy cannot be used:\n{problems}", INVALID)
    return checked.policy


def check_policy(path: Path | None) -> Checked:
    """Read and check a policy; one that cannot be read is a problem like any other.

    Args:
        path: of the file; None for the policy in the database.
    """
    if path is None:
        return _check_stored()
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        return Checked(None, (Diagnostic((), f"cannot read the policy file: {error.strerror or error}"),))
    return loader.load(data, datetime.now(UTC))


def _check_stored() -> Checked:
    from astro_auth_plugin.runtime.policy_source import (  # noqa: PLC0415 - Airflow takes seconds
        DatabasePolicySource,
        PolicyUnread,
    )

    try:
        return DatabasePolicySource().load()
    except PolicyUnread as error:
        return Checked(None, (Diagnostic((), str(error)),))


def compiled(good: Policy, args: Namespace) -> Engine:
    """Compile a policy for the Deployment of `--deployment`, of the options, or the only one that it lists.

    Raises:
        CommandFailed: if the Deployment is ambiguous, or the policy does not list it.
    """
    listed = [deployment.id for deployment in good.document.deployments]
    deployment_id = args.deployment or setting_if_set("deployment_id")
    if not deployment_id:
        if len(listed) != 1:
            ids = ", ".join(f"`{each}`" for each in listed) or "none"
            raise CommandFailed(f"which Deployment? Name it with --deployment; the policy lists {ids}")
        (deployment_id,) = listed
    try:
        return Engine(good, deployment_id, datetime.now(UTC))
    except UnknownDeployment as error:
        raise CommandFailed(f"{error}{did_you_mean(deployment_id, listed)}", INVALID) from None


def read_dags(args: Namespace, dag_id: str | None = None) -> list[Dag]:
    """Return the Dags of the file of `--dags`, or of Airflow's metadata database.

    Args:
        args: the parsed arguments.
        dag_id: the only Dag that is wanted from the database, if it is one.

    Raises:
        CommandFailed: if neither can be read.
    """
    if args.dags:
        return read_dag_list(Path(args.dags))
    try:
        from astro_auth_plugin.authorization import dag_lookup  # noqa: PLC0415 - Airflow takes seconds

        return dag_lookup.read_all_dags() if dag_id is None else [*dag_lookup.read_dags([dag_id]).values()]
    except Exception as error:  # noqa: BLE001 - whatever is wrong with the database, the way out is the same
        why = "Airflow is not installed" if isinstance(error, ModuleNotFoundError) else type(error).__name__
        what = f"{why}: no Dags could be read from Airflow's metadata database"
        raise CommandFailed(f"{what}; name a file with --dags") from None


def identities_of(account_ids: Iterable[int]) -> dict[int, Identity]:
    """Return what accounts are bound to; those that are bound to nothing are left out.

    Raises:
        SQLAlchemyError: if it cannot be read.
    """
    from airflow.utils.session import create_session  # noqa: PLC0415 - Airflow takes seconds

    from astro_auth_plugin.accounts import identities  # noqa: PLC0415 - Airflow takes seconds

    with create_session(scoped=False) as session:
        found = {account_id: identities.identity_of(session, account_id) for account_id in account_ids}
    return {account_id: identity for account_id, identity in found.items() if identity}


def have_passwords(account_ids: Collection[int]) -> set[int]:
    """Return those of some accounts that have a password.

    Raises:
        SQLAlchemyError: if they cannot be read.
    """
    from airflow.utils.session import create_session  # noqa: PLC0415 - Airflow takes seconds

    from astro_auth_plugin.accounts import identities  # noqa: PLC0415 - Airflow takes seconds

    with create_session(scoped=False) as session:
        return identities.have_passwords(session, account_ids)


def unbind_accounts(account_ids: Collection[int]) -> None:
    """Take away what accounts are bound to, and revoke their sessions and tokens: the next identity may be another.

    Raises:
        SQLAlchemyError: if it cannot be written.
    """
    from airflow.utils.session import create_session  # noqa: PLC0415 - Airflow takes seconds

    from astro_auth_plugin.accounts import identities, sign_ins  # noqa: PLC0415 - Airflow takes seconds

    with create_session(scoped=False) as session:
        identities.unbind(session, account_ids)
        for account_id in account_ids:
            sign_ins.end_all(session, account_id)


def read_accounts(subject: str) -> list[KnownAccount]:
    """Return the accounts of a person, with their last sign-ins, from Airflow's metadata database.

    Raises:
        CommandFailed: if they cannot be read.
    """
    try:
        from astro_auth_plugin.accounts import accounts  # noqa: PLC0415 - Airflow takes seconds

        return accounts.read_accounts(subject)
    except Exception as error:  # noqa: BLE001 - whatever is wrong with the database, the way out is the same
        what = f"{type(error).__name__}: no accounts could be read from Airflow's metadata database"
        raise CommandFailed(f"{what}; was `airflow db migrate` run?") from None


def available_dags(args: Namespace) -> list[Dag] | None:
    """Return the Dags of `--dags`, or of the metadata database where an Airflow is set up; None without both.

    Raises:
        CommandFailed: if they cannot be read.
    """
    database = os.environ.get("AIRFLOW__DATABASE__SQL_ALCHEMY_CONN") or _configuration().exists()
    return read_dags(args) if args.dags or database else None


LARGEST_INPUT = 64 * 1024 * 1024
"""How many bytes a file has at most that is no policy: one without an end would take all memory."""


def read_input(path: Path) -> bytes:
    """Return what is in a file of data.

    Raises:
        OSError: if it cannot be read.
        CommandFailed: if it is too large.
    """
    with path.open("rb") as file:
        data = file.read(LARGEST_INPUT + 1)
    if len(data) > LARGEST_INPUT:
        raise CommandFailed(f"{path}: more than {LARGEST_INPUT // 1024 // 1024} MiB")
    return data


def read_dag_list(path: Path) -> list[Dag]:
    """Return the Dags of a file.

    Raises:
        CommandFailed: if it cannot be read, or is no list of Dags.
    """
    return list(_dags_in(path))


def _dags_in(path: Path) -> Iterator[Dag]:
    """Read Dags from YAML or JSON: a list of `{dag_id, tags}`, or what Airflow's REST API answers about Dags.

    With `bundle_name` and `relative_fileloc` protected tags are effective only where they may be used.
    """
    try:
        values = _values_of(read_input(path))
    except OSError as error:
        raise CommandFailed(f"{path}: cannot read the Dags: {error.strerror or error}") from None
    except yaml.YAMLError as error:
        raise CommandFailed(f"{path}: neither YAML nor JSON: {error}") from None
    except RecursionError:
        raise CommandFailed(f"{path}: nested too deeply for a list of Dags") from None
    except ValueError:
        raise CommandFailed(f"{path}: has a number or a date that cannot be read") from None
    entries = values.get("dags") if isinstance(values, dict) else values
    if not isinstance(entries, list):
        raise CommandFailed(f"{path}: expected a list of Dags, each with `dag_id` and `tags`")
    for number, entry in enumerate(entries, 1):
        yield _dag(entry, f"{path}: Dag {number}")


def _values_of(data: bytes) -> Any:
    # A large file of JSON is read a hundred times faster as such.
    try:
        return json.loads(data)
    except ValueError:
        return yaml.load(data, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506 - the safe loader, in C


def _dag(entry: Any, where: str) -> Dag:
    if not isinstance(entry, dict) or not isinstance(entry.get("dag_id"), str):
        raise CommandFailed(f"{where}: expected a mapping with the text `dag_id`, and `tags`")
    tags = entry.get("tags") or []
    if not isinstance(tags, list):
        raise CommandFailed(f"{where}: `tags` has to be a list of text")
    names: list[Any] = [tag.get("name") if isinstance(tag, dict) else tag for tag in tags]
    if not all(isinstance(name, str) for name in names):
        raise CommandFailed(f"{where}: `tags` has to be a list of text")
    return Dag(entry["dag_id"], frozenset(names), _file(entry))


def _file(entry: Any) -> DagFile | None:
    """Return where a Dag was parsed, as the REST API says; None if unknown, so that all tags are effective."""
    if "bundle_name" not in entry and "relative_fileloc" not in entry:
        return None
    return DagFile(str(entry.get("bundle_name") or ""), str(entry.get("relative_fileloc") or ""))


def setting_if_set(name: str) -> str:
    """Return an option of `[astro_auth]`; '' where nothing says it. Airflow is loaded if the environment is silent."""
    variable = f"AIRFLOW__ASTRO_AUTH__{name.upper()}"
    if variable in os.environ:
        reported = _expanded(os.environ[variable])
    elif _configuration().exists():
        from airflow.configuration import conf  # noqa: PLC0415 - Airflow takes seconds

        reported = conf.get("astro_auth", name, fallback="") or ""
    else:
        reported = ""
    # The server takes ids from Astro's variables where no option is set, and nothing else.
    of_astro = os.environ.get(f"ASTRO_{name.upper()}", "") if name.endswith("_id") else ""
    return reported.strip() or of_astro.strip()


def word_if_set(name: str) -> str:
    """Return an option of `[astro_auth]` that is a word, such as `true`, without Airflow; '' if it is not set."""
    variable = f"AIRFLOW__ASTRO_AUTH__{name.upper()}"
    if variable in os.environ:
        return os.environ[variable].strip()
    parser = ConfigParser(interpolation=None, strict=False)
    try:
        parser.read(_configuration(), encoding="utf-8")
    except (ConfigError, UnicodeDecodeError):
        # Airflow says what is wrong with it, to commands that load it.
        return ""
    return parser.get("astro_auth", name, fallback="").strip()


def _configuration() -> Path:
    home = Path(_expanded(os.environ.get("AIRFLOW_HOME", "~/airflow")))
    return Path(_expanded(os.environ.get("AIRFLOW_CONFIG", str(home / "airflow.cfg"))))


def _expanded(text: str) -> str:
    """Return what Airflow takes from a variable: with `~` and other variables in it replaced."""
    while (more := os.path.expanduser(os.path.expandvars(text))) != text:  # noqa: PTH111 - as Airflow does it
        text = more
    return text


def _setting(name: str) -> str:
    reported = setting_if_set(name)
    if not reported:
        raise CommandFailed(
            f"no policy: name one with --policy, or set [astro_auth] {name} "
            f"or the variable AIRFLOW__ASTRO_AUTH__{name.upper()}"
        )
    return reported
