"""One host, asked from threads."""

from __future__ import annotations

import signal as signals
import threading
from types import TracebackType
from typing import Any, Callable, Mapping, Optional, Type, TypeVar

import grpc

from specula import _channel, _requests, v1
from specula._config import Path, Settings, checked_timeout, load_settings
from specula._errors import Cancelled, SpeculaError, error_of
from specula._requests import USUAL_OUTPUT_LIMIT, CommandLine
from specula._results import ExecResult, checked, reader
from specula._streams import ExecStream, LineStream, Stream, TailStream

Q = TypeVar("Q")
R = TypeVar("R")

SERVICE = "/specula.v1.Specula/"


def connect(
    host: str,
    *,
    ca: Optional[Path] = None,
    cert: Optional[Path] = None,
    key: Optional[Path] = None,
    timeout: Optional[float] = None,
    certificate_name: Optional[str] = None,
) -> Host:
    """A host to ask. Nobody is dialled before the first call; the connection is kept until close().

    Args:
        host: "vm1", "vm1:60120", "10.0.0.1", "[::1]:60120"; port 60120 unless told.
        ca: PEM file of the authorities of agents; else SPECULA_CA, else `ca` in
            ~/.config/specula/ctl.toml (or the file that SPECULA_CTL_CONFIG names).
        cert: PEM file of the caller's certificate; likewise.
        key: PEM file of its key, accessible to its owner only; likewise.
        timeout: seconds that the host gets to answer a call; likewise, else 5.
        certificate_name: the name or address that the agent's certificate must be for, if that is not
            the one that is dialled.

    Raises:
        ConfigError: something of that is missing, unreadable or does not fit.

    >>> with specula.connect(agent) as vm:
    ...     vm.exec(["uname", "-s"]).text
    'Linux\\n'
    """
    return Host(host, load_settings(ca, cert, key, timeout), certificate_name=certificate_name)


class Host:
    """One host; see connect(). Thread-safe. `with` or close() ends the connection and all its calls.

    Every call raises Unreachable, Refused, Denied, Timeout or Lost, and Failed or one of its kinds where
    the agent answers with another error; what else is said with each.
    """

    def __init__(self, host: str, settings: Settings, *, certificate_name: Optional[str] = None) -> None:
        name, port = _channel.parse_host(host)
        self.name = host
        self._timeout = settings.timeout
        self._closed = False
        self._channel = grpc.secure_channel(
            _channel.target(name, port), _channel.credentials(settings), options=_channel.options(certificate_name)
        )

    def __enter__(self) -> Host:
        return self

    def __exit__(
        self, kind: Optional[Type[BaseException]], error: Optional[BaseException], trace: Optional[TracebackType]
    ) -> None:
        self.close()

    def close(self) -> None:
        """Ends the connection. Calls that are out are cancelled, and the trees of their commands ended."""
        self._closed = True
        self._channel.close()

    def status(self, *, timeout: Optional[float] = None) -> v1.StatusResponse:
        """Everything about the host at one moment. Least role: viewer.

        Fractions are 0 to 1, sizes in bytes, rates per second. What was not measured is absent: on the
        first call of a connection there may be no window yet to measure CPU over.

        >>> with specula.connect(agent) as vm:
        ...     0 <= vm.status().memory.utilization <= 1
        True
        """
        return self._ask("Status", v1.StatusRequest(), v1.StatusResponse, timeout)

    def cpu(self, *, timeout: Optional[float] = None) -> v1.Cpu:
        """CPU by state, in all and by core, as fractions 0 to 1. Least role: viewer.

        >>> with specula.connect(agent) as vm:
        ...     vm.cpu().logical_count >= 1
        True
        """
        return self._ask("Cpu", v1.CpuRequest(), v1.CpuResponse, timeout).cpu

    def mem(self, *, timeout: Optional[float] = None) -> v1.Memory:
        """Memory, swap and huge pages, in bytes. Least role: viewer.

        >>> with specula.connect(agent) as vm:
        ...     memory = vm.mem()
        >>> memory.used_bytes + memory.available_bytes == memory.total_bytes
        True
        """
        return self._ask("Mem", v1.MemRequest(), v1.MemResponse, timeout).memory

    def disk(self, *, timeout: Optional[float] = None) -> v1.Disk:
        """File systems (bytes) and block devices (per second). Least role: viewer.

        >>> with specula.connect(agent) as vm:
        ...     all(fs.mount_point for fs in vm.disk().filesystems)
        True
        """
        return self._ask("Disk", v1.DiskRequest(), v1.DiskResponse, timeout).disk

    def processes(
        self, *, order: str = "cpu", limit: int = 10, timeout: Optional[float] = None
    ) -> v1.ProcessesResponse:
        """The processes that use most CPU or memory. Least role: viewer.

        Args:
            order: "cpu" (of one core, over the window) or "memory" (resident bytes).
            limit: how many, 1 to 10,000.

        >>> with specula.connect(agent) as vm:
        ...     len(vm.processes(order="memory", limit=3).processes)
        3
        """
        request = _requests.processes(order, limit)
        return self._ask("Processes", request, v1.ProcessesResponse, timeout)

    def exec(
        self,
        command: CommandLine,
        *,
        user: str = "",
        cwd: str = "",
        env: Optional[Mapping[str, str]] = None,
        stdin: bytes = b"",
        timeout: Optional[float] = None,
        grace: Optional[float] = None,
        output_limit: int = USUAL_OUTPUT_LIMIT,
        merge_stderr: bool = False,
    ) -> ExecResult:
        """Runs a command to its end. Least role: operator.

        How it ends is data, not an exception: see ExecResult, and its check(). If the wait for it is
        broken off (an exception, Ctrl-C, the end of this process), its whole process tree is ended.

        Args:
            command: a line for /bin/sh -c, or a list: the program and its arguments, passed on as they are.
            user: as whom; "" is the host's default user for commands.
            cwd: where; "" is the user's home.
            env: added to the clean environment that every command gets.
            stdin: given on standard input.
            timeout: seconds that it may run; then its tree is ended and `timed_out` said. None: the host's
                limit. The host itself gets connect()'s timeout to begin.
            grace: seconds between TERM and KILL when the tree is ended; None: 5.
            output_limit: bytes of both outputs together that are kept, 64 MiB; what is beyond is thrown
                away and `truncated` said. 0: the host's limit. See exec_stream() for much output.
            merge_stderr: both outputs in one, in their order, as `stdout`.

        Raises:
            NotFound: no such program, directory or user.
            Denied: not executable, or against the host's policy.
            Exhausted: too many run.

        >>> with specula.connect(agent) as vm:
        ...     result = vm.exec("echo out; echo err >&2; exit 3")
        >>> result.stdout, result.stderr, result.exit_code, result.outcome
        (b'out\\n', b'err\\n', 3, 'exit 3')
        """
        stream = self.exec_stream(
            command,
            user=user,
            cwd=cwd,
            env=env,
            stdin=stdin,
            timeout=timeout,
            grace=grace,
            output_limit=output_limit,
            merge_stderr=merge_stderr,
        )
        with stream:
            return stream.collect()

    def exec_stream(
        self,
        command: CommandLine,
        *,
        user: str = "",
        cwd: str = "",
        env: Optional[Mapping[str, str]] = None,
        stdin: bytes = b"",
        timeout: Optional[float] = None,
        grace: Optional[float] = None,
        output_limit: int = 0,
        merge_stderr: bool = False,
    ) -> ExecStream:
        """Runs a command and gives its output as it comes; see exec() for arguments and errors.

        It begins with `with`, or with the first step of the iteration. A reader that is slow pauses the
        command; nothing is dropped and nothing piles up here. Leaving the `with`, close() or letting go of
        the stream ends the whole process tree. After the last output, `result` says how it ended.

        >>> with specula.connect(agent) as vm:
        ...     with vm.exec_stream("seq 3") as stream:
        ...         data = b"".join(chunk.data for chunk in stream)
        >>> data, stream.result.exit_code
        (b'1\\n2\\n3\\n', 0)
        """
        message = _requests.command(
            command,
            user=user,
            cwd=cwd,
            env=env,
            stdin=stdin,
            timeout=timeout,
            grace=grace,
            output_limit=output_limit,
            merge_stderr=merge_stderr,
        )
        begin = self._opener("Exec", v1.ExecRequest(command=message), v1.ExecResponse)
        limit = _requests.call_limit(self._timeout, timeout, grace)
        return ExecStream(self, begin, self._timeout, limit)

    def start(
        self,
        command: CommandLine,
        *,
        user: str = "",
        cwd: str = "",
        env: Optional[Mapping[str, str]] = None,
        stdin: bytes = b"",
        merge_stderr: bool = False,
        idempotency_key: str = "",
        timeout: Optional[float] = None,
    ) -> v1.StartResponse:
        """Starts a program that outlives the call; its output goes to a file on the host (`log_path`).

        Least role: operator. See exec() for the arguments and errors.

        Args:
            idempotency_key: a second start with the same key and command gives the first one's answer and
                starts nothing.
            timeout: seconds that the host gets to answer.

        Raises:
            AlreadyExists: the key was used for another command.

        >>> with specula.connect(agent) as vm:
        ...     pid = vm.start(["sleep", "1000"]).pid
        ...     vm.kill(pid)
        1
        """
        message = _requests.command(command, user=user, cwd=cwd, env=env, stdin=stdin, merge_stderr=merge_stderr)
        request = v1.StartRequest(command=message, idempotency_key=idempotency_key)
        return self._ask("Start", request, v1.StartResponse, timeout)

    def kill(
        self,
        pid: int,
        *,
        signal: int = signals.SIGTERM,
        tree: bool = False,
        start_ticks: Optional[int] = None,
        timeout: Optional[float] = None,
    ) -> int:
        """Sends a signal, and tells to how many processes. Least role: operator.

        Args:
            pid: the process on the host, 2 or greater.
            signal: by Linux' number on x86-64.
            tree: also to every process below it.
            start_ticks: only to the process that was started then (see StartResponse and Process), so
                that a pid that was taken again is not hit.

        Raises:
            NotFound: no such process.
            PreconditionFailed: the start time is another.
            Denied: outside the host's kill scope.

        >>> with specula.connect(agent) as vm:
        ...     started = vm.start("sleep 1000")
        ...     vm.kill(started.pid, signal=9, start_ticks=started.start_ticks)
        1
        """
        request = v1.KillRequest(pid=pid, signal=signal, tree=tree, start_ticks=start_ticks)
        return self._ask("Kill", request, v1.KillResponse, timeout).signalled_count

    def tail(self, path: str, *, lines: int = 10, follow: bool = False, wait_for_file: bool = False) -> LineStream:
        """The last lines of a file and, if asked, what is appended. Least role: operator.

        It begins as exec_stream() does, but an error may come only with the first step. Lines are bytes
        without their line feed; one of more than 1 MiB comes in pieces. With `follow` it goes on across
        rotation and truncation until it is closed, and a last line that has no line feed yet is kept until
        that comes.

        Args:
            path: absolute path of a regular file.
            lines: how many of its last lines come first, 0 to 100,000.
            follow: go on with what is appended.
            wait_for_file: wait for a file that is not there, in place of NotFound.

        Raises:
            NotFound: no such file.
            PreconditionFailed: not a regular file.
            Denied: outside the roots that the host allows.

        >>> with specula.connect(agent) as vm:
        ...     with vm.tail("/etc/passwd", lines=2) as lines:
        ...         len(list(lines))
        2
        """
        return LineStream(self.tail_stream(path, lines=lines, follow=follow, wait_for_file=wait_for_file))

    def tail_stream(
        self, path: str, *, lines: int = 10, follow: bool = False, wait_for_file: bool = False
    ) -> TailStream:
        """As tail(), but gives the contract's TailResponse: bytes as they are, and events between them.

        >>> with specula.connect(agent) as vm:
        ...     with vm.tail_stream("/etc/passwd", lines=1) as items:
        ...         [item.WhichOneof("item") for item in items]
        ['data']
        """
        request = v1.TailRequest(path=path, lines=lines, follow=follow, wait_for_file=wait_for_file)
        return TailStream(self, self._opener("Tail", request, v1.TailResponse), self._timeout, not wait_for_file)

    def watch(self, *, interval: float = 2.0, processes: int = 0, order: str = "cpu") -> Stream[v1.WatchResponse]:
        """A status at each interval, until it is closed. Least role: viewer.

        A reader that is slow gets the newest, not a queue of old ones; `sequence` then has a gap.

        Args:
            interval: seconds, 0.2 to 3,600.
            processes: how many top processes each has, 0 to 1,000; by `order`, "cpu" or "memory".

        >>> with specula.connect(agent) as vm:
        ...     with vm.watch(interval=0.2) as snapshots:
        ...         next(snapshots).sequence
        1
        """
        request = _requests.watch(interval, processes, order)
        return Stream(self, self._opener("Watch", request, v1.WatchResponse), self._timeout)

    # For the streams of this package.

    def _error(self, code: grpc.StatusCode, details: Optional[str], began: bool = False) -> SpeculaError:
        connected = code is grpc.StatusCode.DEADLINE_EXCEEDED and self._connected()
        return error_of(code.name, details or "", host=self.name, connected=connected, began=began)

    def _connected(self) -> bool:
        """Whether the channel stands. For what is rare: gRPC tells only by a thread of its own."""
        told = threading.Event()
        states = []

        def tell(state: grpc.ChannelConnectivity) -> None:
            states.append(state)
            told.set()

        try:
            self._channel.subscribe(tell, try_to_connect=False)
            told.wait(2.0)
            self._channel.unsubscribe(tell)
        except ValueError:  # closed meanwhile
            return False
        return bool(states) and states[-1] is grpc.ChannelConnectivity.READY

    def _closed_error(self) -> Cancelled:
        return Cancelled("the host was closed", host=self.name)

    def _ask(self, method: str, request: Any, response: Type[R], timeout: Optional[float]) -> R:
        seconds = self._timeout if timeout is None else checked_timeout(timeout, "timeout")
        try:
            call = self._channel.unary_unary(
                SERVICE + method,
                request_serializer=type(request).SerializeToString,
                response_deserializer=reader(response, self.name),
            )
            return checked(call(request, timeout=seconds), self.name)
        except grpc.RpcError as error:
            # What gRPC raises is its call as well.
            ended: Any = error
            raise self._error(ended.code(), ended.details()) from None
        except ValueError:
            if self._closed:
                raise self._closed_error() from None
            raise

    def _opener(self, method: str, request: Any, response: Type[R]) -> Callable[[Optional[float]], Any]:
        def begin(timeout: Optional[float]) -> Any:
            try:
                return self._channel.unary_stream(
                    SERVICE + method,
                    request_serializer=type(request).SerializeToString,
                    response_deserializer=reader(response, self.name),
                )(request, timeout=timeout)
            except ValueError:
                if self._closed:
                    raise self._closed_error() from None
                raise

        return begin
