"""Many hosts at once: a simulated fleet, and dead ones among the living, in both faces."""

import os
import subprocess
import time

import pytest

import specula
from conftest import PROGRAMS, eventually, runs

HOSTS = 200


@pytest.fixture
def simulated(monkeypatch):
    """The hosts of a fleet of HOSTS, and the arguments of connect() for its operator."""
    server = subprocess.Popen([f"{PROGRAMS}/fleet_simulator", str(HOSTS)], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        path, *hosts = iter(lambda: server.stdout.readline().decode().strip(), "")
        names = {"ca": "ca.crt", "cert": "operator.crt", "key": "operator.key"}
        yield hosts, {argument: os.path.join(path, name) for argument, name in names.items()}
    finally:
        server.stdin.close()
        server.wait(60)
        server.stdout.close()


def test_two_hundred_hosts_in_three_seconds(face, simulated):
    hosts, credentials = simulated
    begin = time.monotonic()
    with face.Fleet(hosts, timeout=30, **credentials) as fleet:
        outcomes = fleet.status()
        seconds = time.monotonic() - begin
        # Again, on the connections that stand.
        again = fleet.exec("true")
    print(f"{HOSTS} hosts cold in {seconds:.2f} s")
    assert [outcome.host for outcome in outcomes] == hosts
    assert {outcome.outcome for outcome in outcomes} == {"ok"}
    assert {outcome.get().host.hostname for outcome in outcomes} == {"simulated"}
    assert {outcome.get().stdout for outcome in again} == {b"hello\n"}
    # The bar is 3 s, of a machine that has nothing else to do.
    assert seconds < float(os.environ.get("FLEET_SECONDS", "15"))


def test_outcomes_are_typed_and_in_order(face, agent, pki):
    with face.Fleet([agent.host, "127.0.0.1:1"], timeout=20, **pki.credentials()) as fleet:
        well, dead = fleet.exec("exit 3")
        assert (well.outcome, well.ok, well.error, well.get().exit_code) == ("exit 3", False, None, 3)
        assert (dead.outcome, dead.ok, dead.value) == ("unreachable", False, None)
        assert isinstance(dead.error, specula.Unreachable)
        with pytest.raises(specula.Unreachable):
            dead.get()
        assert [outcome.outcome for outcome in fleet.status()] == ["ok", "unreachable"]


def test_width_is_kept(face, agent, pki, tmp_path):
    # Several names of one agent.
    port = agent.host.rpartition(":")[2]
    hosts = [agent.host, f"localhost:{port}", f"127.0.0.1:0{port}", f"127.0.0.1:00{port}"]
    count = f"mkdir {tmp_path}/$$; ls {tmp_path} | wc -l; sleep 0.3; rmdir {tmp_path}/$$"
    with face.Fleet(hosts, width=2, timeout=20, **pki.credentials()) as fleet:
        outcomes = fleet.exec(count)
    assert max(int(outcome.get().text) for outcome in outcomes) <= 2


def test_leaving_early_cancels_what_is_out(agent, pki):
    with specula.Fleet([agent.host, "127.0.0.1:1"], timeout=20, **pki.credentials()) as fleet:
        pids = []

        def hang(host):
            with host.exec_stream("sleep 1000") as stream:
                pids.append(stream.pid)
                list(stream)

        outcomes = fleet.as_completed(hang)
        assert next(outcomes).outcome == "unreachable"
        eventually(lambda: pids)
        outcomes.close()
        eventually(lambda: not runs(pids[0]))
        # The fleet goes on, on a new connection.
        assert fleet.status()[0].outcome == "ok"


def test_odd_fleets_are_refused(face, pki):
    for hosts, options, word in (
        ([], {}, "at least one"),
        (["a b"], {}, "no host"),
        (["vm1"], {"width": 0}, "width"),
    ):
        with pytest.raises(specula.ConfigError, match=word):
            face.Fleet(hosts, **options, **pki.credentials())
