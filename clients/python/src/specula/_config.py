"""As whom to call: from arguments, else SPECULA_* of the environment, else the controller's own file."""

from __future__ import annotations

import os
import ssl
import stat
import sys
from dataclasses import dataclass, field
from typing import Any, Mapping, Optional, Union

from specula._errors import ConfigError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

Path = Union[str, "os.PathLike[str]"]

# Seconds that a host gets to answer, as the controller's --timeout.
USUAL_TIMEOUT = 5.0
_MAX_TIMEOUT = 86400.0
_MAX_FILE_BYTES = 1 << 20


@dataclass(frozen=True)
class Settings:
    """Who calls, whom it trusts, and how long it waits. Holds the private key."""

    ca_pem: bytes
    certificate_pem: bytes
    key_pem: bytes = field(repr=False)
    timeout: float = USUAL_TIMEOUT


def load_settings(
    ca: Optional[Path] = None,
    cert: Optional[Path] = None,
    key: Optional[Path] = None,
    timeout: Optional[float] = None,
    environment: Optional[Mapping[str, str]] = None,
) -> Settings:
    """Finds and reads the TLS files, and checks what can be checked before anybody is dialled.

    Args:
        ca, cert, key: paths of PEM files; SPECULA_CA, SPECULA_CERT and SPECULA_KEY stand in, then the
            keys ca, cert and key of SPECULA_CTL_CONFIG or ~/.config/specula/ctl.toml.
        timeout: seconds that a host gets to answer; SPECULA_TIMEOUT or the key timeout, else 5.
        environment: in place of os.environ.

    Raises:
        ConfigError: something is missing, unreadable or does not fit, and where.
    """
    env = os.environ if environment is None else environment
    file, values = _read_config(env)

    def path_of(given: Optional[Path], name: str) -> str:
        if given is not None:
            return os.fspath(given)
        found: object = env.get(f"SPECULA_{name.upper()}") or values.get(name)
        if not found:
            raise ConfigError(
                f"no '{name}': give {name}=…, set SPECULA_{name.upper()}, or write {name} = \"…\" in {file}"
            )
        if not isinstance(found, str):
            raise ConfigError(f"{file}: {name} must be a string")
        return found

    ca_path, cert_path, key_path = path_of(ca, "ca"), path_of(cert, "cert"), path_of(key, "key")
    settings = Settings(
        _read(ca_path), _read(cert_path), _read_secret(key_path), _timeout(timeout, env, file, values)
    )
    _check_material(ca_path, cert_path, key_path)
    return settings


def checked_timeout(seconds: object, where: str) -> float:
    """A number of seconds between 1 ms and a day; ConfigError names `where` otherwise."""
    try:
        value = float(seconds)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        raise ConfigError(f"{where} must be a number of seconds, not {seconds!r}") from None
    if not 0.001 <= value <= _MAX_TIMEOUT:
        raise ConfigError(f"{where} must be 0.001 to {_MAX_TIMEOUT:.0f} seconds, not {seconds!r}")
    return value


def _timeout(given: Optional[float], env: Mapping[str, str], file: str, values: Mapping[str, Any]) -> float:
    if given is not None:
        return checked_timeout(given, "timeout")
    if env.get("SPECULA_TIMEOUT"):
        return checked_timeout(env["SPECULA_TIMEOUT"], "SPECULA_TIMEOUT")
    return checked_timeout(values.get("timeout", USUAL_TIMEOUT), f"{file}: timeout")


def _read_config(env: Mapping[str, str]) -> tuple[str, Mapping[str, Any]]:
    named = env.get("SPECULA_CTL_CONFIG")
    base = env.get("XDG_CONFIG_HOME", "")
    if not base.startswith("/"):
        base = f"{env.get('HOME', '')}/.config"
    path = named or f"{base}/specula/ctl.toml"
    if not named and not os.path.exists(path):
        return path, {}
    try:
        return path, tomllib.loads(_read(path).decode("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: {error}") from None


def _read(path: str) -> bytes:
    try:
        with open(path, "rb") as file:
            text = file.read(_MAX_FILE_BYTES + 1)
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from None
    if len(text) > _MAX_FILE_BYTES:
        raise ConfigError(f"{path}: longer than 1 MiB")
    return text


def _read_secret(path: str) -> bytes:
    try:
        mode = os.stat(path).st_mode
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from None
    if mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise ConfigError(f"{path}: accessible to others (mode {stat.S_IMODE(mode):04o}); chmod 600 it")
    return _read(path)


def _check_material(ca: str, cert: str, key: str) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    try:
        context.load_verify_locations(cafile=ca)
    except (ssl.SSLError, OSError):
        raise ConfigError(f"{ca}: not a PEM file of certificates") from None

    def no_password() -> str:
        # Never ask a terminal.
        raise ConfigError(f"{key}: the key is encrypted; a key without a passphrase is needed")

    try:
        context.load_cert_chain(cert, key, password=no_password)
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            raise ConfigError(f"{cert}: the key in {key} is not that of the certificate") from None
        raise ConfigError(f"{cert}, {key}: not a certificate and its key in PEM form") from None
