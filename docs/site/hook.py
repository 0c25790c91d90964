"""What mkdocs asks of us while it builds the site: pages that are made of the code, and links that leave the docs.

Nothing that is made here is checked in: a command, a key or a part that is new in the code is in the next site.
"""

from __future__ import annotations

import re
from pathlib import Path
from posixpath import dirname, join, normpath
from typing import Any

import commands
import keys
import parts
import python_api
import schemas
from mkdocs.structure.files import File

MAKERS = {
    "reference/commands/": commands,
    "reference/study/": keys,
    "reference/parts/": parts,
    "reference/python/": python_api,
    "reference/schemas/": schemas,
}
"""Where the pages of a module lie; in `nav` of mkdocs.yml the folder stands for all of them."""
WIDE = "---\nhide: [toc]\n---\n\n"
"""Head of a page whose tables need the room of its table of contents."""
ASKED_FIRST = (
    *("howto/", "explanation/", "tutorial.md", "your-own-images.md", "use-a-release.md"),
    *("export.md", "match.md", "utility.md", "packaging.md"),
)
"""Pages for whoever has a question; the reference has the same words more often."""
WEIGHT = 6
"""By how much more a search likes them."""
CODE = re.compile(r"`[^`]+`")
LINK = re.compile(r"\[([^\]]*)\]\((?!\w+:)([^)#\s]+)(#[^)\s]*)?\)")


def on_config(config: Any) -> Any:
    """Put the generated pages in the place of their folder in `nav`."""
    config.nav = _filled(config.nav)
    return config


def _filled(entry: Any) -> Any:
    if isinstance(entry, list):
        return [_filled(each) for each in entry]
    if isinstance(entry, dict):
        return {title: _filled(below) for title, below in entry.items()}
    return [{title: entry + name} for name, (title, _) in MAKERS[entry].pages().items()] if entry in MAKERS else entry


def on_files(files: Any, config: Any) -> Any:
    """Add the generated pages and what they link to."""
    for folder, maker in MAKERS.items():
        for name, (_, text) in maker.pages().items():
            files.append(File.generated(config, folder + name, content=WIDE + text))
    for path in schemas.FILES:
        files.append(File.generated(config, f"reference/schemas/{path.name}", abs_src_path=str(path)))
    return files


def on_page_markdown(markdown: str, page: Any, config: Any, files: Any) -> str:
    """Links to files of the repository: to their copy where the site has one, else only their name.

    Pages that answer a newcomer's questions are made the first that a search finds.
    """
    if page.file.src_uri.startswith(ASKED_FIRST):
        page.meta["search"] = {"boost": WEIGHT}
    place = dirname(page.file.src_uri)

    def instead(found: re.Match[str]) -> str:
        target = normpath(join(place, found[2]))
        if not target.startswith("../"):
            return found[0]
        copied = {path.name for path in schemas.FILES}
        if Path(target).name in copied:
            up = "../" * len(Path(place).parts)
            return f"[{found[1]}]({up}reference/schemas/{Path(target).name})"
        return found[1]

    return "\n".join(_plain_bars(line) for line in LINK.sub(instead, markdown).split("\n"))


def _plain_bars(line: str) -> str:
    """Bars in code in a table: GitHub wants them escaped, Markdown for Python shows the backslash."""
    return CODE.sub(lambda found: found[0].replace("\\|", "|"), line) if line.startswith("|") else line
