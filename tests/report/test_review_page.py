"""The review page in a real browser: by keyboard alone, in two tabs, over a killed server."""

from __future__ import annotations

import os
import re
import shutil
import signal
from collections.abc import Callable, Iterator

import pytest

from unpersonal.report.review_desk import Desk
from unpersonal.synthesis.reviewed import review_ledger

from .test_review_server import Server, serve

__all__ = ["serve"]
CHROMIUM = shutil.which("chromium")
playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed (pip install '.[dev]')")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="no browser: Debian's package `chromium` is not installed"),
]
PATIENT = 60_000
"""Milliseconds: other work may have the processor."""


@pytest.fixture(scope="module")
def browser() -> Iterator:
    with playwright.sync_playwright() as running:
        found = running.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield found
        found.close()


@pytest.fixture
def context(browser) -> Iterator:
    found = browser.new_context()
    found.set_default_timeout(PATIENT)
    playwright.expect.set_options(timeout=PATIENT)
    yield found
    found.close()


def opened(context, link: str):
    """A tab with the page; what a script of it says is wrong fails the test."""
    page = context.new_page()
    page.wrong = []
    page.on("pageerror", lambda error: page.wrong.append(str(error)))
    page.on("request", lambda request: page.wrong.append(request.url) if "//127.0.0.1:" not in request.url else None)
    page.goto(link)
    playwright.expect(page.locator("#list button")).to_have_count(12)
    return page


def said(page, text: str) -> None:
    playwright.expect(page.locator("#said")).to_contain_text(text)


def test_all_of_it_goes_by_keyboard(serve: Callable[[], Server], study, context):
    page = opened(context, serve().link)
    assert page.locator("#said").get_attribute("aria-live") == "polite"
    assert page.locator("#trouble").get_attribute("role") == "alert"
    # the address no longer has the token, and no script can read the cookie
    assert page.url.endswith("/") and page.evaluate("document.cookie") == ""
    assert page.locator("img").evaluate_all("all => all.every(one => one.complete)")
    page.keyboard.press("k")
    said(page, "Image 1: kept, saved. Now image 2: undecided.")
    page.keyboard.press("r")
    said(page, "Image 2: removed, saved.")
    page.keyboard.press("n")
    # keys are text while a note is written
    page.keyboard.type("<b>kr</b> is a note")
    page.keyboard.press("Enter")
    said(page, "Image 3: note saved")
    page.keyboard.press("ArrowLeft")
    said(page, "Image 2: removed")
    playwright.expect(page.locator("#remove")).to_have_attribute("aria-pressed", "true")
    page.keyboard.press("u")
    said(page, "Image 3: undecided")
    playwright.expect(page.locator("#note")).to_have_value("<b>kr</b> is a note")
    # by the Tab key and Enter as well, and where one is can be seen
    page.locator("#keep").focus()
    page.keyboard.press("Tab")
    focused = "getComputedStyle(document.activeElement).outlineStyle"
    assert page.evaluate("document.activeElement.id") == "remove" and page.evaluate(focused) == "solid"
    page.keyboard.press("Enter")
    said(page, "Image 3: removed")
    playwright.expect(page.locator("#progress-text")).to_have_text("3 of 12 decided, 2 to be removed")
    desk = Desk(study)
    assert desk.counts() == {"images": 12, "decided": 3, "removed": 2} and not page.wrong


def test_axe_finds_nothing_wrong(serve, study, context):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe-core is not installed")
    page = opened(context, serve().link)
    page.keyboard.press("r")
    said(page, "Image 1: removed, saved")
    page.keyboard.press("ArrowLeft")
    found = axe.Axe().run(page).response
    told = {rule["id"]: [node["html"][:200] for node in rule["nodes"]] for rule in found["violations"]}
    assert not told and len(found["passes"]) > 20


def test_keys_pressed_fast_are_about_one_image_each(serve, study, context):
    page = opened(context, serve().link)
    for key in "krkrkr":
        page.keyboard.press(key)
    playwright.expect(page.locator("#progress-text")).to_have_text("6 of 12 decided, 3 to be removed")
    found = Desk(study)
    decisions = [found.opinion(image).decision for image in found.items][:6]
    assert decisions == ["keep", "remove"] * 3 and not page.wrong


def test_two_tabs_see_each_other_and_a_conflict(serve, study, context):
    server = serve()
    first = opened(context, server.link)
    second = opened(context, f"http://{server.host}/")
    first.keyboard.press("r")
    said(first, "Image 1: removed, saved")
    # the second tab learns of it by itself
    playwright.expect(second.locator("#verdict")).to_have_text("removed")
    said(second, "Another tab decided on 1 image")
    # both decide before they can hear of each other
    for page in (first, second):
        page.evaluate("refresh = async () => {}; openItem(4)")
    first.keyboard.press("k")
    said(first, "Image 5: kept, saved")
    second.evaluate("openItem(4)")
    second.keyboard.press("r")
    playwright.expect(second.locator("#trouble")).to_contain_text("Conflict: another tab had image 5 kept meanwhile")
    events = [entry["event"] for entry in review_ledger(study).read().entries]
    assert events == ["remove", "keep", "remove"]
    found = Desk(study)
    assert found.opinion(list(found.items)[4]).decision == "remove"
    assert not first.wrong and not second.wrong


def test_a_killed_server_is_said_and_a_new_link_goes_on(serve, study, context):
    server = serve()
    page = opened(context, server.link)
    page.keyboard.press("r")
    said(page, "Image 1: removed, saved")
    os.kill(server.process.pid, signal.SIGKILL)
    server.process.wait()
    page.keyboard.press("k")
    playwright.expect(page.locator("#trouble")).to_contain_text("NOT saved")
    playwright.expect(page.locator("#trouble")).to_contain_text("give the command again")
    said(page, "Image 2: NOT saved")
    again = opened(context, serve().link)
    playwright.expect(again.locator("#which")).to_have_text(re.compile("Image 2 of 12"))
    playwright.expect(again.locator("#progress-text")).to_have_text("1 of 12 decided, 1 to be removed")
    again.get_by_role("button", name="End the review").click()
    playwright.expect(again.locator("#progress-text")).to_contain_text("The review has ended")
    assert Desk(study).counts()["decided"] == 1 and not again.wrong


def test_another_site_cannot_decide_or_look(serve, study, context):
    """A page of another origin in the same browser, which has the cookie, tries what a page can."""
    server = serve()
    mine = opened(context, server.link)
    image = next(iter(Desk(study).items))
    context.route("http://evil.example/*", lambda route: route.fulfill(content_type="text/html", body="<p>evil</p>"))
    evil = context.new_page()
    evil.goto("http://evil.example/")
    tried = evil.evaluate(
        """async ([at, image]) => {
            const body = JSON.stringify({image, action: "remove", tab: "evil", seen: 0});
            const ways = [
                () => fetch(at + "/decide", {method: "POST", body, credentials: "include", mode: "no-cors"}),
                () => fetch(at + "/decide", {method: "POST", body, credentials: "include",
                                             headers: {"Content-Type": "application/json"}}),
                () => fetch(at + "/items", {credentials: "include"}),
            ];
            const found = [];
            for (const way of ways) {
                try { found.push(await (await way()).text()); } catch (error) { found.push("refused"); }
            }
            const picture = new Image();
            const shown = new Promise((done) => {
                picture.onload = () => done(true);
                picture.onerror = () => done(false);
            });
            picture.src = `${at}/released/${image}.png`;
            return [...found, await shown];
        }""",
        [f"http://{server.host}", image],
    )
    assert not any("image" in str(one) for one in tried[:3]) and tried[3] is False
    assert review_ledger(study).read().entries == () and not mine.wrong
