"""The role engine: values in, values out. No Airflow, no file, no clock.

Read in this order: `model.permissions` (the words), `model.roles` (what each role has), `policy` (the document and its
checks), `engine` (the decisions).
"""
