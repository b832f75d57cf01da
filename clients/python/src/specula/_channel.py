"""The one place that knows how an agent is dialled."""

from __future__ import annotations

import ipaddress
import json
from typing import List, Optional, Tuple, Union

import grpc

from specula._config import Settings
from specula._errors import ConfigError, printable

AGENT_PORT = 60120

# As lib/rpc/message_limits.h.
_MAX_ANSWER_BYTES = 16 << 20
_MAX_PROCESSES_BYTES = 96 << 20
_SERVICE_CONFIG = json.dumps(
    {
        "methodConfig": [
            {"name": [{}], "maxResponseMessageBytes": _MAX_ANSWER_BYTES},
            {
                "name": [{"service": "specula.v1.Specula", "method": "Processes"}],
                "maxResponseMessageBytes": _MAX_PROCESSES_BYTES,
            },
        ]
    }
)


def parse_host(text: str) -> Tuple[str, int]:
    """Reads "vm1", "vm1:60120", "10.0.0.1:1", "[::1]:60120", "[::1]" and "::1".

    Raises:
        ConfigError: it is none of these.
    """
    rest = text
    if text.startswith("["):
        host, bracket, rest = text[1:].partition("]")
        ok = bool(bracket) and (rest == "" or rest.startswith(":"))
        port_text = rest[1:] if rest else None
    elif text.count(":") > 1:
        host, port_text, ok = text, None, True
    else:
        host, colon, port = text.partition(":")
        port_text, ok = (port if colon else None), True
    ok = ok and bool(host) and host.isprintable() and not any(c in host for c in " /@[]")
    if ok and ":" in host:
        ok = _is_address(host)
    if not ok:
        raise ConfigError(f"'{printable(text)}' is no host; write NAME, NAME:PORT or [IPV6]:PORT")
    if port_text is None:
        return host, AGENT_PORT
    if not (port_text.isascii() and port_text.isdigit() and 0 < int(port_text[:6]) < 65536):
        raise ConfigError(f"'{printable(text)}': the port must be 1 to 65535")
    return host, int(port_text)


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def target(host: str, port: int) -> str:
    """As gRPC takes it. An address needs no resolver."""
    if not _is_address(host):
        return f"dns:///{host}:{port}"
    return f"ipv6:[{host}]:{port}" if ":" in host else f"ipv4:{host}:{port}"


def credentials(settings: Settings) -> grpc.ChannelCredentials:
    """Mutual TLS. The server must prove to be the host that is dialled, by the given CA."""
    return grpc.ssl_channel_credentials(settings.ca_pem, settings.key_pem, settings.certificate_pem)


def options(certificate_name: Optional[str]) -> List[Tuple[str, Union[str, int]]]:
    """As clients/cpp/channel.cc."""
    chosen: List[Tuple[str, Union[str, int]]] = [
        # More often than the agent allows (5 s) and it would cut the connection.
        ("grpc.keepalive_time_ms", 10_000),
        ("grpc.keepalive_timeout_ms", 5_000),
        ("grpc.max_reconnect_backoff_ms", 10_000),
        # A call is made once or not at all: nobody wants a command run twice.
        ("grpc.enable_retries", 0),
        # An operator's http_proxy is not meant for the fleet.
        ("grpc.enable_http_proxy", 0),
        ("grpc.service_config_disable_resolution", 1),
        # As long as the contract has them; gRPC's own limit is 4 MiB.
        ("grpc.max_receive_message_length", _MAX_PROCESSES_BYTES),
        ("grpc.service_config", _SERVICE_CONFIG),
        ("grpc.use_local_subchannel_pool", 1),
        # What may be under way of a stream: enough for 400 MB/s at 5 ms, and no more than that piles up
        # here when the reader is slow. The window that gRPC would find by itself goes far beyond.
        ("grpc.http2.bdp_probe", 0),
        ("grpc.http2.lookahead_bytes", 2 << 20),
    ]
    if certificate_name is not None:
        chosen.append(("grpc.ssl_target_name_override", certificate_name))
    return chosen
