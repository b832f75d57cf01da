#!/usr/bin/env python3
"""Floods of frames, handshakes and unfinished requests, beside callers who do nothing of the kind: these are answered, the
front does not grow, a caller who floods is closed and stands in the audit log.

  attack_test.py PROGRAMS [TEST…]      ATTACK_SECONDS: how long all floods at once go on, in one test (10)

Prints what others' calls took and what the front's memory was. Exit code 77 without grpcio.
"""
import json
import os
import socket
import ssl
import sys
import tempfile
import threading
import time
import unittest

from real_agent import RealAgent, eventually, read

try:
    import grpc
    MISSING = ""
except ImportError as error:
    MISSING = str(error)

PROGRAMS = ""
SECONDS = float(os.environ.get("ATTACK_SECONDS", "10"))

# The time that a call of another caller has. Generous: it finds what does not go on, not what is slow.
DEADLINE = 10
# What the front may have more while it is flooded (socket buffers are the kernel's), in bytes.
MORE_MEMORY = 48 << 20

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, PRIORITY, RESET, SETTINGS, PING, WINDOW, CONTINUATION = 0, 1, 2, 3, 4, 6, 8, 9
END_STREAM, ACK, END_HEADERS = 1, 1, 4


def frame(kind, flags, stream, content=b""):
    return len(content).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + content


def literal(name, value):
    """A header as HPACK writes it without an index; `name` is one of the static table or text."""
    first = bytes([name]) if isinstance(name, int) and name < 15 else bytes([15, name - 15]) if isinstance(name, int) else \
        bytes([0, len(name)]) + name
    return first + bytes([len(value)]) + value


REQUEST = b"\x83\x87" + literal(4, b"/specula.v1.Specula/Cpu") + literal(1, b"localhost") + \
    literal(31, b"application/grpc") + literal(b"te", b"trailers")
MESSAGE = b"\0\0\0\0\0"


def streams():
    """Pieces for new streams, without an end."""
    return range(1, 1 << 30, 2)


def in_chunks(pieces, size=1 << 16):
    chunk = bytearray()
    for piece in pieces:
        chunk += piece
        if len(chunk) >= size:
            yield bytes(chunk)
            chunk.clear()


def for_ever(piece):
    while True:
        yield piece


BEGUN = frame(HEADERS, 0, 1, REQUEST)

# Each as pieces of bytes without an end, to follow the preface and SETTINGS.
FLOODS = {
    "rapid reset": lambda: (frame(HEADERS, END_HEADERS, s, REQUEST) + frame(RESET, 0, s, b"\0\0\0\x08") for s in streams()),
    "rapid reset with data": lambda: (frame(HEADERS, END_HEADERS, s, REQUEST) + frame(DATA, 0, s, MESSAGE) +
                                      frame(RESET, 0, s, b"\0\0\0\x08") for s in streams()),
    "streams opened and left": lambda: (frame(HEADERS, END_HEADERS, s, REQUEST) for s in streams()),
    "CONTINUATION": lambda: (BEGUN if n == 0 else frame(CONTINUATION, 0, 1, literal(b"x", b"y") * 100) for n in streams()),
    "CONTINUATION of nothing": lambda: (BEGUN if n == 0 else frame(CONTINUATION, 0, 1) for n in streams()),
    "one header without an end": lambda: (frame(HEADERS, 0, 1, b"\0\x01x\x7f" + b"\xff\xff\xff\x07") if n == 1 else
                                          frame(CONTINUATION, 0, 1, b"z" * 16000) for n in streams()),
    "PING": lambda: for_ever(frame(PING, 0, 0, b"12345678")),
    "PING answers": lambda: for_ever(frame(PING, ACK, 0, b"12345678")),
    "SETTINGS": lambda: for_ever(frame(SETTINGS, 0, 0)),
    "PRIORITY": lambda: for_ever(frame(PRIORITY, 0, 1, b"\0\0\0\0\x10")),
    "unknown frames": lambda: for_ever(frame(0x4d, 0, 1, b"?")),
    "empty DATA": lambda: (frame(HEADERS, END_HEADERS, 1, REQUEST) if n == 1 else frame(DATA, 0, 1) for n in streams()),
    "WINDOW_UPDATE": lambda: for_ever(frame(WINDOW, 0, 0, b"\0\0\0\x01")),
    "requests without an end": lambda: (frame(HEADERS, END_HEADERS, s, REQUEST) +
                                        frame(DATA, 0, s, b"\0\0\x10\0\0" + b"m" * 16000) for s in streams()),
}


class Flood(threading.Thread):
    """Sends one flood on one connection after the other, and reads nothing, until its time is over."""

    def __init__(self, connect, pieces, seconds, again=True):
        super().__init__(daemon=True)
        self.connect, self.pieces, self.until, self.again = connect, pieces, time.monotonic() + seconds, again
        self.closed = 0  # times
        self.sent = 0
        self.start()

    def run(self):
        while time.monotonic() < self.until:
            try:
                with self.connect() as connection:
                    connection.settimeout(1)
                    connection.sendall(PREFACE + frame(SETTINGS, 0, 0))
                    for chunk in in_chunks(self.pieces()):
                        self.send(connection, chunk)
                        if time.monotonic() >= self.until:
                            break
            except OSError:
                self.closed += 1
                if not self.again:
                    return
                time.sleep(0.05)

    def send(self, connection, chunk):
        # A connection that is slowed down takes nothing for a while.
        while chunk:
            try:
                sent = connection.send(chunk)
                self.sent += sent
                chunk = chunk[sent:]
            except (TimeoutError, ssl.SSLWantWriteError):
                if time.monotonic() >= self.until:
                    return


class GoodCaller(threading.Thread):
    """Calls Cpu again and again."""

    def __init__(self, agent):
        super().__init__(daemon=True)
        credentials = grpc.ssl_channel_credentials(*(read(agent.file(f"pki/{name}")).encode() for name in (
            "ca.crt", "admin.key", "admin.crt")))
        self.channel = grpc.secure_channel(agent.host, credentials)
        self.call = self.channel.unary_unary("/specula.v1.Specula/Cpu")
        self.ends = False
        self.took, self.failed = [], []
        self.start()

    def run(self):
        while not self.ends:
            begin = time.monotonic()
            try:
                self.call(b"", timeout=DEADLINE)
            except grpc.RpcError as error:
                self.failed.append(f"{error.code().name} {error.details()}")
            self.took.append(time.monotonic() - begin)
            time.sleep(0.005)

    def end(self):
        self.ends = True
        self.join()
        self.channel.close()
        self.took.sort()
        return f"{len(self.took)} calls, p99 {self.took[len(self.took) * 99 // 100] * 1000:.0f} ms, " \
               f"at most {self.took[-1] * 1000:.0f} ms"


def memory_of(pid):
    fields = dict(line.split(":", 1) for line in read(f"/proc/{pid}/status").splitlines())
    return int(fields["VmRSS"].split()[0]) << 10


class AttackTest(unittest.TestCase):
    def setUp(self):
        self.audit_log = os.path.join(self.enterContext(tempfile.TemporaryDirectory(prefix="specula-test-")), "audit.jsonl")
        self.agent = self.enterContext(RealAgent(PROGRAMS, after=[
            "--health-listen", "127.0.0.1:0", "--handshake-timeout", "3", "--audit-log", self.audit_log,
            "--max-connections", "60", "--max-connections-per-source", "40"]))
        self.health_port = int(read(self.agent.file("log")).split("health=127.0.0.1:")[1].split()[0])
        self.port = int(self.agent.host.rsplit(":", 1)[1])
        self.context = ssl.create_default_context(cafile=self.agent.file("pki/ca.crt"))
        self.context.load_cert_chain(self.agent.file("pki/viewer.crt"), self.agent.file("pki/viewer.key"))
        self.context.set_alpn_protocols(["h2"])
        GoodCaller(self.agent).end()
        time.sleep(1)
        self.base = memory_of(self.agent.front)
        self.most = 0

    def connect(self):
        plain = socket.create_connection(("127.0.0.1", self.port), 10)
        return self.context.wrap_socket(plain, server_hostname="localhost")

    def watch_memory(self, seconds):
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            self.most = max(self.most, memory_of(self.agent.front))
            time.sleep(0.05)

    def expect_unharmed(self, caller, what):
        said = caller.end()
        after = memory_of(self.agent.front)
        print(f"{what}: others: {said}; front: {self.base >> 20} MB before, {self.most >> 20} MB at most, "
              f"{after >> 20} MB at once after", flush=True)
        self.assertEqual(caller.failed, [])
        self.assertLess(self.most, self.base + MORE_MEMORY)
        self.assertTrue(eventually(lambda: memory_of(self.agent.front) <= 2 * self.base),
                        f"{memory_of(self.agent.front)} bytes stay, {self.base} before")

    def audited(self):
        lines = [json.loads(line) for line in read(self.audit_log).splitlines()]
        return [line for line in lines if line["stage"] == "denied"]

    def test_every_flood_at_once(self):
        caller = GoodCaller(self.agent)
        floods = {name: Flood(self.connect, pieces, SECONDS) for name, pieces in FLOODS.items()}
        self.watch_memory(SECONDS)
        for flood in floods.values():
            flood.join(30)
        self.expect_unharmed(caller, "every flood at once")
        print({name: (flood.closed, flood.sent) for name, flood in floods.items()})
        # WINDOW_UPDATE is slowed down to what is harmless.
        self.assertEqual([name for name, flood in floods.items() if not flood.closed and name != "WINDOW_UPDATE"], [])
        cut = [line for line in self.audited() if line["rpc"] == "connection"]
        self.assertTrue(cut)
        for line in cut:
            self.assertIn("/viewer/viewer", line["caller"])
            self.assertRegex(line["peer"], r"^127\.0\.0\.1:\d+$")
            self.assertTrue(line["error"])

    def test_the_health_port(self):
        caller = GoodCaller(self.agent)
        floods = [Flood(lambda: socket.create_connection(("127.0.0.1", self.health_port), 10), FLOODS[name], 8)
                  for name in ("rapid reset", "streams opened and left", "CONTINUATION", "PING", "requests without an end")]
        self.watch_memory(8)
        for flood in floods:
            flood.join(30)
        self.expect_unharmed(caller, "the health port")
        self.assertTrue(all(flood.closed for flood in floods))

    def test_what_is_no_tls(self):
        caller = GoodCaller(self.agent)
        plain = lambda: socket.create_connection(("127.0.0.1", self.port), 10)  # noqa: E731
        record = b"\x16\x03\x01\x40\x00"
        floods = [Flood(plain, pieces, 4) for pieces in (
            lambda: for_ever(b"GET / HTTP/1.1\r\n\r\n"), lambda: for_ever(record + b"x" * 0x4000), FLOODS["rapid reset"])]
        self.watch_memory(4)
        for flood in floods:
            flood.join(30)
        self.expect_unharmed(caller, "what is no TLS")
        reasons = [line["error"] for line in self.audited() if line["rpc"] == "handshake"]
        self.assertTrue(reasons)
        self.assertTrue(all(line["peer"].startswith("127.0.0.1:") for line in self.audited()))

    def test_strangers_who_hold_all_places_make_way(self):
        """More of them than there are places, from many addresses, and they come again."""
        held = []
        self.addCleanup(lambda: [one.close() for one in held])
        for number in range(120):
            one = socket.socket()
            one.bind((f"127.0.1.{1 + number % 20}", 0))
            one.connect(("127.0.0.1", self.port))
            held.append(one)
        begin = time.monotonic()
        caller = GoodCaller(self.agent)
        self.assertTrue(eventually(lambda: caller.took))
        print(f"let in after {time.monotonic() - begin:.2f} s")
        self.expect_unharmed(caller, "strangers")

    def test_who_is_refused_stands_in_the_audit_log_with_the_reason(self):
        without = ssl.create_default_context(cafile=self.agent.file("pki/ca.crt"))
        without.set_alpn_protocols(["h2"])
        old = ssl.create_default_context(cafile=self.agent.file("pki/ca.crt"))
        old.maximum_version = ssl.TLSVersion.TLSv1_2
        no_http2 = ssl.create_default_context(cafile=self.agent.file("pki/ca.crt"))
        no_http2.load_cert_chain(self.agent.file("pki/viewer.crt"), self.agent.file("pki/viewer.key"))
        for context, reason in ((without, "showed no certificate"), (old, "does not speak TLS 1.3"), (no_http2, "HTTP/2"),
                                (None, "does not speak TLS")):
            with socket.create_connection(("127.0.0.1", self.port), 10) as plain:
                address = "%s:%d" % plain.getsockname()
                try:
                    if context is None:
                        plain.sendall(b"SSH-2.0-OpenSSH_9.2\r\n")
                        plain.recv(100)
                    else:
                        with context.wrap_socket(plain, server_hostname="localhost") as tls:
                            tls.recv(1)
                except OSError:
                    pass
            self.assertTrue(eventually(lambda: any(  # pylint: disable=cell-var-from-loop
                line["peer"] == address and reason in line["error"] for line in self.audited())), (reason, self.audited()))


def main():
    global PROGRAMS
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    PROGRAMS = os.path.abspath(sys.argv.pop(1))
    if MISSING:
        print(f"skipped: {MISSING}")
        sys.exit(77)
    unittest.main(verbosity=1)


if __name__ == "__main__":
    main()
