"""What calls give back, and how the messages of a stream become it. Pure."""

from __future__ import annotations

import signal as signals
from dataclasses import dataclass
from typing import Callable, Generic, Iterator, List, NamedTuple, Optional, Type, TypeVar, Union

from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import DecodeError

from specula import v1
from specula._errors import CommandFailed, Lost, SpeculaError, Unreadable

M = TypeVar("M")
T = TypeVar("T")

# A longer line of a file comes in pieces of this size.
MAX_LINE_BYTES = 1 << 20


class Output(NamedTuple):
    """Bytes that a command wrote, as they came: no line, no character need end where it ends."""

    data: bytes
    is_stderr: bool = False


@dataclass(frozen=True)
class ExecResult:
    """How a command ended.

    Attributes:
        stdout, stderr: what it wrote; empty from a stream, where it came piece by piece.
        exit_code: 0 to 255; None if it died by a signal.
        signal: the number of the signal it died by (Linux' on x86-64); None if it exited.
        wall_time: seconds from its start to its end.
        user_time, system_time: CPU seconds of it and of the children it waited for.
        peak_memory_bytes: greatest resident set of it or of a child it waited for.
        timed_out: its `timeout` ended it.
        truncated: output beyond the limit was thrown away.
        drained: False if the output may lack its end, because a process that was left over held it open.
        killed_count: processes of its tree that were left over and were killed.
        pid: its process id on the host.
        host: where it ran.
    """

    stdout: bytes
    stderr: bytes
    exit_code: Optional[int]
    signal: Optional[int]
    wall_time: float
    user_time: float
    system_time: float
    peak_memory_bytes: int
    timed_out: bool
    truncated: bool
    drained: bool
    killed_count: int
    pid: int
    host: str

    @property
    def outcome(self) -> str:
        """"ok", "exit 3", "signal KILL", "timeout" or "truncated"."""
        if self.timed_out:
            return "timeout"
        if self.signal is not None:
            return f"signal {signal_name(self.signal)}"
        if self.exit_code != 0:
            return f"exit {self.exit_code}"
        return "truncated" if self.truncated else "ok"

    @property
    def ok(self) -> bool:
        """It exited with 0, in time, and its output is whole."""
        return self.outcome == "ok"

    @property
    def text(self) -> str:
        """`stdout` as UTF-8; what is none is replaced."""
        return self.stdout.decode("utf-8", "replace")

    def check(self) -> ExecResult:
        """Itself if all went well.

        Raises:
            CommandFailed: with the outcome and the end of the standard error.
        """
        if self.ok:
            return self
        raise CommandFailed(self.outcome, ascii(self.stderr[-500:].decode("utf-8", "replace")), host=self.host)


@dataclass(frozen=True)
class Outcome(Generic[T]):
    """How a call to one host of a fleet went.

    Attributes:
        host: as given to the fleet.
        outcome: one of Specula's outcome words: "ok", "exit 3", "unreachable", "skipped", …
        value: what the call gave; None without a result.
        error: why there is none; None with a result.
        elapsed: seconds that the call took, from its turn on.
    """

    host: str
    outcome: str
    value: Optional[T]
    error: Optional[SpeculaError]
    elapsed: float

    @property
    def ok(self) -> bool:
        """There is a result, and of a command that it ended well."""
        return self.outcome == "ok"

    def get(self) -> T:
        """The value; raises the error if there is none."""
        if self.error is not None:
            raise self.error
        return self.value  # type: ignore[return-value]


def outcome_of(host: str, value: T, elapsed: float) -> Outcome[T]:
    word = value.outcome if isinstance(value, ExecResult) else "ok"
    return Outcome(host, word, value, None, elapsed)


def signal_name(number: int) -> str:
    """ "TERM" of 15; "RTMIN+1" of 35; the number where there is no name."""
    try:
        return signals.Signals(number).name[3:]
    except ValueError:
        return f"RTMIN+{number - 34}" if 34 < number < 64 else str(number)


def seconds(value: Duration) -> float:
    return float(value.seconds) + float(value.nanos) / 1e9


def reader(kind: Type[M], host: str) -> Callable[[bytes], Union[M, Unreadable]]:
    """A deserializer for gRPC that gives the error, as gRPC's asyncio makes None of one that is raised."""

    def read(data: bytes) -> Union[M, Unreadable]:
        try:
            message: M = kind.FromString(data)  # type: ignore[attr-defined]
            return message
        except (DecodeError, ValueError):
            name = kind.DESCRIPTOR.full_name  # type: ignore[attr-defined]
            return _unreadable(f"its bytes are no {name}; does a specula-agent listen there?", host)

    return read


def checked(answer: Union[M, Unreadable, None], host: str) -> M:
    """What came of a deserializer of reader(). Raises Unreadable; that, too, if nothing came."""
    if answer is None:
        raise _unreadable("it is empty", host)
    if isinstance(answer, Unreadable):
        raise answer
    return answer


def _unreadable(why: str, host: str) -> Unreadable:
    return Unreadable(f"the answer of {host} cannot be read: {why}", host=host)


class ExecState:
    """Takes the messages of one Exec in their order."""

    def __init__(self, host: str) -> None:
        self._host = host
        self.started: Optional[v1.ExecStarted] = None
        self.exited: Optional[v1.ExecExited] = None

    def take(self, message: v1.ExecResponse) -> Optional[Output]:
        """The output in it, if it has some."""
        event = message.WhichOneof("event")
        if event == "stdout":
            return Output(message.stdout)
        if event == "stderr":
            return Output(message.stderr, True)
        if event == "started":
            self.started = message.started
        elif event == "exited":
            self.exited = message.exited
        return None  # or of a newer contract

    def result(self, stdout: bytes = b"", stderr: bytes = b"") -> ExecResult:
        """After the stream's end. Lost if the agent did not say how the command ended."""
        exited = self.exited
        how = None if exited is None else exited.WhichOneof("outcome")
        if exited is None or how is None:
            raise Lost("the agent did not say how the command ended", host=self._host)
        return ExecResult(
            stdout=stdout,
            stderr=stderr,
            exit_code=exited.code if how == "code" else None,
            signal=exited.signal if how == "signal" else None,
            wall_time=seconds(exited.wall_time),
            user_time=seconds(exited.user_time),
            system_time=seconds(exited.system_time),
            peak_memory_bytes=exited.peak_memory_bytes,
            timed_out=exited.timed_out,
            truncated=exited.truncated,
            drained=exited.drained,
            killed_count=exited.killed_count,
            pid=0 if self.started is None else self.started.pid,
            host=self._host,
        )


class LineSplitter:
    """Cuts the bytes of a Tail into lines. Keeps at most one line, and of that MAX_LINE_BYTES."""

    def __init__(self) -> None:
        self._rest = b""

    def take(self, item: v1.TailResponse) -> Iterator[bytes]:
        """The lines that end in it, without their line feeds. Another file ends a line, too."""
        if item.WhichOneof("item") != "data":
            yield from self.end()
            return
        lines: List[bytes] = (self._rest + item.data).split(b"\n")
        self._rest = lines.pop()
        yield from lines
        while len(self._rest) > MAX_LINE_BYTES:
            yield self._rest[:MAX_LINE_BYTES]
            self._rest = self._rest[MAX_LINE_BYTES:]

    def end(self) -> Iterator[bytes]:
        """What is left, at the end of the stream."""
        if self._rest:
            rest, self._rest = self._rest, b""
            yield rest
