"""The real agent with real certificates, and both faces of the client behind one.

TEST_PROGRAMS is where the programs are; the package `specula` is on the path.
"""

import os
import re
import shutil
import signal
import subprocess
import tempfile
import time

import pytest

import faces

# How long anything may take before it counts as hanging; the machines are shared.
HANG_SECONDS = 60

PROGRAMS = os.environ["TEST_PROGRAMS"]

for name in [name for name in os.environ if name.startswith("SPECULA_")]:
    del os.environ[name]


def eventually(condition):
    """Waits until the condition holds; fails beyond the hang limit."""
    end = time.monotonic() + HANG_SECONDS
    while not condition():
        assert time.monotonic() < end, "gave up waiting"
        time.sleep(0.02)


def runs(pid):
    """Whether a process is there and no zombie."""
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


class Pki:
    """A directory as `specula pki` makes it: the agent `localhost`, and a caller for each role."""

    def __init__(self, path):
        self.path = path
        self.pki("init", path)
        self.pki("agent", path, "localhost", "--san", "127.0.0.1")
        for role in ("viewer", "operator", "admin"):
            self.pki("client", path, role, "--role", role)

    @staticmethod
    def pki(*arguments):
        subprocess.run([f"{PROGRAMS}/specula", "pki", *arguments], check=True, stdout=subprocess.DEVNULL)

    def file(self, name):
        return os.path.join(self.path, name)

    def credentials(self, name="operator"):
        """The arguments of connect() for somebody of this authority."""
        return {"ca": self.file("ca.crt"), "cert": self.file(f"{name}.crt"), "key": self.file(f"{name}.key")}

    def odd(self, name, uri, days=1):
        """A certificate that `specula pki` would not make."""
        config = self.file(f"{name}.cnf")
        with open(config, "w") as file:
            file.write("extendedKeyUsage=clientAuth\nbasicConstraints=critical,CA:false\n")
            file.write(f"subjectAltName=URI:{uri}\n" if uri else "")
        key, request, cert = (self.file(f"{name}.{kind}") for kind in ("key", "csr", "crt"))
        make = ["openssl", "req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
        quiet = {"check": True, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        subprocess.run([*make, "-subj", f"/CN={name}", "-keyout", key, "-out", request], **quiet)
        sign = ["openssl", "x509", "-req", "-in", request, "-CA", self.file("ca.crt"), "-CAkey", self.file("ca.key")]
        subprocess.run([*sign, "-days", str(days), "-extfile", config, "-out", cert], **quiet)
        os.chmod(key, 0o600)
        return self.credentials(name)


class Agent:
    """A specula-agent on a free port of 127.0.0.1, that can be hurt."""

    def __init__(self, pki):
        self._directory = tempfile.mkdtemp(prefix="specula-test-")
        self._log = os.path.join(self._directory, "log")
        command = [f"{PROGRAMS}/specula-agent", "--listen", "127.0.0.1:0", "--state-dir"]
        command.append(os.path.join(self._directory, "state"))
        for flag, name in (("ca", "ca.crt"), ("cert", "localhost.crt"), ("key", "localhost.key")):
            command += [f"--{flag}", pki.file(name)]
        with open(self._log, "wb") as log:
            self.process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )
        eventually(lambda: self._listening() or self.process.poll() is not None)
        assert self.process.poll() is None, self.log()
        self.host, self.front = self._listening()

    def log(self):
        with open(self._log) as file:
            return file.read()

    def _listening(self):
        found = re.search(r"msg=listening address=(\S+) .*pid=(\d+)", self.log())
        return found and (found.group(1), int(found.group(2)))

    def hurt(self, number):
        """Sends a signal to the process that serves the network."""
        os.kill(self.front, number)
        if number == signal.SIGSTOP:
            # It may still answer before it has heard.
            eventually(lambda: all(state == "T" for state in self._thread_states()))

    def _thread_states(self):
        for thread in os.listdir(f"/proc/{self.front}/task"):
            with open(f"/proc/{self.front}/task/{thread}/stat") as file:
                yield file.read().rpartition(")")[2].split()[0]

    def stop(self):
        try:
            self.hurt(signal.SIGCONT)
        except OSError:
            pass
        self.process.terminate()
        try:
            self.process.wait(HANG_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        shutil.rmtree(self._directory, ignore_errors=True)


@pytest.fixture(scope="session")
def pki():
    with tempfile.TemporaryDirectory(prefix="specula-test-") as path:
        yield Pki(os.path.join(path, "ca"))


@pytest.fixture(scope="session")
def agent(pki):
    """One that is left in peace."""
    started = Agent(pki)
    yield started
    started.stop()


@pytest.fixture
def own_agent(pki):
    """One to be hurt."""
    started = Agent(pki)
    yield started
    started.stop()


@pytest.fixture(params=["threads", "asyncio"])
def face(request):
    """specula, or specula.aio as if it were specula."""
    chosen = faces.Threads() if request.param == "threads" else faces.Asyncio()
    yield chosen
    chosen.close()


@pytest.fixture
def vm(face, agent, pki):
    with face.connect(agent.host, timeout=20, **pki.credentials()) as host:
        yield host
