"""What one process has: settings, the policy, the request being served, the database, the version of Airflow."""
