"""The files of the Access pages, and their address: it has their hash, so that no browser shows the ones before."""

from __future__ import annotations

import functools
import hashlib
from pathlib import Path

from astro_auth_plugin.runtime import version_compat

STATIC = Path(__file__).with_name("static")


def name() -> str:
    """Return the name of the bundle for this release of Airflow: with the components of its pages, or with its own."""
    return "access.js" if version_compat.shares_chakra() else "access-full.js"


@functools.cache
def version() -> str:
    """Return the hash of the bundle; '' where it has not been built."""
    path = STATIC / name()
    return hashlib.sha256(path.read_bytes()).hexdigest()[:16] if path.is_file() else ""
