"""Why a call gave no result, in the words that all of Specula's programs use."""

from __future__ import annotations

from typing import Optional


class SpeculaError(Exception):
    """A call to an agent gave no result, or its arguments could not be used.

    What a program on the host does (exit 1, death by a signal, its own time limit) is no error but
    data: see ExecResult.

    Attributes:
        outcome: one of the outcome words of Specula: "unreachable", "refused", …
        host: whom it is about, as given to connect(); None if it is about no host.
        reason: what happened and what to look at, for a person; one line, safe for a terminal.
        code: the gRPC status code's name ("UNAVAILABLE"); None if no call was made, or if it is our own
            side that found fault with an answer.
    """

    outcome: str = "failed"

    def __init__(self, reason: str, *, host: Optional[str] = None, code: Optional[str] = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.host = host
        self.code = code

    def __str__(self) -> str:
        if self.host is None:
            return self.reason
        return f"{self.host}: {self.outcome}: {self.reason}"


class ConfigError(SpeculaError, ValueError):
    """The arguments, the environment or the configuration file cannot be used; nobody was asked."""


class Unreachable(SpeculaError, ConnectionError):
    """No connection: wrong name, no route, nothing listens, no answer in time. Nothing was done."""

    outcome = "unreachable"


class Refused(SpeculaError, ConnectionError):
    """One side did not accept the other's certificate, or what answers is no agent. Nothing was done."""

    outcome = "refused"


class Denied(SpeculaError, PermissionError):
    """The certificate's role or a policy of the host forbids it. Nothing was done."""

    outcome = "denied"


class Timeout(SpeculaError, TimeoutError):
    """The host was reached but gave no answer in time; what was asked for may have been done."""

    outcome = "timeout"


class Lost(SpeculaError, ConnectionError):
    """The agent, the host or the way to it went away in mid-call; what became of it is not known."""

    outcome = "lost"


class Failed(SpeculaError):
    """The agent answered with another error; see `code`."""


class NotFound(Failed):
    """No such program, directory, user, file or process on the host."""


class InvalidRequest(Failed):
    """The agent cannot make sense of the request; the reason names the field."""


class Exhausted(Failed):
    """A limit of the agent is reached; nothing was started."""


class PreconditionFailed(Failed):
    """The host is not as the request takes it to be: another start time, no regular file."""


class AlreadyExists(Failed):
    """The idempotency key was used for another command."""


class Unsupported(Failed):
    """This agent does not offer the method."""


class Unreadable(Failed):
    """What answered sent bytes that are no message of the contract; what was asked for may have been done."""


class Cancelled(Failed):
    """The call was ended from this side: the host or the stream was closed meanwhile."""


class CommandFailed(SpeculaError):
    """ExecResult.check() found that the command did not end well; `outcome` says how it ended."""

    def __init__(self, outcome: str, reason: str, *, host: Optional[str] = None) -> None:
        super().__init__(reason, host=host)
        self.outcome = outcome


_BY_CODE = {
    "NOT_FOUND": NotFound,
    "INVALID_ARGUMENT": InvalidRequest,
    "OUT_OF_RANGE": InvalidRequest,
    "RESOURCE_EXHAUSTED": Exhausted,
    "FAILED_PRECONDITION": PreconditionFailed,
    "ALREADY_EXISTS": AlreadyExists,
    "UNIMPLEMENTED": Unsupported,
    "CANCELLED": Cancelled,
}


def printable(text: str) -> str:
    """The text with all that could move a terminal's cursor or colour it written as \\xNN."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)


def error_of(code: str, details: str, *, host: str, connected: bool, began: bool) -> SpeculaError:
    """The exception for the end of a call.

    Args:
        code: the name of gRPC's status code; not "OK".
        details: gRPC's message. It tells a refused certificate and a dead network by the same code,
            so the message is read as well, as the C++ client does (clients/cpp/outcome.cc).
        host: for the exception.
        connected: with DEADLINE_EXCEEDED, whether the channel was connected then.
        began: the stream's first message had come, so that nothing about connecting can be wrong.
    """

    def make(kind: type[SpeculaError], reason: str) -> SpeculaError:
        return kind(reason, host=host, code=code)

    if code in ("PERMISSION_DENIED", "UNAUTHENTICATED"):
        return make(Denied, printable(details))
    if code == "DEADLINE_EXCEEDED":
        if began:
            return make(Timeout, "the caller's deadline was over")
        if not connected:
            return make(Unreachable, "no answer in time; is the host up and the port open?")
        # What the agent had no patience for, it says itself; else it is gRPC.
        said = details if details and "Deadline Exceeded" not in details else ""
        return make(Timeout, printable(said) or "the host is connected, but gave no answer in time")
    if code == "UNAVAILABLE":
        kind, reason = _unavailable(details, host)
        if began and kind is not Lost:
            kind, reason = Lost, f"the connection broke in the middle of the call ({printable(details)})"
        return make(kind, reason)
    if code == "CANCELLED":
        return make(Cancelled, "the call was ended from this side")
    reason = f"{code}: {printable(details)}"
    if began:
        return make(Lost, f"the agent ended the call before the command's end ({reason})")
    return make(_BY_CODE.get(code, Failed), reason)


def _unavailable(details: str, host: str) -> tuple[type[SpeculaError], str]:
    def has(*parts: str) -> bool:
        return any(part.lower() in lower for part in parts)

    lower = details.lower()
    if has("CERTIFICATE_VERIFY_FAILED", "certificate verify failed"):
        return Refused, (
            "the server's certificate is not signed by the given CA, is expired, or does not name the host"
        )
    if has("Peer name", "is not in peer certificate", "Hostname Verification Check failed"):
        return Refused, f"the server's certificate does not name '{printable(host)}'"
    if has("WRONG_VERSION_NUMBER", "wrong version number"):
        return Refused, "what listens there does not speak TLS; is that the agent's port?"
    if has("Connection refused"):
        return Unreachable, "connection refused; is specula-agent running and listening there?"
    if has("DNS resolution failed", "Domain name not found", "DNS server returned", "DNS query"):
        return Unreachable, "the name cannot be resolved"
    if has("No route to host", "Network is unreachable"):
        return Unreachable, "no route to the host"
    if has("agent is stopping"):
        return Lost, "the agent was stopping"
    # Without this the connection stood when it broke.
    connecting = has("failed to connect to all addresses")
    if has("Socket closed", "Connection reset", "Broken pipe", "GOAWAY", "ping timeout", "keepalive"):
        if not connecting:
            return Lost, "the connection broke in the middle of the call; is the agent or the host down?"
    # The agent judges the client's certificate at the end of the handshake and just closes: TLS 1.3
    # leaves no room to say why.
    if has(
        "Socket closed", "Connection reset", "handshak", "Broken pipe", "Endpoint read failed", "Unwrap failed", "recvmsg"
    ):
        return Refused, (
            "the agent closed the connection; likely it does not accept this certificate (another CA or "
            "trust domain, no role, expired, revoked) or has too many connections; its log says which"
        )
    return Unreachable, printable(details)
