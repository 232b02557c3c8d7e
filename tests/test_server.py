"""The process from outside: it starts, drains, ends, and comes back."""

import contextlib
import http.client
import json
import re
import resource
import signal
import socket
import time

import pytest

from app.web import server
from tests.processes import free_port, kubeconfig, shipboard, until

BUDGET = 12.0
"""Seconds from SIGTERM to exit, of which five are draining."""


def serve(home, port, **environ):
    return shipboard(home, "serve", "--kubeconfig", str(kubeconfig(home)), port=port, **environ)


@contextlib.contextmanager
def open_stream(port):
    """A stream of the board, past its first event."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    with contextlib.closing(connection):
        connection.request("GET", "/", headers={"accept": "text/event-stream"})
        with connection.getresponse() as answer:
            assert answer.status == 200
            until(lambda: b"hx-partial" in answer.readline(), "a first event")
            yield answer


def test_sigterm_drains_then_says_farewell_then_exits_in_time(tmp_path):
    port = free_port()
    with serve(tmp_path, port, SHIPBOARD_DRAIN_SECONDS="2") as board, contextlib.ExitStack() as stack:
        board.until_serving()
        stream = stack.enter_context(open_stream(port))
        began = time.monotonic()
        board.signal(signal.SIGTERM)
        until(lambda: "draining" in "".join(board.reasons()), "not ready", 1.5)
        assert board.status("/healthz") == 200
        assert board.status("/") == 200
        assert time.monotonic() - began < 2, "the machine is too slow for this test"
        rest = stream.read()
        assert time.monotonic() - began >= 2
        (retry,) = re.findall(rb"(?:^|\n\n)retry: (\d+)\n\n$", rest)
        assert 500 <= int(retry) <= 5000
        assert board.ended() == 0
        assert time.monotonic() - began < BUDGET - 5 + 2
    events = [json.loads(line)["event"] for line in board.log.read_text().splitlines() if line[0] == "{"]
    assert events[-1] == "ended"
    assert "Traceback" not in board.log.read_text()


@pytest.mark.parametrize("signals", [[signal.SIGTERM, signal.SIGTERM], [signal.SIGINT]])
def test_second_signal_or_ctrl_c_skips_the_wait(tmp_path, signals):
    port = free_port()
    with serve(tmp_path, port, SHIPBOARD_DRAIN_SECONDS="9") as board, contextlib.ExitStack() as stack:
        board.until_serving()
        stream = stack.enter_context(open_stream(port))
        began = time.monotonic()
        for number in signals:
            board.signal(number)
            if number is signal.SIGTERM:
                until(lambda: board.get("/ready")[0] != 200, "not ready", 5)
        assert b"retry: " in stream.read()
        assert board.ended() == 0
        assert time.monotonic() - began < 9


def test_signal_during_the_start_ends_it_well(tmp_path):
    with serve(tmp_path, free_port()) as board:
        until(lambda: '"starting"' in board.log.read_text(), "it starts")
        board.signal(signal.SIGTERM)
        assert board.ended() == 0
    assert "Traceback" not in board.log.read_text()


def test_killed_process_serves_again_from_the_same_file(tmp_path):
    port = free_port()
    with serve(tmp_path, port) as board:
        board.until_serving()
        with open_stream(port):
            board.signal(signal.SIGKILL)
            assert board.ended() == -signal.SIGKILL
    began = time.monotonic()
    with serve(tmp_path, port) as board:
        board.until_serving()
        print(f"serving again after {time.monotonic() - began:.2f} s")


def test_second_process_on_a_taken_port_says_so(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken, serve(tmp_path, taken.getsockname()[1]) as board:
        assert board.ended() == 1
        port = taken.getsockname()[1]
        assert board.log.read_text() == (
            f"shipboard: Another process already listens on 127.0.0.1 port {port}.\n"
            "  To do: Stop the other one, or choose a port with --port.\n"
        )


def test_second_process_on_the_same_database_says_so(tmp_path):
    port = free_port()
    with serve(tmp_path, port) as board:
        board.until_serving()
        with serve(tmp_path, free_port()) as second:
            assert second.ended() == 1
            said = second.log.read_text()
    assert "shipboard.db" in said
    assert "Traceback" not in said


def test_hostile_host_header_gets_no_board(tmp_path):
    port = free_port()
    with serve(tmp_path, port) as board:
        board.until_serving()
        status, headers, body = board.get("/", Host="rebound.example")
        assert status == 421
        assert "content-security-policy" in headers
        assert b"rebound" not in body


def test_log_of_hostile_requests_is_one_object_a_line(tmp_path):
    port = free_port()
    with serve(tmp_path, port) as board:
        board.until_serving()
        for request in (
            b"GET /%0a%7b%22event%22%3a%22forged%22%7d HTTP/1.1\r\nHost: localhost\r\n"
            b"Connection: close\r\n\r\n",
            b"GET /\x1b[31m HTTP/1.1\r\nHost: localhost\r\n\r\n",
            b"\x16\x03\x01\x02\x00\x01\xff\xfe\r\n\r\n",
            b"GET /%E2%80%AE HTTP/1.1\r\nHost: \x1b[2J\r\nConnection: close\r\n\r\n",
        ):
            with socket.create_connection(("127.0.0.1", port), 5) as raw:
                raw.sendall(request)
                raw.shutdown(socket.SHUT_WR)
                while raw.recv(65536):
                    pass
        board.signal(signal.SIGINT)
        assert board.ended() == 0
    lines = [line for line in board.log.read_text().splitlines() if not line.startswith("Shipboard is at")]
    events = [json.loads(line) for line in lines]
    assert "forged" not in {event["event"] for event in events}
    assert any("forged" in event.get("path", "") for event in events)
    assert "\x1b" not in "".join(lines)


def test_open_port_refuses_what_cannot_be_in_plain_words():
    with server.open_port("127.0.0.1", 0) as first:
        port = first.getsockname()[1]
        with pytest.raises(server.PortRefused, match=f"already listens on 127.0.0.1 port {port}") as refused:
            server.open_port("127.0.0.1", port)
        assert refused.value.taken
    with pytest.raises(server.PortRefused, match="no address of this machine"):
        server.open_port("name.invalid", 0)
    with pytest.raises(server.PortRefused, match="cannot be listened on") as refused:
        server.open_port("192.0.2.1", 0)
    assert not refused.value.taken


def test_file_limit_is_raised_to_what_is_allowed():
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (256, hard))
        assert server.raise_file_limit() == hard
        assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] == hard
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
