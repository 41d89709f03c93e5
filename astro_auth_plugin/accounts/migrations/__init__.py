"""The revisions of the plugin's own tables.

They only add tables, and columns that may be empty: a version of the plugin that was rolled back uses the tables of a
newer one as they are.
"""
