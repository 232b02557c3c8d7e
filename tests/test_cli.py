"""The command line: what it says, and the code it ends with."""

import json
import re
import signal
import subprocess
from pathlib import Path

import pytest
import yaml

from app.cli.checking import report
from app.demo.cluster import EmbeddedCluster
from app.demo.faults import Rule
from app.settings import ClusterSettings, Settings
from tests.processes import free_port, kubeconfig, run, shipboard, until


def test_version_and_help_are_on_standard_output(tmp_path):
    assert run(tmp_path, "version")[:2] == (0, "shipboard 0.1.0\n")
    code, said, _ = run(tmp_path, "--help")
    assert code == 0
    assert "Exit codes: 0 well" in said
    assert "SHIPBOARD_LISTEN_PORT" in said


def test_unknown_option_is_a_wrong_command_line(tmp_path):
    code, _, said = run(tmp_path, "serve", "--prot", "1")
    assert code == 2
    assert "--port" in said


def test_config_shows_the_settings_in_force_and_no_password(tmp_path):
    (tmp_path / "shipboard.yaml").write_text("retention_days: 7\nlisten: {port: 8100}")
    code, said, _ = run(
        tmp_path,
        "config",
        SHIPBOARD_LISTEN_PORT="8200",
        SHIPBOARD_DATABASE_URL="postgresql://a:secret@h/b",
        SHIPBOARD_LISTN_PORT="1",
        KUBECONFIG=str(kubeconfig(tmp_path)),
    )
    shown = yaml.safe_load(said)
    assert code == 0
    assert shown["listen"]["port"] == 8200
    assert shown["retention_days"] == 7
    assert shown["clusters"] == [{"name": "nowhere", "context": "nowhere"}]
    assert "secret" not in said
    assert "# SHIPBOARD_LISTN_PORT sets nothing. Did you mean SHIPBOARD_LISTEN_PORT?" in said
    assert not (tmp_path / ".local").exists()


def test_wrong_settings_start_nothing_and_are_all_named(tmp_path):
    file = tmp_path / "bad.yaml"
    file.write_text("listen: {port: x}\nretention_dayz: 1")
    code, _, said = run(tmp_path, "serve", "--config", str(file))
    assert code == 2
    assert said.startswith("shipboard: The settings are wrong.\n")
    assert f"{file}:1:16: listen.port" in said
    assert f"{file}:2:1: retention_dayz: is no setting. Did you mean retention_days?" in said
    assert "Traceback" not in said


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.1", "board.example"])
def test_serve_refuses_what_other_machines_could_reach(tmp_path, host):
    code, _, said = run(tmp_path, "serve", "--kubeconfig", str(kubeconfig(tmp_path)), "--host", host)
    assert code == 2
    assert said.startswith(
        f"shipboard: Shipboard asks nobody who they are, so it does not listen on {host}.\n"
    )
    assert "--allow-remote-without-login" in said


def test_serve_on_every_address_when_told_to_says_what_that_means(tmp_path):
    arguments = ["serve", "--kubeconfig", str(kubeconfig(tmp_path)), "--host", "0.0.0.0"]
    with shipboard(tmp_path, *arguments, "--allow-remote-without-login", port=free_port()) as board:
        board.until_serving()
        assert "It asks nobody for a login" in board.log.read_text()
        assert board.get("/", Host="10.1.2.3")[0] == 200
        assert board.get("/", Host="rebound.example")[0] == 421


def test_serve_without_any_cluster_does_not_show_an_empty_board(tmp_path):
    code, _, said = run(tmp_path, "serve")
    assert code == 2
    assert said.startswith("shipboard: There is no cluster to watch.\n")
    assert "shipboard demo" in said


def test_serve_on_a_damaged_database_refuses(tmp_path):
    damaged = tmp_path / "x.db"
    damaged.write_bytes(b"not a database" * 1000)
    arguments = ["serve", "--kubeconfig", str(kubeconfig(tmp_path)), "--database", str(damaged)]
    code, _, said = run(tmp_path, *arguments, "--port", str(free_port()))
    assert code == 1
    assert "x.db" in said
    assert "To do:" in said
    assert "Traceback" not in said
    assert damaged.read_bytes() == b"not a database" * 1000


def test_kubeconfig_without_a_current_context_is_refused(tmp_path):
    (tmp_path / "empty").write_text("{}")
    code, _, said = run(tmp_path, "serve", "--kubeconfig", str(tmp_path / "empty"))
    assert code == 2
    assert "names no current context" in said


def test_context_that_is_not_there_is_refused_with_those_that_are(tmp_path):
    code, _, said = run(tmp_path, "serve", "--context", "nope", KUBECONFIG=str(kubeconfig(tmp_path)))
    assert code == 2
    assert "There is no context 'nope'" in said
    assert "It has: nowhere." in said


def test_demo_shows_its_fleet_and_leaves_nothing(tmp_path):
    port = free_port()
    with shipboard(tmp_path, "demo", port=port) as board:
        said = until(board.output.read_text, "the address")
        assert f"http://127.0.0.1:{port}" in said
        config = re.search(r"--kubeconfig (\S+)", said)
        assert config
        home = config[1].rpartition("/")[0]
        until(lambda: board.status("/ready") == 200, "ready")
        sources = until(lambda: json.loads(board.get("/api/v1/sources")[2])["rows"], "sources")
        assert {source["cluster"] for source in sources} == {"demo"}
        child = until(lambda: children(board.process.pid), "the cluster's process")[0]
        board.signal(signal.SIGINT)
        assert board.ended() == 0
    assert "Traceback" not in board.log.read_text()
    until(lambda: not alive(child), "the cluster has ended")
    assert subprocess.run(["ls", home], capture_output=True).returncode != 0


def test_demo_says_that_its_cluster_ended_and_goes_on(tmp_path):
    port = free_port()
    with shipboard(tmp_path, "demo", port=port) as board:
        until(board.output.read_text, "the address")
        subprocess.run(["kill", "-9", str(children(board.process.pid)[0])], check=True)
        until(lambda: "The embedded cluster ended (exit code -9)" in board.log.read_text(), "it is said")
        assert board.status("/") == 200
        board.signal(signal.SIGTERM)
        assert board.ended() == 0


def test_demo_killed_takes_its_cluster_with_it(tmp_path):
    with shipboard(tmp_path, "demo", port=free_port()) as board:
        until(board.output.read_text, "the address")
        child = children(board.process.pid)[0]
        board.signal(signal.SIGKILL)
        board.ended()
    until(lambda: not alive(child), "the cluster has ended")


def children(pid: int) -> list[int]:
    found = subprocess.run(["ps", "-o", "pid=", "--ppid", str(pid)], capture_output=True, text=True).stdout
    return [int(child) for child in found.split()]


def alive(pid: int) -> bool:
    state = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True).stdout
    return bool(state.strip()) and not state.startswith("Z")


@pytest.mark.anyio
async def test_check_says_what_may_be_seen_and_what_to_grant(tmp_path):
    said: list[str] = []
    async with EmbeddedCluster() as cluster:
        here = ClusterSettings(
            "here", Path(cluster.kubeconfig(tmp_path / "kubeconfig")), "demo", False, ("a", "b")
        )
        settings = Settings(database=f"sqlite:///{tmp_path}/x.db", clusters=(here,))
        assert await report(settings, said.append)
        assert "        ok   pods: 0 there, may be listed and watched" in said
        cluster.faults.forbid = [Rule(resource="pods")]
        said.clear()
        assert not await report(settings, said.append)
    text = "\n".join(said)
    assert "FAIL  cluster here: reached as " in text
    assert "  FAIL pods in a: may not be listed." in text
    assert "  FAIL pods in b: may not be listed." in text
    assert "  or: kubectl create clusterrole" in text


def test_check_of_a_cluster_that_does_not_answer_says_so(tmp_path):
    code, said, _ = run(tmp_path, "check", "--kubeconfig", str(kubeconfig(tmp_path)))
    assert code == 1
    assert "FAIL  cluster nowhere: " in said
    assert "secret" not in said


def test_act_refuses_arguments_that_its_verb_does_not_take(tmp_path):
    code, _, said = run(tmp_path, "act", "pause", "a/b/Deployment/c", "--image", "web=web:2")
    assert code == 2
    assert "Pause (pause) takes no arguments, not images." in said
    code, told, _ = run(tmp_path, "act", "--help")
    assert "rollback, switch, sync" in " ".join(told.replace("│", " ").split())
