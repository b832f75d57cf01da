"""What needs no agent: hosts, credentials, endings, lines."""

import os
import shutil

import pytest

import specula
from specula import _channel, _config, _errors, _requests, _results, v1


def test_hosts_are_read_as_by_the_controller():
    for text, expected in (
        ("vm1", ("vm1", 60120)),
        ("vm1:1", ("vm1", 1)),
        ("10.0.0.1:65535", ("10.0.0.1", 65535)),
        ("::1", ("::1", 60120)),
        ("[::1]", ("::1", 60120)),
        ("[::1]:7", ("::1", 7)),
    ):
        assert _channel.parse_host(text) == expected
    for text in ("", ":1", "vm1:", "vm1:0", "vm1:65536", "vm1:1x", "vm1:-1", "[::1", "[::1]7", "[vm1]x", "a:b:c",
                 "a b", "vm1/x", "me@vm1", "vm\x1b1", "vm1:99999999999999999999"):
        with pytest.raises(specula.ConfigError):
            _channel.parse_host(text)


def test_credentials_come_from_arguments_then_environment_then_file(pki, tmp_path):
    config = tmp_path / "specula" / "ctl.toml"
    config.parent.mkdir()
    paths = pki.credentials("viewer")
    config.write_text("".join(f'{name} = "{path}"\n' for name, path in paths.items()) + "timeout = 7\nwatch = 1\n")
    home = {"XDG_CONFIG_HOME": str(tmp_path)}

    def read(name):
        with open(pki.file(name), "rb") as file:
            return file.read()

    settings = _config.load_settings(environment=home)
    assert settings.certificate_pem == read("viewer.crt") and settings.timeout == 7
    operator = pki.credentials("operator")
    variables = dict(home, SPECULA_CERT=operator["cert"], SPECULA_KEY=operator["key"], SPECULA_TIMEOUT="2.5")
    settings = _config.load_settings(environment=variables)
    assert settings.certificate_pem == read("operator.crt") and settings.timeout == 2.5
    settings = _config.load_settings(**pki.credentials("admin"), timeout=1, environment=variables)
    assert settings.certificate_pem == read("admin.crt") and settings.timeout == 1
    named = tmp_path / "named.toml"
    named.write_text(config.read_text().replace("viewer", "admin"))
    settings = _config.load_settings(environment=dict(home, SPECULA_CTL_CONFIG=str(named)))
    assert settings.certificate_pem == read("admin.crt")
    assert "PRIVATE" not in repr(settings)


def test_what_is_wrong_with_credentials_is_named(pki, tmp_path):
    good = pki.credentials()
    open_key = str(tmp_path / "open.key")
    shutil.copyfile(good["key"], open_key)
    os.chmod(open_key, 0o644)
    bad = tmp_path / "bad.toml"
    bad.write_text("ca = [")
    for change, variables, word in (
        ({"key": open_key}, {}, "accessible to others"),
        ({"key": pki.file("viewer.key")}, {}, "not that of the certificate"),
        ({"ca": "/etc/passwd"}, {}, "not a PEM file"),
        ({"cert": "/etc/passwd"}, {}, "not a certificate"),
        ({"cert": str(tmp_path / "none")}, {}, "No such file"),
        ({"ca": None}, {}, "no 'ca': give ca="),
        ({"timeout": 0}, {}, "timeout must be"),
        ({"timeout": float("nan")}, {}, "timeout must be"),
        ({}, {"SPECULA_TIMEOUT": "soon"}, "SPECULA_TIMEOUT must be"),
        ({}, {"SPECULA_CTL_CONFIG": str(bad)}, "bad.toml"),
        ({}, {"SPECULA_CTL_CONFIG": str(tmp_path / "none.toml")}, "No such file"),
    ):
        with pytest.raises(specula.ConfigError, match=word):
            _config.load_settings(**dict(good, **change), environment=dict({"HOME": str(tmp_path)}, **variables))


# As gRPC 1.51 and later ones word them.
ENDINGS = (
    ("UNAVAILABLE", "failed to connect to all addresses; last error: UNKNOWN: ipv4:127.0.0.1:1: Failed to connect to"
     " remote host: Connection refused", "unreachable"),
    ("UNAVAILABLE", "failed to connect to all addresses; last error: UNKNOWN: ipv4:1.2.3.4:1: No route to host",
     "unreachable"),
    ("UNAVAILABLE", "DNS resolution failed for nowhere:60120: C-ares status is not ARES_SUCCESS", "unreachable"),
    ("UNAVAILABLE", "failed to connect to all addresses; last error: UNAVAILABLE: Socket closed", "refused"),
    ("UNAVAILABLE", "Ssl handshake failed: SSL_ERROR_SSL: error:0A000086:SSL routines::certificate verify failed",
     "refused"),
    ("UNAVAILABLE", "Peer name vm7 is not in peer certificate", "refused"),
    ("UNAVAILABLE", "error:0A00010B:SSL routines::wrong version number", "refused"),
    ("UNAVAILABLE", "Socket closed", "lost"),
    ("UNAVAILABLE", "keepalive watchdog timeout", "lost"),
    ("UNAVAILABLE", "ping timeout", "lost"),
    ("UNAVAILABLE", "the agent is stopping", "lost"),
    ("PERMISSION_DENIED", "role viewer may not Exec", "denied"),
    ("UNIMPLEMENTED", "", "failed"),
    ("INTERNAL", "", "failed"),
)


def test_endings_have_their_words():
    for code, details, word in ENDINGS:
        assert _errors.error_of(code, details, host="vm1", connected=False, began=False).outcome == word, details
    for connected, began, word in ((False, False, "unreachable"), (True, False, "timeout"), (True, True, "timeout")):
        error = _errors.error_of("DEADLINE_EXCEEDED", "Deadline Exceeded", host="vm1", connected=connected, began=began)
        assert error.outcome == word
    # Once a command runs, nothing about connecting can be what went wrong.
    for code, details in (("UNAVAILABLE", "Connection refused"), ("INTERNAL", "x"), ("NOT_FOUND", "x")):
        assert _errors.error_of(code, details, host="vm1", connected=True, began=True).outcome == "lost"


def test_control_bytes_of_a_host_are_not_passed_on():
    error = _errors.error_of("PERMISSION_DENIED", "no\x1b[31m\nway\x9b", host="vm1", connected=True, began=False)
    assert str(error) == "vm1: denied: no\\x1b[31m\\nway\\x9b"


def test_commands_become_messages():
    def make(line, **options):
        return _requests.command(line, user="", cwd="", env=None, stdin=b"", **options)

    assert make("a b").shell == "a b"
    assert list(make(["a", "b c"]).argv.arguments) == ["a", "b c"]
    message = make("x", timeout=1.5, grace=0.0000000009)
    assert (message.timeout.seconds, message.timeout.nanos) == (1, 500_000_000)
    assert (message.grace.seconds, message.grace.nanos) == (0, 1)
    for line in ([], [1], ["a", b"b"]):
        with pytest.raises(specula.ConfigError):
            make(line)
    for value in (-1, float("inf"), float("nan")):
        with pytest.raises(specula.ConfigError):
            make("x", timeout=value)


def test_lines_are_cut_and_bounded():
    def data(text):
        return v1.TailResponse(data=text)

    splitter = _results.LineSplitter()
    assert list(splitter.take(data(b"a\nb"))) == [b"a"]
    assert list(splitter.take(data(b"c\n\nd"))) == [b"bc", b""]
    assert list(splitter.take(v1.TailResponse(event=v1.TailEvent(kind=v1.TailEvent.KIND_ROTATED)))) == [b"d"]
    assert list(splitter.end()) == []
    pieces = []
    for _ in range(20):
        pieces += splitter.take(data(b"x" * 100_000))
    assert [len(piece) for piece in pieces] == [1 << 20]
    assert sum(map(len, pieces + list(splitter.end()))) == 2_000_000


def test_an_agent_that_lies_about_the_end_is_lost():
    state = _results.ExecState("vm1")
    state.take(v1.ExecResponse(started=v1.ExecStarted(pid=7)))
    state.take(v1.ExecResponse())  # of a newer contract
    with pytest.raises(specula.Lost):
        state.result()
    state.take(v1.ExecResponse(exited=v1.ExecExited()))
    with pytest.raises(specula.Lost):
        state.result()
    state.take(v1.ExecResponse(exited=v1.ExecExited(signal=35, drained=True)))
    assert state.result().outcome == "signal RTMIN+1"
