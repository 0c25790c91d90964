"""What axe-core finds in a real browser, and what a person sees there: at a desk, on a telephone, on paper.

The structure that can be checked without a browser is checked in `test_page`, always.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from benchmarks.screens import DESK, TELEPHONE, browser_path, launch, take

NO_BROWSER = "no browser is installed here (Debian: apt-get install chromium); axe-core did not look at the pages"


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """The installed browser, driven by Playwright."""
    if browser_path() is None:
        pytest.skip(NO_BROWSER)
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed: axe-core did not look")
    with playwright.sync_playwright() as started:
        found = launch(started)
        yield found
        found.close()


def size(screen: tuple[int, int]) -> dict[str, int]:
    return {"width": screen[0], "height": screen[1]}


@pytest.mark.slow
@pytest.mark.parametrize("name", ["released", "refused", "private"])
def test_axe_finds_nothing_wrong(browser: Any, pages: Mapping[str, Path], name: str) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe-core is not installed")
    view = browser.new_page(viewport=size(DESK))
    view.goto(pages[name].as_uri())
    if name == "released":
        # what is folded is looked at as well
        view.evaluate("document.querySelectorAll('details').forEach(found => found.open = true)")
    found = axe.Axe().run(view).response
    told = {rule["id"]: [node["html"][:200] for node in rule["nodes"]] for rule in found["violations"]}
    assert not told and len(found["passes"]) > 20
    view.close()


@pytest.mark.slow
@pytest.mark.parametrize("name", ["released", "refused", "empty", "private"])
def test_nothing_but_a_table_in_its_frame_is_wider_than_a_telephone(
    browser: Any, pages: Mapping[str, Path], name: str
) -> None:
    view = browser.new_page(viewport=size(TELEPHONE))
    view.goto(pages[name].as_uri())
    view.evaluate("document.querySelectorAll('details').forEach(found => found.open = true)")
    assert view.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    view.close()


@pytest.mark.slow
def test_the_first_screen_holds_answer_figures_and_gaps(browser: Any, pages: Mapping[str, Path]) -> None:
    view = browser.new_page(viewport=size(DESK))
    view.goto(pages["released"].as_uri())
    for key in ("#verdict", "#why table", "#not-tested ul"):
        assert view.eval_on_selector(key, "found => found.getBoundingClientRect().bottom") <= DESK[1], key
    view.close()


@pytest.mark.slow
def test_everything_can_be_reached_by_keyboard(browser: Any, pages: Mapping[str, Path]) -> None:
    view = browser.new_page()
    view.goto(pages["released"].as_uri())
    view.keyboard.press("Tab")
    assert view.evaluate("document.activeElement.className") == "skip"
    assert view.eval_on_selector(".skip", "found => found.getBoundingClientRect().left") >= 0
    view.keyboard.press("Enter")
    assert view.evaluate("document.activeElement.id") == "main"
    summary = view.locator("summary").first
    summary.focus()
    view.keyboard.press("Enter")
    assert view.evaluate("document.querySelector('details').open") is True
    view.close()


@pytest.mark.slow
def test_on_paper_every_table_is_open_and_none_is_cut(browser: Any, pages: Mapping[str, Path]) -> None:
    view = browser.new_page(viewport={"width": 700, "height": 1000})
    view.goto(pages["released"].as_uri())
    view.emulate_media(media="print")
    heights = view.eval_on_selector_all(
        "details table", "all => all.map(found => found.getBoundingClientRect().height)"
    )
    assert len(heights) > 20 and min(heights) > 0
    assert view.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    view.close()


@pytest.mark.slow
def test_pictures_of_a_page_are_small(browser: Any, pages: Mapping[str, Path], tmp_path: Path) -> None:
    made = take(browser, pages["released"], tmp_path / "img", "report")
    assert [path.name for path in made] == ["report.png", "report-phone.png"]
    assert all(1000 < path.stat().st_size < 300_000 for path in made)
