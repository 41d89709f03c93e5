"""Breaks the package on purpose, fault by fault, and sees whether the tests notice."""
