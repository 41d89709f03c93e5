"""Conformance on a running Airflow: real people, real requests, answers written by hand."""
