"""Pausing Python's search for garbage."""

from __future__ import annotations

import gc

import pytest

from astro_auth_plugin.runtime.policy_source import no_collection


def test_no_collection_meanwhile() -> None:
    """Nothing is collected meanwhile, in a second one within neither; afterwards it is again, also after an error."""
    assert gc.isenabled()
    with no_collection():
        assert not gc.isenabled()
        with no_collection():
            assert not gc.isenabled()
        assert not gc.isenabled()
    assert gc.isenabled()
    with pytest.raises(ValueError, match="x"), no_collection():
        raise ValueError("x")
    assert gc.isenabled()


def test_collection_that_was_off_stays_off() -> None:
    """A process that collects no garbage does not afterwards, either."""
    gc.disable()
    try:
        with no_collection():
            pass
        assert not gc.isenabled()
    finally:
        gc.enable()
