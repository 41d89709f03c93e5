"""Everything that knows Airflow, except the auth manager's hooks themselves and FAB's sign-in."""
