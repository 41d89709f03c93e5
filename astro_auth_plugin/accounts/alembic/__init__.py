"""The revisions of the plugin's own table."""
