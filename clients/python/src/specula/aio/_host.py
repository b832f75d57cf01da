"""One host, asked from asyncio."""

from __future__ import annotations

import asyncio
import signal as signals
import weakref
from types import TracebackType
from typing import Any, Callable, Mapping, Optional, Type, TypeVar

import grpc
import grpc.aio

from specula import _channel, _requests, v1
from specula._config import Path, Settings, checked_timeout, load_settings
from specula._errors import Cancelled, SpeculaError, error_of
from specula._host import SERVICE
from specula._requests import USUAL_OUTPUT_LIMIT, CommandLine
from specula._results import ExecResult, checked, reader
from specula.aio._streams import ExecStream, LineStream, Stream, TailStream

R = TypeVar("R")


def connect(
    host: str,
    *,
    ca: Optional[Path] = None,
    cert: Optional[Path] = None,
    key: Optional[Path] = None,
    timeout: Optional[float] = None,
    certificate_name: Optional[str] = None,
) -> Host:
    """A host to ask; arguments and errors as specula.connect()."""
    return Host(host, load_settings(ca, cert, key, timeout), certificate_name=certificate_name)


class Host:
    """One host; see connect(). For the event loop of its first call only.

    `async with` or close() ends the connection and all its calls. Arguments, results and errors of each
    method are those of specula.Host.
    """

    def __init__(self, host: str, settings: Settings, *, certificate_name: Optional[str] = None) -> None:
        self.name = host
        self._address = _channel.parse_host(host)
        self._settings = settings
        self._certificate_name = certificate_name
        self._timeout = settings.timeout
        self._closed = False
        self._made: Optional[grpc.aio.Channel] = None
        self._calls: weakref.WeakSet[Any] = weakref.WeakSet()  # of streams

    async def __aenter__(self) -> Host:
        return self

    async def __aexit__(
        self, kind: Optional[Type[BaseException]], error: Optional[BaseException], trace: Optional[TracebackType]
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Ends the connection. Calls that are out are cancelled, and the trees of their commands ended."""
        self._closed = True
        # Closing the channel does not end those that nobody reads at the moment.
        for call in self._calls:
            call.cancel()
        if self._made is not None:
            await self._made.close()

    async def status(self, *, timeout: Optional[float] = None) -> v1.StatusResponse:
        """Everything about the host at one moment; see specula.Host.status()."""
        return await self._ask("Status", v1.StatusRequest(), v1.StatusResponse, timeout)

    async def cpu(self, *, timeout: Optional[float] = None) -> v1.Cpu:
        """CPU by state, in all and by core; see specula.Host.cpu()."""
        return (await self._ask("Cpu", v1.CpuRequest(), v1.CpuResponse, timeout)).cpu

    async def mem(self, *, timeout: Optional[float] = None) -> v1.Memory:
        """Memory, swap and huge pages; see specula.Host.mem()."""
        return (await self._ask("Mem", v1.MemRequest(), v1.MemResponse, timeout)).memory

    async def disk(self, *, timeout: Optional[float] = None) -> v1.Disk:
        """File systems and block devices; see specula.Host.disk()."""
        return (await self._ask("Disk", v1.DiskRequest(), v1.DiskResponse, timeout)).disk

    async def processes(
        self, *, order: str = "cpu", limit: int = 10, timeout: Optional[float] = None
    ) -> v1.ProcessesResponse:
        """The processes that use most CPU or memory; see specula.Host.processes()."""
        request = _requests.processes(order, limit)
        return await self._ask("Processes", request, v1.ProcessesResponse, timeout)

    async def exec(
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
        """Runs a command to its end; see specula.Host.exec().

        >>> async def main():
        ...     async with specula.aio.connect(agent) as vm:
        ...         return (await vm.exec("exit 3")).outcome
        >>> asyncio.run(main())
        'exit 3'
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
        async with stream:
            return await stream.collect()

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
        """Runs a command and gives its output as it comes; see specula.Host.exec_stream().

        >>> async def main():
        ...     async with specula.aio.connect(agent) as vm:
        ...         async with vm.exec_stream("echo one") as stream:
        ...             return [chunk.data async for chunk in stream]
        >>> asyncio.run(main())
        [b'one\\n']
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

    async def start(
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
        """Starts a program that outlives the call; see specula.Host.start()."""
        message = _requests.command(command, user=user, cwd=cwd, env=env, stdin=stdin, merge_stderr=merge_stderr)
        request = v1.StartRequest(command=message, idempotency_key=idempotency_key)
        return await self._ask("Start", request, v1.StartResponse, timeout)

    async def kill(
        self,
        pid: int,
        *,
        signal: int = signals.SIGTERM,
        tree: bool = False,
        start_ticks: Optional[int] = None,
        timeout: Optional[float] = None,
    ) -> int:
        """Sends a signal, and tells to how many processes; see specula.Host.kill().

        >>> async def main():
        ...     async with specula.aio.connect(agent) as vm:
        ...         return await vm.kill((await vm.start("sleep 1000")).pid)
        >>> asyncio.run(main())
        1
        """
        request = v1.KillRequest(pid=pid, signal=signal, tree=tree, start_ticks=start_ticks)
        return (await self._ask("Kill", request, v1.KillResponse, timeout)).signalled_count

    def tail(self, path: str, *, lines: int = 10, follow: bool = False, wait_for_file: bool = False) -> LineStream:
        """The last lines of a file and, if asked, what is appended; see specula.Host.tail().

        >>> async def main():
        ...     async with specula.aio.connect(agent) as vm:
        ...         async with vm.tail("/etc/passwd", lines=2) as lines:
        ...             return len([line async for line in lines])
        >>> asyncio.run(main())
        2
        """
        return LineStream(self.tail_stream(path, lines=lines, follow=follow, wait_for_file=wait_for_file))

    def tail_stream(
        self, path: str, *, lines: int = 10, follow: bool = False, wait_for_file: bool = False
    ) -> TailStream:
        """As tail(), but gives the contract's TailResponse; see specula.Host.tail_stream()."""
        request = v1.TailRequest(path=path, lines=lines, follow=follow, wait_for_file=wait_for_file)
        return TailStream(self, self._opener("Tail", request, v1.TailResponse), self._timeout, not wait_for_file)

    def watch(self, *, interval: float = 2.0, processes: int = 0, order: str = "cpu") -> Stream[v1.WatchResponse]:
        """A status at each interval, until it is closed; see specula.Host.watch()."""
        request = _requests.watch(interval, processes, order)
        return Stream(self, self._opener("Watch", request, v1.WatchResponse), self._timeout)

    # For the streams of this package.

    def _dialled(self) -> grpc.aio.Channel:
        if self._closed:
            raise self._closed_error()
        if self._made is None:
            # gRPC binds a channel to the loop that runs now.
            self._made = grpc.aio.secure_channel(
                _channel.target(*self._address),
                _channel.credentials(self._settings),
                options=_channel.options(self._certificate_name),
            )
        return self._made

    def _connected(self) -> bool:
        if self._made is None or self._closed:
            return False
        return self._made.get_state() is grpc.ChannelConnectivity.READY

    def _error(self, code: grpc.StatusCode, details: Optional[str], began: bool = False) -> SpeculaError:
        connected = self._connected()
        return error_of(code.name, details or "", host=self.name, connected=connected, began=began)

    def _closed_error(self) -> Cancelled:
        return Cancelled("the host was closed", host=self.name)

    async def _ask(self, method: str, request: Any, response: Type[R], timeout: Optional[float]) -> R:
        seconds = self._timeout if timeout is None else checked_timeout(timeout, "timeout")
        call = self._dialled().unary_unary(
            SERVICE + method,
            request_serializer=type(request).SerializeToString,
            response_deserializer=reader(response, self.name),
        )
        try:
            return checked(await call(request, timeout=seconds), self.name)
        except grpc.aio.AioRpcError as error:
            raise self._error(error.code(), error.details()) from None
        except asyncio.CancelledError:
            # gRPC says so, too, of a call whose channel was closed.
            if self._closed:
                raise self._closed_error() from None
            raise

    def _opener(self, method: str, request: Any, response: Type[R]) -> Callable[[Optional[float]], Any]:
        def begin(timeout: Optional[float]) -> Any:
            call = self._dialled().unary_stream(
                SERVICE + method,
                request_serializer=type(request).SerializeToString,
                response_deserializer=reader(response, self.name),
            )(request, timeout=timeout)
            self._calls.add(call)
            return call

        return begin
