"""Astro's access model for Apache Airflow: who may see, run and change what.

Nothing is imported here, so that the pure core (`astro_auth_plugin.rbac`) loads without Airflow.
"""

__version__ = "0.1.0"
