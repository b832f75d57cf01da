"""Many hosts at once, from threads."""

from __future__ import annotations

import threading
import time
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from types import TracebackType
from typing import Callable, Dict, Iterable, Iterator, List, Optional, Set, Type, TypeVar

from specula import v1
from specula._channel import parse_host
from specula._config import Path, load_settings
from specula._errors import ConfigError, SpeculaError
from specula._host import Host
from specula._requests import CommandLine
from specula._results import ExecResult, Outcome, outcome_of

T = TypeVar("T")

USUAL_WIDTH = 64


def checked_hosts(hosts: Iterable[str], width: int) -> List[str]:
    """The hosts, each once. ConfigError for one that is odd, or none, or a width below 1."""
    names = list(dict.fromkeys([hosts] if isinstance(hosts, str) else hosts))
    for name in names:
        parse_host(name)
    if not names:
        raise ConfigError("a fleet needs at least one host")
    if width < 1:
        raise ConfigError(f"width must be 1 or more, not {width!r}")
    return names


class Fleet:
    """Hosts that are asked at once, `width` of them at a time. A dead host costs its own outcome only.

    Connections are made when a host's turn comes, and kept until close(). Each method gives an Outcome
    for every host, in the order of the hosts, and raises nothing that is about a host.

    Args:
        hosts: each as connect() takes it; `specula hosts EXPR` prints those of a host set.
        width: how many are asked at a time.
        ca, cert, key, timeout: as connect().

    >>> with specula.Fleet([agent, "127.0.0.1:1"], timeout=20) as fleet:
    ...     for outcome in fleet.exec(["hostname"]):
    ...         outcome.outcome
    'ok'
    'unreachable'
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
        self._lock = threading.Lock()
        self._open: Dict[str, Host] = {}

    def __enter__(self) -> Fleet:
        return self

    def __exit__(
        self, kind: Optional[Type[BaseException]], error: Optional[BaseException], trace: Optional[TracebackType]
    ) -> None:
        self.close()

    def close(self) -> None:
        """Ends all connections and the calls that are out."""
        with self._lock:
            hosts = list(self._open.values())
            self._open.clear()
        for host in hosts:
            host.close()

    def as_completed(self, call: Callable[[Host], T]) -> Iterator[Outcome[T]]:
        """Calls `call` with each host, in threads, and gives the outcomes as they come.

        Leaving the iteration early cancels the calls that are out and begins no further one. Any other
        exception of `call` than SpeculaError ends the iteration likewise.

        >>> with specula.Fleet([agent]) as fleet:
        ...     for outcome in fleet.as_completed(lambda vm: vm.mem().total_bytes):
        ...         outcome.get() > 0
        True
        """
        waiting = iter(self.hosts)
        out: Dict[Future[Outcome[T]], str] = {}
        done: Set[Future[Outcome[T]]] = set()
        with ThreadPoolExecutor(self.width, thread_name_prefix="specula") as pool:
            try:
                while True:
                    # Never more than the width are handed over, so that leaving leaves nothing behind.
                    while len(out) < self.width and (name := next(waiting, None)) is not None:
                        out[pool.submit(self._call, name, call)] = name
                    if not out:
                        return
                    done, _ = wait(out, return_when=FIRST_COMPLETED)
                    while done:
                        future = done.pop()
                        del out[future]
                        yield future.result()
            finally:
                self._abandon(out.values())

    def map(self, call: Callable[[Host], T]) -> List[Outcome[T]]:
        """Calls `call` with each host, in threads; the outcomes are in the order of the hosts.

        >>> with specula.Fleet([agent]) as fleet:
        ...     [outcome.value for outcome in fleet.map(lambda vm: vm.exec("exit 7").exit_code)]
        [7]
        """
        by_host = {outcome.host: outcome for outcome in self.as_completed(call)}
        return [by_host[name] for name in self.hosts]

    def status(self) -> List[Outcome[v1.StatusResponse]]:
        """Host.status() of each.

        >>> with specula.Fleet([agent]) as fleet:
        ...     [outcome.outcome for outcome in fleet.status()]
        ['ok']
        """
        return self.map(Host.status)

    def exec(
        self, command: CommandLine, *, timeout: Optional[float] = None, output_limit: int = 1 << 20, user: str = ""
    ) -> List[Outcome[ExecResult]]:
        """Host.exec() on each; see there. Of each host 1 MiB of output is kept unless told otherwise.

        >>> with specula.Fleet([agent]) as fleet:
        ...     fleet.exec("kill -KILL $$")[0].outcome
        'signal KILL'
        """
        return self.map(lambda host: host.exec(command, timeout=timeout, output_limit=output_limit, user=user))

    def _host(self, name: str) -> Host:
        with self._lock:
            host = self._open.get(name)
            if host is None:
                host = self._open[name] = Host(name, self._settings)
            return host

    def _call(self, name: str, call: Callable[[Host], T]) -> Outcome[T]:
        begin = time.monotonic()
        try:
            value = call(self._host(name))
        except SpeculaError as error:
            return Outcome(name, error.outcome, None, error, time.monotonic() - begin)
        return outcome_of(name, value, time.monotonic() - begin)

    def _abandon(self, names: Iterable[str]) -> None:
        """Cancels what is out, by its connection; the next call makes a new one."""
        with self._lock:
            hosts = [self._open.pop(name) for name in names if name in self._open]
        for host in hosts:
            host.close()
