"""Programs that use the client: their death, their credentials, the examples, the command line."""

import asyncio
import doctest
import importlib
import os
import signal
import subprocess
import sys

import pytest

import specula
from conftest import eventually, runs

MODULES = ("specula", "specula._host", "specula._fleet", "specula.aio", "specula.aio._host", "specula.aio._fleet")

HOLD = {
    "threads": """
import specula, sys
with specula.connect(sys.argv[1], timeout=20) as vm:
    for chunk in vm.exec_stream("setsid sleep 1000 & echo $! $$; wait"):
        print(chunk.data.decode(), end="", flush=True)
""",
    "asyncio": """
import asyncio, specula, sys
async def main():
    async with specula.aio.connect(sys.argv[1], timeout=20) as vm:
        async for chunk in vm.exec_stream("setsid sleep 1000 & echo $! $$; wait"):
            print(chunk.data.decode(), end="", flush=True)
asyncio.run(main())
""",
}


@pytest.fixture
def environment(pki, monkeypatch):
    """The credentials where programs look for them."""
    for name, path in pki.credentials().items():
        monkeypatch.setenv(f"SPECULA_{name.upper()}", path)


@pytest.mark.parametrize("face_name", ["threads", "asyncio"])
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_death_of_the_client_ends_the_tree(agent, environment, face_name, number):
    client = subprocess.Popen(
        [sys.executable, "-c", HOLD[face_name], agent.host], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    try:
        pids = [int(pid) for pid in client.stdout.readline().split()]
        assert len(pids) == 2 and all(runs(pid) for pid in pids)
        client.send_signal(number)
        client.wait(60)
        eventually(lambda: not any(runs(pid) for pid in pids))
    finally:
        client.kill()
        client.wait()
        client.stdout.close()


def test_examples_of_the_docstrings(agent, environment):
    ran = 0
    for name in MODULES:
        names = {"agent": agent.host, "specula": specula, "asyncio": asyncio}
        result = doctest.testmod(importlib.import_module(name), extraglobs=names)
        assert result.failed == 0, name
        ran += result.attempted
    assert ran > 30


def run_main(*arguments, **variables):
    return subprocess.run(
        [sys.executable, "-m", "specula", *arguments],
        env=dict(os.environ, **variables), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )


def test_module_shows_the_status(agent, environment):
    done = run_main(agent.host, "status", "--timeout", "20")
    assert done.returncode == 0 and done.stderr == ""
    assert done.stdout.startswith(f"{agent.host}: cpu ") and "GiB" in done.stdout


def test_module_says_why_not(agent, environment, tmp_path):
    done = run_main("127.0.0.1:1", "status")
    assert done.returncode == 255 and "unreachable: connection refused" in done.stderr
    done = run_main(agent.host, "status", SPECULA_CA="", HOME=str(tmp_path))
    assert done.returncode == 2 and "no 'ca'" in done.stderr
    assert run_main(agent.host, "dance").returncode == 2
