"""Decides from a policy what a subject may do, which roles it may give, and which API tokens are valid."""
