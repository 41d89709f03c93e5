"""`airflow astro-auth …`."""
