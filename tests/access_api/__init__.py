"""Tests of the API of access, in the process of the tests."""
