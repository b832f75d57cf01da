"""Specula for Python: asks and commands Linux hosts through their agents, over mutual TLS.

>>> with specula.connect(agent) as vm:
...     vm.exec("exit 3").outcome
'exit 3'

`connect` gives one host and `Fleet` many; `specula.aio` has both for asyncio. `specula.v1` holds the
contract's messages. In the examples `agent` is "HOST:PORT" of an agent, and the certificates come from
SPECULA_CA, SPECULA_CERT and SPECULA_KEY.
"""

from specula._errors import (
    AlreadyExists,
    Cancelled,
    CommandFailed,
    ConfigError,
    Denied,
    Exhausted,
    Failed,
    InvalidRequest,
    Lost,
    NotFound,
    PreconditionFailed,
    Refused,
    SpeculaError,
    Timeout,
    Unreachable,
    Unreadable,
    Unsupported,
)
from specula._fleet import Fleet
from specula._host import Host, connect
from specula._results import ExecResult, Outcome, Output
from specula._streams import ExecStream, LineStream, Stream, TailStream
from specula import aio  # isort: skip

__all__ = [
    "AlreadyExists",
    "Cancelled",
    "CommandFailed",
    "ConfigError",
    "Denied",
    "ExecResult",
    "ExecStream",
    "Exhausted",
    "Failed",
    "Fleet",
    "Host",
    "InvalidRequest",
    "LineStream",
    "Lost",
    "NotFound",
    "Outcome",
    "Output",
    "PreconditionFailed",
    "Refused",
    "SpeculaError",
    "Stream",
    "TailStream",
    "Timeout",
    "Unreachable",
    "Unreadable",
    "Unsupported",
    "aio",
    "connect",
]
