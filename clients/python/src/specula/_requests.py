"""Makes the contract's messages from arguments. Pure."""

from __future__ import annotations

from typing import Mapping, Optional, Sequence, Union

from google.protobuf.duration_pb2 import Duration

from specula import v1
from specula._errors import ConfigError

# Output that exec() keeps in memory, unless told otherwise.
USUAL_OUTPUT_LIMIT = 64 << 20

# A line for /bin/sh -c, or a program and its arguments, passed on as they are.
CommandLine = Union[str, Sequence[str]]

_ORDERS = {"cpu": v1.PROCESS_ORDER_CPU, "memory": v1.PROCESS_ORDER_MEMORY}


def duration(seconds: float, name: str) -> Duration:
    """Seconds as the contract has them; ConfigError if negative or beyond a hundred years."""
    if not 0 <= seconds <= 3.2e9:
        raise ConfigError(f"{name} must be a number of seconds, 0 or more, not {seconds!r}")
    whole = int(seconds)
    return Duration(seconds=whole, nanos=min(round((seconds - whole) * 1e9), 999_999_999))


def command(
    line: CommandLine,
    *,
    user: str,
    cwd: str,
    env: Optional[Mapping[str, str]],
    stdin: bytes,
    timeout: Optional[float] = None,
    grace: Optional[float] = None,
    output_limit: int = 0,
    merge_stderr: bool = False,
) -> v1.Command:
    """What to run. ConfigError says what is missing or odd."""
    message = v1.Command(
        working_directory=cwd,
        environment=dict(env or {}),
        user=user,
        stdin=stdin,
        merge_stderr=merge_stderr,
        output_limit_bytes=output_limit,
    )
    if isinstance(line, str):
        message.shell = line
    else:
        words = list(line)
        if not words or not all(isinstance(word, str) for word in words):
            raise ConfigError("a command is a line for the shell, or a list of at least one string")
        message.argv.arguments.extend(words)
    if timeout is not None:
        message.timeout.CopyFrom(duration(timeout, "timeout"))
    if grace is not None:
        message.grace.CopyFrom(duration(grace, "grace"))
    return message


def processes(order: str, limit: int) -> v1.ProcessesRequest:
    return v1.ProcessesRequest(order=_order(order), limit=limit)


def watch(interval: float, processes: int, order: str) -> v1.WatchRequest:
    return v1.WatchRequest(
        interval=duration(interval, "interval"), process_limit=processes, process_order=_order(order)
    )


def _order(word: str) -> v1.ProcessOrder:
    if word not in _ORDERS:
        raise ConfigError(f"order must be 'cpu' or 'memory', not {word!r}")
    return _ORDERS[word]


def call_limit(answer_within: float, timeout: Optional[float], grace: Optional[float]) -> Optional[float]:
    """Seconds after which an Exec with a time limit cannot end well any more.

    The agent ends the command itself, and says so; this is for one that does not. Beyond the grace it
    reads the pipes for 2 s more, and 5 s are for the proof.
    """
    if timeout is None:
        return None
    return answer_within + timeout + (5.0 if grace is None else grace) + 2.0 + 5.0
