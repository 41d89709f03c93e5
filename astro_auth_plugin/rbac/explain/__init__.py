"""Answers questions about a policy: who may do what, and by which grant."""
