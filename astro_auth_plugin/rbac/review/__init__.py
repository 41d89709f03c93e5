"""Compares policies, finds redundant grants, runs scenarios."""
