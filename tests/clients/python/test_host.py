"""What one host answers, in both faces."""

import os
import threading
import time
import uuid

import pytest

import specula
from conftest import eventually, runs


def test_reads_the_host(vm):
    status = vm.status()
    assert status.host.hostname == os.uname().nodename
    assert status.memory.total_bytes == vm.mem().total_bytes
    assert vm.cpu().logical_count == os.cpu_count()
    assert [fs for fs in vm.disk().filesystems if fs.mount_point]
    rows = vm.processes(order="memory", limit=5).processes
    assert [row.resident_bytes for row in rows] == sorted((row.resident_bytes for row in rows), reverse=True)


def test_exec_gives_both_outputs_and_the_code(vm):
    result = vm.exec("echo out; echo err >&2; exit 3")
    assert (result.stdout, result.stderr, result.exit_code, result.signal) == (b"out\n", b"err\n", 3, None)
    assert (result.outcome, result.ok, result.text) == ("exit 3", False, "out\n")
    assert 0 < result.wall_time < 60
    with pytest.raises(specula.CommandFailed, match="err") as raised:
        result.check()
    assert raised.value.outcome == "exit 3"


def test_exec_tells_a_signal(vm):
    result = vm.exec("kill -KILL $$")
    assert (result.exit_code, result.signal, result.outcome) == (None, 9, "signal KILL")


def test_exec_takes_its_options(vm):
    result = vm.exec(
        ["sh", "-c", 'pwd; echo "$NAME"; cat; echo e >&2'],
        cwd="/usr", env={"NAME": "a b"}, stdin=b"in\n", merge_stderr=True,
    )
    assert (result.stdout, result.stderr) == (b"/usr\na b\nin\ne\n", b"")


def test_exec_ends_at_its_time_limit(vm):
    result = vm.exec("sleep 600", timeout=0.2)
    assert result.timed_out and result.outcome == "timeout" and not result.ok


def test_exec_bounds_what_it_keeps(vm):
    result = vm.exec("head -c 1000000 /dev/zero", output_limit=1000)
    assert len(result.stdout) == 1000 and result.outcome == "truncated"


def test_exec_says_what_cannot_be_run(vm):
    with pytest.raises(specula.NotFound, match="no-such-program") as raised:
        vm.exec(["/no-such-program"])
    assert (raised.value.outcome, raised.value.code, raised.value.host) == ("failed", "NOT_FOUND", vm.name)
    with pytest.raises(specula.NotFound):
        vm.exec("true", user="no-such-user")


def test_stream_gives_output_as_it_comes(vm, tmp_path):
    go = tmp_path / "go"
    with vm.exec_stream(f"echo first; until [ -e {go} ]; do sleep 0.05; done; echo second >&2") as stream:
        assert runs(stream.pid)
        assert next(stream) == specula.Output(b"first\n", False)
        go.touch()
        assert next(stream) == specula.Output(b"second\n", True)
        assert list(stream) == []
    assert stream.result.exit_code == 0


def test_leaving_the_stream_ends_the_tree(vm):
    with vm.exec_stream("setsid sleep 1000 & echo $!; wait") as stream:
        child = int(next(stream).data)
        pid = stream.pid
        assert runs(pid) and runs(child)
    assert list(stream) == []
    eventually(lambda: not runs(pid) and not runs(child))


def test_letting_go_of_the_stream_ends_the_tree(vm):
    for chunk in vm.exec_stream("echo $$; sleep 1000"):
        pid = int(chunk.data)
        break
    vm.cpu()  # of asyncio, the loop must run
    eventually(lambda: not runs(pid))


def test_closing_the_host_ends_the_tree(face, agent, pki):
    with face.connect(agent.host, timeout=20, **pki.credentials()) as host:
        stream = host.exec_stream("echo $$; sleep 1000")
        pid = int(next(stream).data)
    with pytest.raises(specula.Cancelled, match="closed"):
        next(stream)
    with pytest.raises(specula.Cancelled, match="closed"):
        host.cpu()
    eventually(lambda: not runs(pid))


def test_slow_reader_pauses_the_command(vm):
    # Far more than may be under way.
    with vm.exec_stream("head -c 100000000 /dev/zero; echo done >&2") as stream:
        next(stream)
        time.sleep(0.5)
        assert runs(stream.pid)
        assert sum(len(data) for data, is_stderr in stream if not is_stderr) > 99_000_000 - (1 << 20)


def test_start_outlives_the_host_and_is_killed(face, vm, agent, pki):
    key = uuid.uuid4().hex
    with face.connect(agent.host, timeout=20, **pki.credentials()) as host:
        started = host.start("sleep 1000", idempotency_key=key)
        assert host.start("sleep 1000", idempotency_key=key).pid == started.pid
        with pytest.raises(specula.AlreadyExists):
            host.start("sleep 2000", idempotency_key=key)
    assert runs(started.pid)
    with pytest.raises(specula.PreconditionFailed):
        vm.kill(started.pid, start_ticks=started.start_ticks + 1)
    assert vm.kill(started.pid, tree=True) >= 1
    eventually(lambda: not runs(started.pid))
    with pytest.raises(specula.NotFound):
        vm.kill(started.pid)


def test_tail_gives_the_last_lines(vm, tmp_path):
    path = tmp_path / "log"
    path.write_bytes(b"one\ntwo\n\nlast without end")
    with vm.tail(str(path), lines=3) as lines:
        assert list(lines) == [b"two", b"", b"last without end"]
    with pytest.raises(specula.NotFound):
        with vm.tail(str(tmp_path / "none")) as lines:
            next(lines)
    with pytest.raises(specula.PreconditionFailed):
        next(vm.tail("/dev/null"))


def test_tail_follows_across_rotation(vm, tmp_path):
    path = tmp_path / "log"
    path.write_text("old\n")
    with vm.tail(str(path), lines=1, follow=True) as lines:
        assert next(lines) == b"old"
        with path.open("a") as file:
            file.write("par")
            file.flush()
            file.write("tial\n")
        assert next(lines) == b"partial"
        path.rename(tmp_path / "log.1")
        path.write_text("new\n")
        assert next(lines) == b"new"
    assert list(lines) == []


def test_tail_waits_for_a_file(face, agent, pki, tmp_path):
    path = tmp_path / "later"
    # Silence is no lack of an answer, however short the time for that is.
    with face.connect(agent.host, timeout=1, **pki.credentials()) as host:
        threading.Timer(2, lambda: path.write_text("here\n")).start()
        with host.tail(str(path), follow=True, wait_for_file=True) as lines:
            assert next(lines) == b"here"


def test_silent_file_outlasts_the_answer_time(face, agent, pki, tmp_path):
    path = tmp_path / "silent"
    path.touch()
    with face.connect(agent.host, timeout=1, **pki.credentials()) as host:
        threading.Timer(2, lambda: path.write_text("spoken\n")).start()
        with host.tail(str(path), follow=True) as lines:
            assert next(lines) == b"spoken"


def test_watch_counts_up(vm):
    with vm.watch(interval=0.2, processes=3) as snapshots:
        first, second = next(snapshots), next(snapshots)
    assert (first.sequence, second.sequence >= 2) == (1, True)
    assert len(second.processes.processes) == 3 and second.status.cpu.HasField("utilization")


def test_close_from_another_thread_ends_the_iteration(agent, pki):
    with specula.connect(agent.host, timeout=20, **pki.credentials()) as host:
        with host.exec_stream("echo up; sleep 1000") as stream:
            next(stream)
            threading.Timer(0.2, stream.close).start()
            assert list(stream) == []


def test_odd_arguments_are_named_before_anybody_is_asked(vm):
    for call, word in (
        (lambda: vm.exec([]), "at least one string"),
        (lambda: vm.exec("true", timeout=-1), "timeout"),
        (lambda: vm.processes(order="size"), "order"),
        (lambda: vm.status(timeout=0), "timeout"),
    ):
        with pytest.raises(specula.ConfigError, match=word):
            call()
