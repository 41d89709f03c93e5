"""A Dag of Team ops that writes an asset, and one of Team finance that waits for it, in one file."""

from airflow.sdk import Asset
from shape import standard_dag

ledger = Asset(name="ledger", uri="s3://e2e/ledger")

producer = standard_dag("asset_producer", ["team:ops", "assets"], outlets=[ledger])
consumer = standard_dag("asset_consumer", ["team:finance", "assets"], schedule=[ledger])
