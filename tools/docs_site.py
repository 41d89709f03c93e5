"""Hooks of MkDocs (see mkdocs.yml): README and the other pages of the project's root are pages of the site, too.

The pages are written for a viewer of the repository, which shows folders and any file; here such links are turned into
those of the site.
"""

from __future__ import annotations

import posixpath
import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File

ROOT = Path(__file__).resolve().parent.parent
AT_ROOT = {
    "README.md": "index.md",
    "CHANGELOG.md": "changelog.md",
    "CONTRIBUTING.md": "contributing.md",
    "SECURITY.md": "report-a-vulnerability.md",
}
"""Where pages of the root are in the site."""
LINKED = {"LICENSE": "LICENSE.txt", "dev_dags/policy.yaml": "dev_dags/policy.yaml"}
"""Where other files that pages link to are in the site."""
DECISIONS = "decisions/index.md"
_PLACES = {**AT_ROOT, **LINKED, "docs/decisions": DECISIONS}
_SOURCES = {place: source for source, place in AT_ROOT.items()}

_FENCE = re.compile(r"^( *)```(.*?)\n(.*?)^ *```$", re.DOTALL | re.MULTILINE)
_LINK = re.compile(r"\]\(([^)\s#:]+)(#[^)\s]*)?\)")


def on_files(files: Any, config: Any, **_: Any) -> Any:
    """Add what is outside of docs, and the list of decisions."""
    for source, place in {**AT_ROOT, **LINKED}.items():
        files.append(File.generated(config, place, content=(ROOT / source).read_text(encoding="utf-8")))
    files.append(File.generated(config, DECISIONS, content=decisions()))
    return files


def decisions() -> str:
    """Return the page that lists the decisions."""
    rows = []
    for page in sorted((ROOT / "docs" / "decisions").glob("*.md")):
        number, _, title = page.read_text(encoding="utf-8").partition("\n")[0].removeprefix("# ").partition(": ")
        rows.append(f"- [{number}]({page.name}): {title}\n")
    return "# Decisions\n\nDesign decisions and their reasons.\n\n" + "".join(rows)


def on_page_markdown(markdown: str, *, page: Any, **_: Any) -> str:
    """Return a page with the links and fences of the site."""
    place = page.file.src_uri
    folder = posixpath.dirname(_SOURCES.get(place, f"docs/{place}"))
    here = posixpath.dirname(place)

    def link(found: re.Match[str]) -> str:
        source = posixpath.normpath(posixpath.join(folder, found[1]))
        target = _PLACES.get(source, source.removeprefix("docs/"))
        return f"]({posixpath.relpath(target, here or '.')}{found[2] or ''})"

    parts, end = [], 0
    for fence in _FENCE.finditer(markdown):
        # The second word says to the tests which example it is.
        language = fence[2].split(" ")[0]
        parts += [_LINK.sub(link, markdown[end : fence.start()]), f"{fence[1]}```{language}\n{fence[3]}{fence[1]}```"]
        end = fence.end()
    return "".join([*parts, _LINK.sub(link, markdown[end:])])
