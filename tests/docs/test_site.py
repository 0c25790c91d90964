"""The site: built strictly from this checkout, with all that the code has and nothing from elsewhere."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from benchmarks.site_search import SEARCHES, first_hits
from tests.docs.pages import PAGES, ROOT
from tests.docs.test_prose import commands
from unpersonal.core.config import Config
from unpersonal.layouts.registry import LAYOUTS
from unpersonal.matching.kinds import KINDS
from unpersonal.plugins import REGISTRIES, registry
from unpersonal.release.exports import FORMS
from unpersonal.study import StudyConfig

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, without_network: dict[str, str]) -> Path:
    """The built site; mkdocs ends with 1 at the first warning."""
    out = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(out)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, env=without_network)
    assert done.returncode == 0, done.stderr
    return out


@pytest.fixture(scope="module")
def without_network() -> dict[str, str]:
    """An environment in which whoever asks the network finds nobody."""
    import os

    nobody = {f"{scheme}_proxy": "http://127.0.0.1:9" for scheme in ("http", "https")}
    return {**os.environ, **nobody, "NO_MKDOCS_2_WARNING": "1", "PYTHONPATH": str(ROOT / "src"), "OMP_NUM_THREADS": "1"}


@pytest.fixture(scope="module")
def text(site: Path) -> Callable[[str], str]:
    """The words of a page, without its markup."""

    class Words(HTMLParser):
        def __init__(self) -> None:
            super().__init__()
            self.words: list[str] = []

        def handle_data(self, data: str) -> None:
            self.words.append(data)

    def words(page: str) -> str:
        reader = Words()
        reader.feed((site / page).read_text(encoding="utf-8").split("<article")[1].split("</article>")[0])
        return "".join(reader.words)

    return words


@pytest.fixture(scope="module")
def index(site: Path) -> dict[str, str]:
    """Place to title and text: what the search looks through."""
    found: dict[str, Any] = json.loads((site / "search/search_index.json").read_text(encoding="utf-8"))
    return {entry["location"]: f"{entry['title']} {entry['text']}" for entry in found["docs"]}


def test_every_page_is_there_and_can_be_searched(site: Path, index: dict[str, str]) -> None:
    for page in PAGES:
        place = page.relative_to(ROOT / "docs").with_suffix(".html").as_posix()
        assert (site / place).is_file() and place in index
    assert (site / "search/search_index.js").read_text(encoding="utf-8").startswith("var __index = ")


def test_nothing_is_asked_of_anybody(site: Path) -> None:
    """No page loads a script, style, font, picture or frame from elsewhere."""
    loaded = re.compile(r"<(?:script|img|iframe|source|link)\b[^>]*?(?:src|href)=\"?(https?:|//)[^>]*>")
    for page in site.rglob("*.html"):
        found = [each[0] for each in loaded.finditer(page.read_text(encoding="utf-8"))]
        assert [tag for tag in found if 'rel="canonical"' not in tag] == [], page
    for style in site.rglob("*.css"):
        assert not re.search(r"url\([\"']?(https?:|//)|@import", style.read_text(encoding="utf-8")), style


def test_every_command_has_a_page_with_its_options_and_exit_codes(
    text: Callable[[str], str], index: dict[str, str]
) -> None:
    listed = text("reference/commands/index.html")
    for name, command in commands().items():
        page = text(f"reference/commands/{name}.html")
        assert name in listed and re.search(r"Exit codes: 0 .+ 1 .+ bug", page)
        missing = [
            option for each in command.params for option in each.opts if option.startswith("--") and option not in page
        ]
        assert missing == [], name
        assert f"reference/commands/{name}.html" in index


def tables(kind: type[Config], name: str = "") -> list[tuple[str, type[Config]]]:
    """Every table of study.toml with its class, those inside others too."""
    inside = [(key, info.annotation) for key, info in kind.model_fields.items()]
    below = [
        (f"{name}.{key}".strip("."), each)
        for key, each in inside
        if isinstance(each, type) and issubclass(each, Config)
    ]
    return [(name, kind), *(found for key, each in below for found in tables(each, key))]


def test_every_key_is_told_with_type_default_and_description(text: Callable[[str], str], index: dict[str, str]) -> None:
    found = tables(StudyConfig)
    assert len(found) > 10
    for name, kind in found:
        page = text(f"reference/study/{name.split('.')[0] or 'index'}.html")
        assert f"[{name}]" in page or not name
        for key, info in kind.model_fields.items():
            assert re.search(rf"\b{key}\b", page), f"{name}.{key}"
            told = " ".join((info.description or "").replace("`", "").split())
            assert told in " ".join(page.split()), f"{name}.{key}"
    everything = " ".join(index.values())
    assert all(key in everything for _, kind in found for key in kind.model_fields)


def test_every_part_is_told(text: Callable[[str], str]) -> None:
    for kind, found in {**{kind: registry(kind) for kind in REGISTRIES}, "export": FORMS}.items():
        page = text(f"reference/parts/{kind}s.html")
        assert found.own_names() and [name for name in found.own_names() if name not in page] == []
    kinds = text("reference/parts/kinds-of-copies.html")
    assert [each.name for each in KINDS if each.name not in kinds] == []


def test_every_layout_has_a_page_of_its_own_that_is_in_the_list(text: Callable[[str], str]) -> None:
    listed, formats = text("layouts/index.html"), text("formats.html")
    for name in LAYOUTS.own_names():
        assert f"# {name}\n" in (ROOT / f"docs/layouts/{name}.md").read_text(encoding="utf-8")
        assert name in listed and name in formats and "unpersonal init" in text(f"layouts/{name}.html")


def test_every_public_name_is_told(text: Callable[[str], str]) -> None:
    import unpersonal

    for name in unpersonal.__all__:
        if not name.startswith("_"):
            assert name in text(f"reference/python/{name}.html")
            assert len(text(f"reference/python/{name}.html").split()) > 15, "the docstring is there"


@pytest.mark.parametrize(
    ("words", "place"),
    [
        (("pass", "mean"), "explanation/pass.html"),
        (("not", "tested"), "explanation/not-tested.html"),
        (("DICOM", "archive"), "howto/dicom.html"),
        (("Add", "attack"), "howto/add-an-attack.html"),
        (("Audit", "synthetic", "set"), "howto/audit-a-set.html"),
    ],
)
def test_what_a_newcomer_asks_is_a_title_and_one_click_from_the_first_page(
    site: Path, index: dict[str, str], words: tuple[str, ...], place: str
) -> None:
    assert all(word.lower() in index[place].lower() for word in words)
    assert f'href="{place}"' in (site / "index.html").read_text(encoding="utf-8")


def test_pages_for_a_question_weigh_more_than_the_reference(site: Path) -> None:
    found: dict[str, Any] = json.loads((site / "search/search_index.json").read_text(encoding="utf-8"))
    weights = {entry["location"]: entry.get("boost", 1) for entry in found["docs"] if "#" not in entry["location"]}
    asked = {page for page in SEARCHES.values() if not page.startswith("reference/")}
    assert all(weights[page] > 1 for page in asked)
    assert {weights[page] for page in weights if page.startswith("reference/")} == {1}
    separator = re.compile(found["config"]["separator"])
    assert [word for word in separator.split('What does "pass" mean?') if word] == ["What", "does", "pass", "mean"]
    assert separator.split("gate_miss_upper audit.json") == ["gate_miss_upper", "audit.json"]


def test_a_search_finds_the_page_that_answers_it_first(site: Path) -> None:
    if shutil.which("node") is None:
        pytest.skip("node is not installed here (Debian: apt-get install nodejs); the order of a search was not seen")
    found = first_hits(site, list(SEARCHES))
    assert {words: pages[:1] for words, pages in found.items()} == {words: [page] for words, page in SEARCHES.items()}


def test_no_generated_page_is_checked_in() -> None:
    assert not (ROOT / "docs/reference").exists()
