"""Decides Airflow's permission checks: Dags, views, connections and the other resources, and what lists show."""
