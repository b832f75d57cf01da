"""Each way not to get an answer has its exception, within its deadline, in both faces."""

import os
import signal
import socket
import time

import pytest

import specula
from conftest import HANG_SECONDS, Pki

DEADLINE = 2


def refused(face, host, credentials, **options):
    """The exceptions of a call and of a stream; neither takes much more than the deadline."""
    errors = []
    begin = time.monotonic()
    with face.connect(host, timeout=options.pop("timeout", 20), **credentials, **options) as vm:
        with pytest.raises(specula.SpeculaError) as raised:
            vm.status()
        errors.append(raised.value)
        with pytest.raises(specula.SpeculaError) as raised:
            vm.exec("true")
        errors.append(raised.value)
    assert time.monotonic() - begin < HANG_SECONDS
    assert all(error.host == host for error in errors)
    return errors


def assert_all(errors, kind, word):
    assert [type(error) for error in errors] == [kind] * len(errors), errors
    assert {error.outcome for error in errors} == {word}


def test_another_authority(face, agent, pki, tmp_path):
    other = Pki(str(tmp_path / "other"))
    # The client does not accept the agent.
    assert_all(refused(face, agent.host, other.credentials()), specula.Refused, "refused")
    # The agent does not accept the client.
    credentials = dict(other.credentials(), ca=pki.file("ca.crt"))
    assert_all(refused(face, agent.host, credentials), specula.Refused, "refused")


def test_expired(face, agent, pki):
    credentials = pki.odd("expired", "spiffe://specula.local/specula/operator/expired", days=-1)
    assert_all(refused(face, agent.host, credentials), specula.Refused, "refused")


def test_no_role(face, agent, pki):
    assert_all(refused(face, agent.host, pki.odd("roleless", "")), specula.Refused, "refused")


def test_name_that_the_agent_does_not_have(face, agent, pki):
    errors = refused(face, agent.host, pki.credentials(), certificate_name="vm7.example.net")
    assert_all(errors, specula.Refused, "refused")


def test_role_that_is_not_enough(face, agent, pki):
    with face.connect(agent.host, timeout=20, **pki.credentials("viewer")) as vm:
        vm.status()
        for call in (
            lambda: vm.exec("true"),
            lambda: vm.start("true"),
            lambda: vm.kill(os.getpid(), signal=0),
            lambda: next(vm.tail("/etc/passwd")),
        ):
            with pytest.raises(specula.Denied) as raised:
                call()
            assert raised.value.outcome == "denied"


def test_nothing_listens(face, pki):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        host = f"127.0.0.1:{free.getsockname()[1]}"
        assert_all(refused(face, host, pki.credentials()), specula.Unreachable, "unreachable")


def test_name_that_does_not_resolve(face, pki):
    errors = refused(face, "no-such-host.invalid", pki.credentials(), timeout=DEADLINE)
    assert_all(errors, specula.Unreachable, "unreachable")


def test_host_that_takes_no_connection(face, pki):
    with socket.socket() as full, socket.socket() as first, socket.socket() as second:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        # With its queue full the kernel answers no further SYN.
        for filler in (first, second):
            filler.setblocking(False)
            filler.connect_ex(full.getsockname())
        host = f"127.0.0.1:{full.getsockname()[1]}"
        errors = refused(face, host, pki.credentials(), timeout=DEADLINE)
    assert_all(errors, specula.Unreachable, "unreachable")


def test_host_that_says_nothing(face, pki):
    with socket.socket() as mute:
        mute.bind(("127.0.0.1", 0))
        mute.listen()
        host = f"127.0.0.1:{mute.getsockname()[1]}"
        errors = refused(face, host, pki.credentials(), timeout=DEADLINE)
    assert_all(errors, specula.Unreachable, "unreachable")


def test_agent_that_hangs(face, own_agent, pki):
    with face.connect(own_agent.host, timeout=DEADLINE, **pki.credentials()) as vm:
        vm.status(timeout=20)
        own_agent.hurt(signal.SIGSTOP)
        for call in (vm.status, lambda: vm.exec("true"), lambda: next(vm.tail("/etc/passwd"))):
            with pytest.raises(specula.Timeout) as raised:
                call()
            assert raised.value.outcome == "timeout"


def test_agent_killed_in_mid_stream(face, own_agent, pki):
    with face.connect(own_agent.host, timeout=20, **pki.credentials()) as vm:
        with vm.exec_stream("echo up; sleep 1000") as stream, vm.tail("/etc/passwd", follow=True) as lines:
            next(stream)
            next(lines)
            own_agent.hurt(signal.SIGKILL)
            for reader in (stream, lines):
                with pytest.raises(specula.Lost) as raised:
                    for _ in reader:
                        pass
                assert raised.value.outcome == "lost"
                assert list(reader) == []


def test_errors_are_those_of_python_as_well():
    assert issubclass(specula.Timeout, TimeoutError)
    assert issubclass(specula.Denied, PermissionError)
    assert issubclass(specula.Lost, ConnectionError)
    assert issubclass(specula.NotFound, specula.Failed)
