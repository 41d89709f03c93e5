"""The policy: its YAML, its document, what is wrong with it, which files may carry which tags."""
