"""Compares policies, finds what is odd or redundant (`lint`), runs scenarios."""
