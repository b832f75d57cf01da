"""What is no message of the contract is no answer, in both faces: of calls and of streams."""

import contextlib
import threading
from concurrent import futures

import grpc
import pytest

import specula
from conftest import HANG_SECONDS
from specula import v1

CUT = b"\x0a\x40hello"  # field 1 of 64 bytes, of which five are there


class Liar(grpc.GenericRpcHandler):
    """Answers every call with the same bytes; then the call ends, or waits for the caller to cancel it."""

    def __init__(self, messages, ends):
        self._messages = messages
        self._ends = ends
        self.cancelled = threading.Event()

    def service(self, details):
        return grpc.unary_stream_rpc_method_handler(self._answer)

    def _answer(self, request, context):
        if not self._ends:
            context.add_callback(self.cancelled.set)
        yield from self._messages
        if not self._ends:
            self.cancelled.wait(HANG_SECONDS)


@contextlib.contextmanager
def lying_agent(pki, messages, ends=True):
    """The host to ask, and what it has seen."""

    def read(name):
        with open(pki.file(name), "rb") as file:
            return file.read()

    liar = Liar(messages, ends)
    server = grpc.server(futures.ThreadPoolExecutor(4), handlers=(liar,))
    pair = (read("localhost.key"), read("localhost.crt"))
    credentials = grpc.ssl_server_credentials([pair], read("ca.crt"), require_client_auth=True)
    port = server.add_secure_port("127.0.0.1:0", credentials)
    server.start()
    try:
        yield f"127.0.0.1:{port}", liar
    finally:
        liar.cancelled.set()
        server.stop(0).wait(HANG_SECONDS)


def assert_unreadable(host, call):
    with pytest.raises(specula.Unreadable) as raised:
        call()
    assert raised.value.outcome == "failed" and raised.value.host == host
    assert f"the answer of {host} cannot be read: " in str(raised.value)
    assert isinstance(raised.value, specula.Failed)


def unary_calls(vm):
    return (vm.status, vm.cpu, vm.mem, vm.disk, vm.processes, lambda: vm.start("true"), lambda: vm.kill(4242))


def streams(vm):
    return (
        lambda: vm.exec("true"),
        lambda: list(vm.exec_stream("true")),
        lambda: next(vm.tail("/etc/passwd")),
        lambda: next(vm.watch()),
    )


def test_bytes_that_are_no_message(face, pki):
    with lying_agent(pki, [CUT]) as (host, _):
        with face.connect(host, timeout=20, **pki.credentials()) as vm:
            for call in (*unary_calls(vm), *streams(vm)):
                assert_unreadable(host, call)


def test_half_of_which_could_be_read(face, pki):
    half = v1.KillResponse(signalled_count=3).SerializeToString() + b"\x0f"
    with lying_agent(pki, [half]) as (host, _):
        with face.connect(host, timeout=20, **pki.credentials()) as vm:
            assert_unreadable(host, lambda: vm.kill(4242))


def test_call_that_brings_no_message(face, pki):
    with lying_agent(pki, []) as (host, _):
        with face.connect(host, timeout=20, **pki.credentials()) as vm:
            for call in unary_calls(vm):
                # Newer gRPC finds fault with it itself.
                with pytest.raises(specula.Failed):
                    call()


def test_empty_message_is_an_answer(face, pki):
    with lying_agent(pki, [b""]) as (host, _):
        with face.connect(host, timeout=20, **pki.credentials()) as vm:
            assert vm.kill(4242) == 0


def test_stream_that_goes_on_is_cancelled(face, pki):
    good = v1.WatchResponse(sequence=1).SerializeToString()
    with lying_agent(pki, [good, CUT], ends=False) as (host, liar):
        with face.connect(host, timeout=20, **pki.credentials()) as vm:
            snapshots = vm.watch()
            assert next(snapshots).sequence == 1
            assert_unreadable(host, lambda: next(snapshots))
            assert list(snapshots) == []
            assert liar.cancelled.wait(HANG_SECONDS)


def test_fleet_has_it_as_an_outcome(face, pki):
    with lying_agent(pki, [CUT]) as (host, _):
        with face.Fleet([host], timeout=20, **pki.credentials()) as fleet:
            (outcome,) = fleet.status()
            assert outcome.outcome == "failed" and isinstance(outcome.error, specula.Unreadable)
