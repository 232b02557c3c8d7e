"""`shipboard notify test` sends one message at once, and says what a target says."""

import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread
from typing import Any, ClassVar

import pytest

from tests.processes import run


class Receiver(BaseHTTPRequestHandler):
    """Keeps what it got; answers 500 below /no."""

    got: ClassVar[list[Any]] = []

    def do_POST(self) -> None:
        self.got.append(json.loads(self.rfile.read(int(self.headers["content-length"]))))
        self.send_response(500 if self.path.startswith("/no") else 200)
        self.end_headers()

    def log_message(self, *told: Any) -> None:
        pass


@pytest.fixture
def receiver() -> Iterator[str]:
    Receiver.got = []
    server = HTTPServer(("127.0.0.1", 0), Receiver)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_target_is_tried_from_the_command_line(tmp_path, receiver):
    (tmp_path / "shipboard.yaml").write_text(
        f"""
public_url: https://ship.example.org
notify:
  targets:
    - {{name: good, webhook: {{url: '{receiver}/in', secret: {{env: LEDGER}}, private: true}}}}
    - {{name: bad, webhook: {{url: '{receiver}/no', secret: {{env: LEDGER}}, private: true}}}}
    - {{name: "off", apprise: {{url: {{env: NOWHERE}}}}}}
  routes: [{{to: [good, bad, "off"]}}]
"""
    )
    told = {"LEDGER": "whsec_c2VjcmV0IHRoYXQgaXMgbG9uZyBlbm91Z2g="}
    assert run(tmp_path, "notify", "test", "good", **told)[:2] == (0, "good took it.\n")
    assert (Receiver.got[0]["type"], Receiver.got[0]["data"]["url"]) == (
        "test",
        "https://ship.example.org/sources",
    )
    for name, code, why in (
        ("bad", 1, "127.0.0.1 answers 500"),
        ("off", 1, "NOWHERE holds nothing"),
        ("god", 2, "Known are: good, bad, off."),
    ):
        found, _, said = run(tmp_path, "notify", "test", name, **told)
        assert (found, why in said) == (code, True), said
        assert "whsec" not in said
