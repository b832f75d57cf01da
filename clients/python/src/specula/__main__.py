"""`python -m specula HOST status`: the smallest demonstration."""

from __future__ import annotations

import argparse
import sys
from typing import Optional, Sequence

import specula
from specula import v1
from specula._errors import printable

_GIB = 1 << 30


def _percent(message: object, field: str) -> str:
    return f"{100 * getattr(message, field):.0f}%" if message.HasField(field) else "-"  # type: ignore[attr-defined]


def _line(host: str, status: v1.StatusResponse) -> str:
    memory, disk = status.memory, status.disk
    return printable(
        f"{host}: cpu {_percent(status.cpu, 'utilization')} of {status.cpu.logical_count}, "
        f"mem {memory.used_bytes / _GIB:.1f} of {memory.total_bytes / _GIB:.1f} GiB, "
        f"disk {disk.used_bytes / _GIB:.0f} of {disk.total_bytes / _GIB:.0f} GiB, "
        f"load {status.load.one_minute:.2f}, up {status.host.uptime.seconds / 86400:.1f} days, "
        f"{status.host.os}, {status.host.kernel}"
    )


def main(arguments: Optional[Sequence[str]] = None) -> int:
    """0 it answered, 255 it did not, 2 wrong usage: the controller's exit codes."""
    parser = argparse.ArgumentParser(prog="python -m specula", description="Asks one host through its agent.")
    parser.add_argument("host", help="vm1, vm1:60120, 10.0.0.1, [::1]:60120")
    parser.add_argument("command", choices=["status"])
    parser.add_argument("--ca", help="PEM file; else SPECULA_CA, else ~/.config/specula/ctl.toml")
    parser.add_argument("--cert", help="likewise")
    parser.add_argument("--key", help="likewise")
    parser.add_argument("--timeout", help="seconds")
    given = parser.parse_args(arguments)
    try:
        with specula.connect(given.host, ca=given.ca, cert=given.cert, key=given.key, timeout=given.timeout) as vm:
            print(_line(given.host, vm.status()))
    except specula.ConfigError as error:
        print(f"specula: {error}", file=sys.stderr)
        return 2
    except specula.SpeculaError as error:
        print(f"specula: {error}", file=sys.stderr)
        return 255
    return 0


if __name__ == "__main__":
    sys.exit(main())
