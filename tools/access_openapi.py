"""The shapes of the API of access, for the types of the pages: `python -m tools.access_openapi FILE` writes them."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from astro_auth_plugin.access_api.app import make_app


def main(file: str) -> None:
    """Write an OpenAPI document with all shapes, and without the routes."""
    document = make_app().openapi()
    shapes = {"schemas": document["components"]["schemas"]}
    Path(file).write_text(json.dumps({**document, "paths": {}, "components": shapes}, indent=1))


if __name__ == "__main__":
    main(sys.argv[1])
