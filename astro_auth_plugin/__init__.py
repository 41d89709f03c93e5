"""Astro's access model for Apache Airflow: who may see, run and change what.

Nothing but the version is here, so that the pure core (`astro_auth_plugin.rbac`) loads without Airflow.
"""

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("astro_auth_plugin")
except PackageNotFoundError:  # a copy that was not installed
    __version__ = "0+unknown"
