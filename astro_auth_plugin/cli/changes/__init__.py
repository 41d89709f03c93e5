"""The commands that change a policy, in a file or in the database."""
