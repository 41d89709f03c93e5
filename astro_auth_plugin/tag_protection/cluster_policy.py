"""The cluster policy that Airflow calls for each Dag it parses, and how the guard gets into the dag-processor.

Every process of Airflow imports this while it starts, so it imports next to nothing itself. The modules of the
dag-processor are waited for, since a plugin may be loaded before or after them.
"""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any

import wrapt
from airflow.policies import hookimpl


@hookimpl
def dag_policy(dag: Any) -> None:
    """Refuse a Dag that carries a protected tag out of its place; Airflow makes an import error of it."""
    from astro_auth_plugin.tag_protection import dag_processor  # noqa: PLC0415 - takes seconds

    dag_processor.check_dag(dag)


def _guard(manager: ModuleType) -> None:
    from astro_auth_plugin.tag_protection import dag_processor  # noqa: PLC0415 - takes seconds

    dag_processor.install(manager)


def _watch(_collection: ModuleType) -> None:
    from astro_auth_plugin.tag_protection import access_change_log, import_errors  # noqa: PLC0415 - takes seconds

    access_change_log.install()
    import_errors.install()


def _check_bags(dagbag: ModuleType) -> None:
    # Before Airflow 3.2 it is in the one module, later in the other.
    if "sync_bag_to_db" in vars(dagbag):
        wrapt.wrap_function_wrapper(dagbag, "sync_bag_to_db", _before_storing_bag)


def _before_storing_bag(wrapped: Callable[..., Any], _none: Any, args: Any, kwargs: Any) -> Any:
    from astro_auth_plugin.tag_protection import dag_processor  # noqa: PLC0415 - takes seconds

    bag, bundle = _bag_and_bundle(*args, **kwargs)
    dag_processor.check_bag(bag, bundle)
    return wrapped(*args, **kwargs)


def _bag_and_bundle(dagbag: Any, bundle_name: str, *_: Any, **__: Any) -> tuple[Any, str]:
    """Take what is checked out of the arguments of `sync_bag_to_db`, by position or by name."""
    return dagbag, bundle_name


def _read_callbacks(definitions: ModuleType) -> None:
    from astro_auth_plugin.tag_protection import callback_paths  # noqa: PLC0415 - few processes need it

    callback_paths.install(definitions)


wrapt.register_post_import_hook(_guard, "airflow.dag_processing.manager")
wrapt.register_post_import_hook(_watch, "airflow.dag_processing.collection")
for _module in ("dag_processing", "models"):
    wrapt.register_post_import_hook(_check_bags, f"airflow.{_module}.dagbag")
for _module in ("callback", "deadline"):
    wrapt.register_post_import_hook(_read_callbacks, f"airflow.sdk.definitions.{_module}")
