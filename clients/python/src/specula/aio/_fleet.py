"""Many hosts at once, from asyncio."""

from __future__ import annotations

import asyncio
import time
from types import TracebackType
from typing import AsyncIterator, Awaitable, Callable, Dict, Iterable, List, Optional, Set, Type, TypeVar

from specula import v1
from specula._config import Path, load_settings
from specula._errors import SpeculaError
from specula._fleet import USUAL_WIDTH, checked_hosts
from specula._requests import CommandLine
from specula._results import ExecResult, Outcome, outcome_of
from specula.aio._host import Host

T = TypeVar("T")


class Fleet:
    """Hosts that are asked at once, `width` of them at a time; see specula.Fleet.

    >>> async def main():
    ...     async with specula.aio.Fleet([agent, "127.0.0.1:1"], timeout=20) as fleet:
    ...         return [outcome.outcome for outcome in await fleet.exec(["hostname"])]
    >>> asyncio.run(main())
    ['ok', 'unreachable']
    """

    def __init__(
        self,
        hosts: Iterable[str],
        *,
        width: int = USUAL_WIDTH,
        ca: Optional[Path] = None,
        cert: Optional[Path] = None,
        key: Optional[Path] = None,
        timeout: Optional[float] = None,
    ) -> None:
        self.hosts = checked_hosts(hosts, width)
        self.width = width
        self._settings = load_settings(ca, cert, key, timeout)
        self._open: Dict[str, Host] = {}

    async def __aenter__(self) -> Fleet:
        return self

    async def __aexit__(
        self, kind: Optional[Type[BaseException]], error: Optional[BaseException], trace: Optional[TracebackType]
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Ends all connections and the calls that are out."""
        hosts = list(self._open.values())
        self._open.clear()
        for host in hosts:
            await host.close()

    async def as_completed(self, call: Callable[[Host], Awaitable[T]]) -> AsyncIterator[Outcome[T]]:
        """Awaits `call` of each host, and gives the outcomes as they come.

        When the iteration is closed (contextlib.aclosing, a cancelled task), the calls that are out are
        cancelled and no further one is begun. Any other exception of `call` than SpeculaError ends it, too.
        """
        waiting = iter(self.hosts)
        out: Set[asyncio.Task[Outcome[T]]] = set()
        done: Set[asyncio.Task[Outcome[T]]] = set()
        try:
            while True:
                while len(out) < self.width and (name := next(waiting, None)) is not None:
                    out.add(asyncio.ensure_future(self._call(name, call)))
                if not out:
                    return
                done, out = await asyncio.wait(out, return_when=asyncio.FIRST_COMPLETED)
                while done:
                    yield done.pop().result()
        finally:
            for task in out:
                task.cancel()
            await asyncio.gather(*out, *done, return_exceptions=True)

    async def map(self, call: Callable[[Host], Awaitable[T]]) -> List[Outcome[T]]:
        """Awaits `call` of each host; the outcomes are in the order of the hosts.

        >>> async def main():
        ...     async with specula.aio.Fleet([agent]) as fleet:
        ...         return await fleet.map(lambda vm: vm.exec("exit 7"))
        >>> asyncio.run(main())[0].value.exit_code
        7
        """
        by_host = {}
        async for outcome in self.as_completed(call):
            by_host[outcome.host] = outcome
        return [by_host[name] for name in self.hosts]

    async def status(self) -> List[Outcome[v1.StatusResponse]]:
        """Host.status() of each."""
        return await self.map(Host.status)

    async def exec(
        self, command: CommandLine, *, timeout: Optional[float] = None, output_limit: int = 1 << 20, user: str = ""
    ) -> List[Outcome[ExecResult]]:
        """Host.exec() on each; of each host 1 MiB of output is kept unless told otherwise."""
        return await self.map(lambda host: host.exec(command, timeout=timeout, output_limit=output_limit, user=user))

    async def _call(self, name: str, call: Callable[[Host], Awaitable[T]]) -> Outcome[T]:
        begin = time.monotonic()
        host = self._open.get(name)
        if host is None:
            host = self._open[name] = Host(name, self._settings)
        try:
            value = await call(host)
        except SpeculaError as error:
            return Outcome(name, error.outcome, None, error, time.monotonic() - begin)
        return outcome_of(name, value, time.monotonic() - begin)
