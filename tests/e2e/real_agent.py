"""A real agent with real certificates on a free port of loopback, for tests in Python."""
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time

HANG_LIMIT = 60  # seconds; these machines are shared


def eventually(condition):
    """What `condition` gives, as soon as that is true; None beyond the hang limit."""
    end = time.monotonic() + HANG_LIMIT
    while time.monotonic() < end:
        if result := condition():
            return result
        time.sleep(0.02)
    return None


def read(path):
    with open(path, encoding="utf-8", errors="replace") as file:
        return file.read()


class RealAgent:
    """Runs until the end of the `with`. `before`: words that run the program; `after`: further arguments; `log`:
    where its log goes, if not to a file."""

    def __init__(self, programs, before=(), after=(), log=None):
        self.programs = os.path.abspath(programs)
        self.directory = tempfile.mkdtemp(prefix="specula-test-")
        # Passable for the other users that some commands become.
        os.chmod(self.directory, 0o711)
        self.before, self.after, self.log = before, after, log
        self.process = None
        self.host = ""
        self.front = 0

    def file(self, name):
        return os.path.join(self.directory, name)

    def __enter__(self):
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_):
        self.stop()

    def start(self):
        pki = self.file("pki")
        for words in (["init", pki], ["agent", pki, "localhost", "--san", "127.0.0.1"],
                      ["client", pki, "admin", "--role", "admin"], ["client", pki, "viewer", "--role", "viewer"]):
            subprocess.run([f"{self.programs}/specula", "pki", *words], check=True, stdout=subprocess.DEVNULL)
        with open(self.file("log"), "ab") as log:
            self.process = subprocess.Popen(
                [*self.before, f"{self.programs}/specula-agent", "--config", "/dev/null", "--listen", "127.0.0.1:0",
                 "--ca", f"{pki}/ca.crt", "--cert", f"{pki}/localhost.crt", "--key", f"{pki}/localhost.key",
                 "--denylist", f"{pki}/denylist", "--state-dir", self.file("state"), *self.after],
                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=self.log or log)
        if self.log is not None:
            return
        if not eventually(lambda: self.note_listening(read(self.file("log"))) or self.process.poll() is not None) or \
                not self.host:
            raise RuntimeError(f"the agent does not listen: {read(self.file('log'))}")

    def note_listening(self, text):
        """Whether it says where it listens, which is kept."""
        if listening := re.search(r"msg=listening address=\S+:(\d+) .*pid=(\d+)", text):
            self.host, self.front = f"localhost:{listening[1]}", int(listening[2])
        return listening is not None

    def stop(self):
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(HANG_LIMIT)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        shutil.rmtree(self.directory, ignore_errors=True)

    def specula(self, *words, timeout=HANG_LIMIT):
        """Runs the controller as an admin of this agent alone."""
        environment = {"PATH": os.environ["PATH"], "HOME": "/nonexistent", "XDG_STATE_HOME": self.file("desk"),
                       "SPECULA_HOSTS": self.host, "SPECULA_CA": self.file("pki/ca.crt"),
                       "SPECULA_CERT": self.file("pki/admin.crt"), "SPECULA_KEY": self.file("pki/admin.key")}
        return subprocess.run([f"{self.programs}/specula", *words], env=environment, stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, check=False, timeout=timeout)
