"""What a host gives bit by bit, read from asyncio.

A stream begins with `async with` or with its first step, which raise what a call raises. Leaving the
`async with`, close() or letting go of it cancels the call; the iteration then just ends.
"""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import TYPE_CHECKING, Any, Callable, Generic, Iterator, List, Optional, Type, TypeVar

import grpc.aio

from specula import v1
from specula._errors import Unreadable
from specula._results import ExecResult, ExecState, LineSplitter, Output, checked

if TYPE_CHECKING:
    from specula.aio._host import Host

M = TypeVar("M")
S = TypeVar("S", bound="_Closing")


class _Closing:
    """`async with`, for what has _begin() and close()."""

    async def _begin(self) -> None:
        raise NotImplementedError

    def close(self) -> None:
        """Cancels the call, if it is not over. Does not wait, so it is not awaited."""
        raise NotImplementedError

    async def __aenter__(self: S) -> S:
        await self._begin()
        return self

    async def __aexit__(
        self, kind: Optional[Type[BaseException]], error: Optional[BaseException], trace: Optional[TracebackType]
    ) -> None:
        self.close()


class _Call(_Closing, Generic[M]):
    """One server stream of messages `M`, that is begun late and given up cleanly."""

    def __init__(
        self,
        host: Host,
        opener: Callable[[Optional[float]], Any],
        answer_within: float,
        limit: Optional[float] = None,
    ) -> None:
        """`answer_within`, `limit`: seconds to the first answer, and of the whole."""
        self._host = host
        self._opener = opener
        self._answer_within = answer_within
        self._limit = limit
        self._call: Any = None
        self._timer: Optional[asyncio.TimerHandle] = None
        self._closed = False
        self._late = False
        self._began = False  # an answer has come

    def close(self) -> None:
        self._closed = True
        self._answered()
        if self._call is not None:
            self._call.cancel()

    def __del__(self) -> None:
        if getattr(self, "_call", None) is not None and not self._closed:
            self.close()

    async def _begin(self) -> None:
        if self._call is not None or self._closed:
            return
        self._call = self._opener(self._limit)
        self._timer = asyncio.get_running_loop().call_later(self._answer_within, self._no_answer)
        try:
            await self._await_answer()
        except BaseException:
            self.close()
            raise

    async def _await_answer(self) -> None:
        """Waits until the agent has begun to answer, where that comes at once."""

    def _answered(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _connection_answers(self) -> bool:
        """Whether the first message may rightly be a long time coming."""
        return False

    def _no_answer(self) -> None:
        if self._connection_answers() and self._host._connected():
            return
        self._late = True
        self._call.cancel()

    async def _receive(self) -> M:
        if self._closed:
            raise StopAsyncIteration
        if self._host._closed:
            raise self._host._closed_error()
        try:
            message = await self._call.read()
            if message is grpc.aio.EOF:
                # gRPC says so of calls that have failed, too.
                code = await self._call.code()
                if code is grpc.StatusCode.OK:
                    raise StopAsyncIteration
                raise self._ended(code, await self._call.details())
            message = checked(message, self._host.name)
        except Unreadable:
            self.close()
            raise
        except grpc.aio.AioRpcError as error:
            raise self._ended(error.code(), error.details()) from None
        except asyncio.CancelledError:
            # gRPC says so, too, of a call that was cancelled by us.
            if self._closed or self._late or self._host._closed:
                raise self._ended(grpc.StatusCode.CANCELLED, "") from None
            self.close()
            raise
        if not self._began:
            self._began = True
            self._answered()
        return message  # type: ignore[no-any-return]

    def _ended(self, code: grpc.StatusCode, details: Optional[str]) -> BaseException:
        if self._late:
            return self._host._error(grpc.StatusCode.DEADLINE_EXCEEDED, "")
        if self._closed:
            return StopAsyncIteration()
        self.close()
        if self._host._closed:
            return self._host._closed_error()
        return self._host._error(code, details, began=self._began)


class Stream(_Call[M]):
    """The messages of one server stream, in their order."""

    def __aiter__(self) -> Stream[M]:
        return self

    async def __anext__(self) -> M:
        await self._begin()
        return await self._receive()


class ExecStream(_Call[v1.ExecResponse]):
    """The output of a command; see Host.exec_stream()."""

    def __init__(
        self,
        host: Host,
        opener: Callable[[Optional[float]], Any],
        answer_within: float,
        limit: Optional[float],
    ) -> None:
        super().__init__(host, opener, answer_within, limit)
        self._state = ExecState(host.name)

    @property
    def pid(self) -> int:
        """The process id on the host; 0 before the stream has begun."""
        return 0 if self._state.started is None else self._state.started.pid

    @property
    def result(self) -> ExecResult:
        """How the command ended, without its output. Lost before the iteration's end."""
        return self._state.result()

    async def collect(self) -> ExecResult:
        """Reads to the end, and gives all output with how it ended."""
        stdout: List[bytes] = []
        stderr: List[bytes] = []
        async for data, is_stderr in self:
            (stderr if is_stderr else stdout).append(data)
        return self._state.result(b"".join(stdout), b"".join(stderr))

    async def _await_answer(self) -> None:
        try:
            self._state.take(await self._receive())
        except StopAsyncIteration:
            self._state.result()

    def __aiter__(self) -> ExecStream:
        return self

    async def __anext__(self) -> Output:
        await self._begin()
        while True:
            try:
                output = self._state.take(await self._receive())
            except StopAsyncIteration:
                if not self._closed:
                    self._state.result()  # raises, if the agent did not say
                raise
            if output is not None:
                return output


class TailStream(_Call[v1.TailResponse]):
    """The bytes of a file and what happens to it; see Host.tail_stream()."""

    def __init__(
        self, host: Host, opener: Callable[[Optional[float]], Any], answer_within: float, is_there: bool
    ) -> None:
        """`is_there`: the agent says at once whether it could open the file."""
        super().__init__(host, opener, answer_within)
        self._is_there = is_there

    def _connection_answers(self) -> bool:
        return not self._is_there

    async def _await_answer(self) -> None:
        if not self._is_there:
            return
        # The file was opened. It may be silent for days.
        try:
            await self._call.initial_metadata()
        except (asyncio.CancelledError, grpc.aio.AioRpcError):
            # Of gRPC's doing only if the call is over.
            if not self._call.done():
                raise
        if not self._call.done():
            self._answered()
        elif await self._call.code() is not grpc.StatusCode.OK:
            raise self._ended(await self._call.code(), await self._call.details())

    def __aiter__(self) -> TailStream:
        return self

    async def __anext__(self) -> v1.TailResponse:
        await self._begin()
        return await self._receive()


class LineStream(_Closing):
    """The lines of a file; see Host.tail()."""

    def __init__(self, stream: TailStream) -> None:
        self._stream = stream
        self._splitter = LineSplitter()
        self._lines: Iterator[bytes] = iter(())

    def __aiter__(self) -> LineStream:
        return self

    async def __anext__(self) -> bytes:
        while True:
            for line in self._lines:
                return line
            try:
                item = await self._stream.__anext__()
            except StopAsyncIteration:
                for line in self._splitter.end():
                    return line
                raise
            self._lines = self._splitter.take(item)

    def close(self) -> None:
        self._stream.close()

    async def _begin(self) -> None:
        await self._stream._begin()
