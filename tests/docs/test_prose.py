"""README and docs are read by strangers: short paragraphs, links that lead somewhere, commands and names that exist."""

from __future__ import annotations

import ast
import inspect
import re
import shlex
from operator import attrgetter
from pathlib import Path
from typing import Any

import pytest
import typer

import unpersonal
from tests.docs.pages import ALL, PAGES, README, ROOT, anchors, blocks, name, outside_code, paragraphs
from unpersonal.cli import app

LONGEST = {README: (80, 560)}
"""Words and characters of a paragraph of five lines; README, which everybody reads, has shorter lines."""
ELSE = (110, 850)
LINK = re.compile(r"!?\[[^\]]*\]\((?!\w+:)([^)\s]*)\)")


@pytest.mark.parametrize("page", [README, *PAGES], ids=name)
def test_no_paragraph_is_longer_than_five_lines(page: Path) -> None:
    words, characters = LONGEST.get(page, ELSE)
    found = paragraphs(page.read_text(encoding="utf-8"))
    assert [start for start, text in found if len(text.split()) > words or len(text) > characters] == []


def test_a_long_paragraph_is_found() -> None:
    text = (
        "# A\n\n| a | b |\n\n- short\n- "
        + "word " * 60
        + "\n  "
        + "word " * 60
        + "\n\n```\n"
        + "code " * 200
        + "\n```\nend\n"
    )
    assert [len(told.split()) for _, told in paragraphs(text)] == [2, 121, 1]


@pytest.mark.parametrize("page", ALL, ids=name)
def test_links_lead_somewhere(page: Path) -> None:
    broken = []
    for number, line in outside_code(page.read_text(encoding="utf-8")):
        for target in LINK.findall(re.sub(r"`[^`]*`", "", line)):
            path, _, place = target.partition("#")
            file = (page.parent / path).resolve() if path else page
            generated = file.is_relative_to(ROOT / "docs/reference")  # made of the code; the site's own test follows it
            if not generated and (not file.exists() or (place and place not in anchors(file))):
                broken.append(f"{number}: {target}")
    assert broken == []


@pytest.mark.parametrize("page", [README, *PAGES], ids=name)
def test_lists_and_tables_stand_apart(page: Path) -> None:
    """Where a list or a table follows a paragraph without a line between, the site would run both together."""
    before, wrong = "", []
    for number, line in outside_code(page.read_text(encoding="utf-8")):
        item, row = re.match(r"([-*]|\d+\.) ", line), line.startswith("|")
        plain = bool(before) and not before.startswith(("#", "|", " ", "!")) and not re.match(r"([-*]|\d+\.) ", before)
        continued = before.startswith("  ")
        if (item and plain) or (row and (plain or continued)):
            wrong.append(number)
        before = line
    # a line of an item that goes on at the margin looks like a paragraph: items are indented
    assert wrong == []


def commands() -> dict[str, Any]:
    """Every command of the program by name."""
    group: Any = typer.main.get_command(app)
    context = group.make_context("unpersonal", ["--help"], resilient_parsing=True)
    return {each: group.resolve_command(context, [each])[1] for each in group.list_commands(context)}


CALL = re.compile(r"(?:^|[\s'$(])unpersonal (?=[a-z])")
"""What is called, in a line of a shell."""


def typed(page: Path) -> list[list[str]]:
    """Words of every line in which `unpersonal` is called, in blocks of code for a shell."""
    text = page.read_text(encoding="utf-8").replace("\\\n", " ")
    lines = [line for code in blocks(text, "sh", "bash", "") for line in code.splitlines()]
    calls = [call for line in lines for call in CALL.split(line)[1:]]
    return [shlex.split(call if call.count("'") % 2 == 0 else call.replace("'", ""), comments=True) for call in calls]


def test_every_command_line_that_is_told_exists() -> None:
    known, wrong, seen = commands(), [], set()
    for page in (README, *PAGES):
        for words in typed(page):
            seen.add(words[0])
            options = {"--help"}
            if words[0] in known:
                options |= {option for each in known[words[0]].params for option in (*each.opts, *each.secondary_opts)}
            used = [word.strip("[]") for word in words[1:] if word.strip("[").startswith("--")]
            wrong += [f"{name(page)}: {words[0]} {option}" for option in used if option.split("=")[0] not in options]
    assert wrong == []
    assert len(seen) > 8, "the search finds command lines"


def test_python_that_is_told_exists() -> None:
    """Names and arguments of `unpersonal.NAME(…)` in README and how-to."""
    wrong, calls = [], 0
    for page in (README, *PAGES):
        for code in blocks(page.read_text(encoding="utf-8"), "python"):
            for node in ast.walk(ast.parse(code)):
                if isinstance(node, ast.Call) and re.fullmatch(r"unpersonal(\.\w+)+", ast.unparse(node.func)):
                    calls += 1
                    called = attrgetter(ast.unparse(node.func).split(".", 1)[1])(unpersonal)
                    given = {str(each.arg): None for each in node.keywords}
                    try:
                        inspect.signature(called).bind(*node.args, **given)
                    except TypeError as error:
                        wrong.append(f"{name(page)}: {ast.unparse(node)}: {error}")
    assert wrong == []
    assert calls >= 4


def test_nothing_claims_to_be_published() -> None:
    """The package is on no index: whoever follows `pip install unpersonal` would get somebody else's."""
    told = [
        page for page in (README, *PAGES) if re.search(r"pip install '?unpersonal(\[|'|\s|$)", page.read_text("utf-8"))
    ]
    assert list(map(name, told)) == []


def test_readme_has_what_a_stranger_looks_for() -> None:
    text = README.read_text(encoding="utf-8")
    first = next(told for _, told in paragraphs(text))
    assert len(first.split()) < 60 and text.index("![") < text.index("\n## ")
    shell, three, ten = (
        section(text, each) for each in ("Your own study in five lines", "Somebody's set in three", "Python in ten")
    )
    assert len(blocks(shell, "sh")[0].strip().splitlines()) == 5
    assert len(blocks(three, "sh")[0].strip().splitlines()) == 3
    assert (
        len(
            [line for line in blocks(ten, "python")[0].splitlines() if line and not line.startswith(("import", "from"))]
        )
        <= 10
    )
    assert {"make demo", "make test"} <= {
        line.split("  ")[0] for line in blocks(section(text, "Two commands"), "sh")[0].splitlines()
    }


def section(text: str, heading: str) -> str:
    return text.split(f"\n## {heading}\n")[1].split("\n## ")[0]


def test_every_room_and_page_of_the_tree_is_there() -> None:
    tree = section(README.read_text(encoding="utf-8"), "What is where")
    rooms = {path.name for path in (ROOT / "src/unpersonal").iterdir() if (path / "__init__.py").exists()}
    assert [room for room in sorted(rooms) if f"{room}/" not in tree] == []


def test_the_attack_of_the_how_to_is_the_one_that_is_tried() -> None:
    """tests/journeys/test_plugins.py installs the package of docs/extend.md and runs it."""
    pages = (ROOT / "docs/howto/add-an-attack.md", ROOT / "docs/extend.md")
    told, tried = (page.read_text(encoding="utf-8") for page in pages)
    (attack,) = blocks(told, "python")
    assert attack in blocks(tried, "python")
    (package,) = (code for code in blocks(told, "toml") if "entry-points" in code)
    named = next(line for line in package.splitlines() if line.startswith('"unpersonal.attacks"'))
    assert named in next(code for code in blocks(tried, "toml") if "entry-points" in code)
