"""Pauses Python's search for garbage while a large policy is made of many small objects."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def no_collection() -> Iterator[None]:
    """Look for no garbage meanwhile, in any thread.

    Else Python looks through all objects of the process again and again, because there are ever more of them, and
    finds nothing: that takes a third of the time.
    """
    if not gc.isenabled():
        # In another thread, or for good.
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
