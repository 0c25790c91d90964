"""The review page against a browser, and what else sends it requests."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from unpersonal.report.review_app import LARGEST, LONGEST_NOTE, review_app
from unpersonal.report.review_desk import Desk
from unpersonal.synthesis.reviewed import LEDGER

testclient = pytest.importorskip("starlette.testclient", reason="the extra review is not installed")

PORT = 4711
HERE = f"http://127.0.0.1:{PORT}"
TOKEN = "a-token-that-nobody-guesses"


class Page:
    """A review and a client that came by its link."""

    def __init__(self, study: Path) -> None:
        self.desk, self.ends = Desk(study), 0
        self.app = review_app(self.desk, port=PORT, on_end=self._end, token=TOKEN)
        self.client = self.stranger()
        self.images = list(self.desk.items)

    def _end(self) -> None:
        self.ends += 1

    def stranger(self):
        return testclient.TestClient(self.app, base_url=HERE, follow_redirects=False, raise_server_exceptions=False)

    def decision(self, **other: object) -> dict[str, object]:
        return {"image": self.images[0], "action": "remove", "tab": "one", "seen": 0, **other}

    def decide(self, headers: dict[str, str] | None = None, **other: object):
        return self.client.post("/decide", json=self.decision(**other), headers={"Origin": HERE, **(headers or {})})


@pytest.fixture
def page(study) -> Iterator[Page]:
    found = Page(study)
    answer = found.client.get("/", params={"token": TOKEN})
    assert answer.status_code == 303 and answer.headers["location"] == "/"
    yield found


def test_the_link_becomes_a_cookie_that_no_script_and_no_site_reads(study):
    page = Page(study)
    answer = page.client.get("/", params={"token": TOKEN})
    cookie = answer.headers["set-cookie"]
    assert "HttpOnly" in cookie and "SameSite=Strict" in cookie and "Path=/" in cookie and TOKEN not in cookie
    assert page.client.get("/").status_code == 200
    # once: whoever has seen the link cannot use it, and who came by it may reload it
    for stranger in (page.stranger(), page.stranger()):
        answer = stranger.get("/", params={"token": TOKEN})
        assert answer.status_code == 403 and "set-cookie" not in answer.headers and "used already" in answer.text
    assert page.client.get("/", params={"token": TOKEN}).status_code == 303


@pytest.mark.parametrize(
    "query", ["token=", "token=x", "token=" + TOKEN[:-1], "token=x&token=" + TOKEN, "Token=" + TOKEN]
)
def test_a_wrong_token_opens_nothing_and_uses_nothing_up(study, query):
    page = Page(study)
    assert page.client.get(f"/?{query}").status_code == 403
    assert page.client.head("/", params={"token": TOKEN}).status_code == 405
    assert page.client.get("/", params={"token": TOKEN}).status_code == 303


def paths(page: Page) -> list[str]:
    image = page.images[0]
    return [
        "/",
        "/items",
        "/state",
        "/static/review.js",
        f"/released/{image}.png",
        f"/real/{image}/0.png",
        "/favicon.ico",
    ]


def test_without_the_cookie_there_is_nothing(page):
    stranger, wrong = page.stranger(), page.stranger()
    wrong.cookies.set(f"unpersonal-review-{PORT}", "guess")
    for path in paths(page):
        assert page.client.get(path).status_code in (200, 204), path
        assert stranger.get(path).status_code == 403 == wrong.get(path).status_code, path
        assert stranger.get(path, headers={"Cookie": "\x01=\x02; ;;"}).status_code == 403
    for path in ("/decide", "/end"):
        assert stranger.post(path, json=page.decision(), headers={"Origin": HERE}).status_code == 403
    assert page.desk.counts()["decided"] == 0 and page.ends == 0


@pytest.mark.parametrize(
    "host", ["evil.example", f"evil.example:{PORT}", "127.0.0.1", "127.0.0.1:80", f"127.0.0.1.evil.example:{PORT}", ""]
)
def test_another_host_is_refused_even_with_the_cookie(page, host):
    for path in paths(page):
        assert page.client.get(path, headers={"Host": host}).status_code == 403
    assert page.stranger().get("/", params={"token": TOKEN}, headers={"Host": host}).status_code == 403
    assert page.decide({"Host": host, "Origin": f"http://{host}"}).status_code == 403
    assert page.desk.counts()["decided"] == 0


@pytest.mark.parametrize(
    "origin",
    ["http://evil.example", "null", f"https://127.0.0.1:{PORT}", "http://127.0.0.1:9", f"http://localhost:{PORT}", ""],
)
def test_another_origin_changes_nothing_and_reads_nothing(page, origin):
    assert page.decide({"Origin": origin}).status_code == 403
    assert page.client.post("/end", headers={"Origin": origin}).status_code == 403
    assert page.client.get("/state", headers={"Origin": origin}).status_code == 403
    assert page.desk.counts()["decided"] == 0 and page.ends == 0


def test_what_changes_anything_must_say_where_it_comes_from(page):
    assert page.client.post("/decide", json=page.decision()).status_code == 403
    for site in ("cross-site", "same-site", "sideways"):
        assert page.decide({"Sec-Fetch-Site": site}).status_code == 403
        assert page.client.get("/items", headers={"Sec-Fetch-Site": site}).status_code == 403
    assert page.decide({"Sec-Fetch-Site": "same-origin"}).status_code == 200


def test_a_token_lets_another_site_open_the_link_alone(page):
    foreign = {"Sec-Fetch-Site": "cross-site"}
    for path in ("/items?token=x", "/state?token=x"):
        assert page.client.get(path, headers=foreign).status_code == 403
    assert (
        page.client.post("/decide?token=x", json=page.decision(), headers={"Origin": HERE, **foreign}).status_code
        == 403
    )
    assert page.client.head("/?token=x", headers=foreign).status_code == 403
    assert page.desk.counts()["decided"] == 0


def test_a_form_of_another_site_is_no_decision(page):
    body = json.dumps(page.decision())
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", ""):
        answer = page.client.post("/decide", content=body, headers={"Origin": HERE, "Content-Type": kind})
        assert answer.status_code == 415
    assert page.desk.counts()["decided"] == 0


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"])
def test_other_methods_are_refused(page, method):
    for path in (*paths(page), "/decide", "/end"):
        assert page.client.request(method, path, headers={"Origin": HERE}).status_code == 405
    for path in ("/decide", "/end"):
        assert page.client.get(path).status_code == 405
    assert page.client.post("/items", headers={"Origin": HERE}).status_code == 405
    assert page.ends == 0


@pytest.mark.parametrize(
    "path",
    [
        "/released/../../cohort.parquet",
        "/released/..%2f..%2fcohort.png",
        "/released/%2e%2e/%2e%2e/study.png",
        "/released//etc/passwd.png",
        "/released/0000.png",
        "/released/%00.png",
        "/real/x/0.png",
        "/real/../0.png",
        "/static/../templates/review.html.j2",
        "/static/..%2ftemplates%2freview.html.j2",
        "/static/%2e%2e%2freview_app.py",
        "/static/review.css%00.js",
        "/static/",
        "/cohort.parquet",
        "/docs",
        "/openapi.json",
    ],
)
def test_no_path_leads_out(page, path):
    answer = page.client.get(path)
    assert answer.status_code == 404 and len(answer.content) < 100


def test_real_images_are_those_beside_an_item_alone(page):
    image = page.images[0]
    count = len(page.desk.items[image].real)
    assert page.client.get(f"/real/{image}/{count - 1}.png").content.startswith(b"\x89PNG")
    for place in (count, 10**30, "-1", "x"):
        assert page.client.get(f"/real/{image}/{place}.png").status_code == 404


@pytest.mark.parametrize(
    "other",
    [
        {"image": "0" * 63},
        {"image": "../../study.toml"},
        {"image": None},
        {"action": "add"},
        {"action": "released"},
        {"action": "begun"},
        {"tab": ""},
        {"tab": "<script>"},
        {"tab": "x" * 41},
        {"seen": -1},
        {"seen": "0"},
        {"seen": True},
        {"note": "x" * (LONGEST_NOTE + 1), "action": "note"},
        {"note": "two\nlines", "action": "note"},
        {"note": "\x1b[2J", "action": "note"},
        {"note": "a note is no decision"},
        {"event": "released"},
        {"selection": "5" * 64},
    ],
)
def test_what_is_no_decision_is_refused(page, other):
    assert page.decide(**other).status_code == 400
    assert not (page.desk.study / LEDGER).exists()


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b"null", b'"x"', b"\xff\xfe", b"[" * 5000])
def test_what_is_no_json_is_refused(page, body):
    headers = {"Origin": HERE, "Content-Type": "application/json"}
    assert page.client.post("/decide", content=body, headers=headers).status_code == 400
    assert page.client.post("/decide", content=b" " * (LARGEST + 1), headers=headers).status_code == 413
    assert not (page.desk.study / LEDGER).exists()


def test_an_image_that_is_not_shown_is_unknown(page):
    assert page.decide(image="0" * 64).status_code == 404
    assert not (page.desk.study / LEDGER).exists()


def test_a_decision_is_on_the_disk_when_it_is_answered(page):
    answer = page.decide()
    assert answer.status_code == 200 and answer.json()["opinion"]["decision"] == "remove"
    assert Desk(page.desk.study).counts() == answer.json()["counts"] == {"images": 12, "decided": 1, "removed": 1}
    other = page.decide(action="keep", tab="two").json()
    assert other["conflict"]["decision"] == "remove" and other["counts"]["removed"] == 0
    assert page.client.get("/state").json()["opinions"][page.images[0]]["decision"] == "keep"


def test_what_cannot_be_saved_is_said(page):
    (page.desk.study / LEDGER).mkdir()
    answer = page.decide()
    assert answer.status_code == 503 and "NOT saved" in answer.json()["error"]
    assert page.desk.counts()["decided"] == 0


def test_markup_in_a_note_or_a_name_is_text(page, tmp_path):
    note = "<img src=x onerror=alert(1)>"
    assert page.decide(action="note", note=note).status_code == 200
    html = page.client.get("/").text
    assert note not in html and "onerror" not in html
    answer = page.client.get("/state")
    assert answer.headers["content-type"] == "application/json"
    assert answer.json()["opinions"][page.images[0]]["note"] == note
    page.desk.study = tmp_path / "<b onload=alert(1)>"
    html = page.client.get("/").text
    assert "<b onload" not in html and "&lt;b onload=alert(1)&gt;" in html


def test_every_answer_forbids_what_the_page_does_not_need(page):
    answers = [page.client.get(path) for path in (*paths(page), "/nothing")]
    answers += [
        page.stranger().get("/"),
        page.stranger().get("/", params={"token": "x"}),
        page.decide(),
        page.decide({"Origin": "x"}),
    ]
    for answer in answers:
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy and "frame-ancestors 'none'" in policy and "unsafe" not in policy
        assert answer.headers["cache-control"] == "no-store" and answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["cross-origin-resource-policy"] == "same-origin"
        assert not {name for name in answer.headers if name.startswith("access-control")}


def test_the_page_loads_nothing_from_elsewhere(page):
    text = page.client.get("/").text
    for name in ("review.js", "review.css"):
        text += page.client.get(f"/static/{name}").text
    assert "://" not in text and "innerHTML" not in text and "style=" not in text and "onclick" not in text


def test_the_end_is_told_once_asked(page):
    assert page.client.post("/end", json={}, headers={"Origin": HERE}).json()["ended"] is True
    assert page.ends == 1
