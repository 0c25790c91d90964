"""The server of a review: loopback alone, one at a time, and what it wrote survives SIGKILL."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from unpersonal.core.errors import InputError
from unpersonal.core.places import study_lock
from unpersonal.report.review_desk import Desk
from unpersonal.synthesis.reviewed import LEDGER

pytest.importorskip("uvicorn", reason="the extra review is not installed")

CODE = """
import sys
from pathlib import Path
from unpersonal.report.review_server import serve_review
serve_review(Path(sys.argv[1]), 0.9, opened=lambda link, desk: print(link, desk.mended, sep="|", flush=True))
print("ended", flush=True)
"""


class Server:
    """A review in a process of its own, and the cookie that its link gave."""

    def __init__(self, study: Path) -> None:
        words = [sys.executable, "-c", CODE, str(study)]
        self.process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        self.link, _, self.mended = self.process.stdout.readline().strip().partition("|")
        self.host = urlsplit(self.link).netloc
        self.cookie = ""

    def ask(self, path: str, body: object = None) -> tuple[int, str]:
        connection = http.client.HTTPConnection(self.host, timeout=60)
        headers = {"Cookie": self.cookie, "Origin": f"http://{self.host}", "Content-Type": "application/json"}
        connection.request("GET" if body is None else "POST", path, None if body is None else json.dumps(body), headers)
        answer = connection.getresponse()
        self.cookie = (answer.getheader("set-cookie") or self.cookie).split(";")[0]
        return answer.status, answer.read().decode("utf-8", "replace")

    def enter(self) -> Server:
        assert self.ask(self.link.partition(self.host)[2])[0] == 303
        return self


@pytest.fixture
def serve(study) -> Iterator[Callable[[], Server]]:
    started: list[Server] = []

    def start() -> Server:
        started.append(Server(study))
        return started[-1]

    yield start
    for server in started:
        server.process.kill()
        server.process.communicate()


@pytest.mark.slow
def test_what_was_answered_survives_sigkill_and_a_new_link_goes_on(serve, study):
    server = serve().enter()
    images = [item["image"] for item in json.loads(server.ask("/items")[1])["items"]]
    for image in images[:3]:
        assert server.ask("/decide", {"image": image, "action": "remove", "tab": "a", "seen": 0})[0] == 200
    with pytest.raises(InputError, match="running"), study_lock(study):
        pass
    os.kill(server.process.pid, signal.SIGKILL)
    server.process.wait()
    # as if it had been killed while it wrote the last line
    path = study / LEDGER
    path.write_bytes(path.read_bytes()[:-25])
    again = serve()
    assert "nothing was lost" in again.mended and again.link != server.link
    # the old cookie is of no use
    again.cookie = server.cookie
    assert again.ask("/state")[0] == 403
    again.cookie = ""
    again.enter()
    assert json.loads(again.ask("/state")[1])["counts"]["removed"] == 3
    assert again.ask("/end", {})[0] == 200
    out, errors = again.process.communicate(timeout=120)
    assert out.strip() == "ended" and again.process.returncode == 0 and "token" not in errors
    assert Desk(study).counts()["removed"] == 3


@pytest.mark.slow
def test_a_second_server_is_refused_and_the_first_listens_on_loopback_alone(serve, study):
    server = serve()
    second = serve()
    assert second.process.wait() != 0
    assert "Another process has this study" in second.process.communicate()[1]
    port = int(server.host.split(":")[1])
    listening = {
        line.split()[1]
        for name in ("tcp", "tcp6")
        for line in Path(f"/proc/net/{name}").read_text().splitlines()[1:]
        if line.split()[1].endswith(f":{port:04X}") and line.split()[3] == "0A"
    }
    assert listening == {f"0100007F:{port:04X}"}
    # Ctrl-C is an end like any other
    server.process.send_signal(signal.SIGINT)
    out, _ = server.process.communicate(timeout=120)
    assert server.process.returncode == 0 and out.strip() == "ended"


def test_a_port_that_is_taken_is_said(study):
    from unpersonal.report.review_server import serve_review

    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(InputError, match="is taken"):
        serve_review(study, None, port=taken.getsockname()[1], opened=lambda link, desk: None)
    with study_lock(study):
        pass
