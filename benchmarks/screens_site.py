"""Pictures of the site: `make docs && python -m benchmarks.screens_site site --out docs/img`.

It opens the built site from the disk in the browser that is installed, without any server or network, takes the first
page and a search, and prints how large the site is and what searches find first.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from benchmarks.screens import BROWSERS, DESK, browser_path, launch, save_small

SEARCHES = ("what does pass mean", "DICOM archive", "add an attack", "audit synthetic Python", "gate_miss_upper")
"""What a newcomer might look for; the last is a key of study.toml."""


def search(page: Any, words: str) -> list[str]:
    """Titles and paths of what a search of the open page finds, best first."""
    page.click("input.md-search__input")
    page.type("input.md-search__input", words, delay=20)  # the page listens to keys
    page.wait_for_selector(".md-search-result__item a", timeout=120_000)
    page.wait_for_timeout(1000)
    found = page.query_selector_all(".md-search-result__item > a.md-search-result__link")
    return [
        f"{each.query_selector('h1, h2').inner_text()} ({each.get_attribute('href').split('?')[0]})" for each in found
    ]


def main() -> None:
    """Write the pictures; print sizes and what was found."""
    from playwright.sync_api import sync_playwright

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("site", type=Path)
    parser.add_argument("--out", type=Path, default=Path("docs/img"))
    given = parser.parse_args()
    if browser_path() is None:
        parser.error(f"no browser is installed: one of {', '.join(BROWSERS)} (Debian: apt-get install chromium)")
    files = [path for path in given.site.rglob("*") if path.is_file()]
    print(f"{len(files)} files, {sum(path.stat().st_size for path in files) / 1e6:.1f} MB")
    with sync_playwright() as playwright:
        browser = launch(playwright)
        page = browser.new_page(viewport=dict(zip(("width", "height"), DESK, strict=True)))
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        page.goto((given.site / "index.html").resolve().as_uri())
        save_small(page.screenshot(), given.out / "site.png")
        for words in SEARCHES:
            page.reload()
            print(f"{words}: {'; '.join(search(page, words)[:3])}")
            if words == SEARCHES[0]:
                save_small(page.screenshot(), given.out / "site-search.png")
        page.goto((given.site / "reference/study/policy.html").resolve().as_uri())
        save_small(page.screenshot(), given.out / "site-reference.png")
        print("asked of a network:", [url for url in asked if not url.startswith(("file:", "data:", "about:"))])
        browser.close()


if __name__ == "__main__":
    main()
