"""What `airflow astro-auth doctor` checks, topic by topic."""
