#!/usr/bin/env python3
"""What hangs costs its own rows and callers and nothing else: every call of everybody else is answered, the agent grows by
no more than a bound, and all is as before when it answers again.

  hang_test.py PROGRAMS [TEST…]        HANG_CALLS: calls of others while it hangs, in each test (100)

What hangs is a file system in user space (hanging_fs.py), in mounts that only this test sees. Exit code 77 where there can
be none.
"""
import collections
import concurrent.futures
import importlib
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import unittest

from real_agent import RealAgent, eventually, read

try:
    import fusepy  # pylint: disable=unused-import
    import grpc
    MISSING = ""
except ImportError as error:
    MISSING = str(error)

PROGRAMS = ""
CALLS = int(os.environ.get("HANG_CALLS", "100"))
HERE = os.path.dirname(os.path.realpath(__file__))
pb = None

# The time that a call of another caller has. Generous: what fails here is not answered at all.
DEADLINE = 20
AT_ONCE = 8
# What the agent may have more while something hangs, and of that, for what others have asked meanwhile.
# Every kind of call has its own bound, and gRPC starts threads of its own beside.
MORE_THREADS = 40
FLAT = 12
STAYING_THREADS = 12


class HangingMount:
    """A directory that hangs on demand, until the end of the `with`."""

    def __init__(self, directory, place=None):
        self.backing, self.flag = directory + ".backing", directory + ".hangs"
        self.place = place or directory
        os.makedirs(self.backing)
        os.makedirs(self.place, exist_ok=True)
        self.process = None

    def __enter__(self):
        self.process = subprocess.Popen([sys.executable, f"{HERE}/hanging_fs.py", self.place, self.backing, self.flag])
        if not eventually(lambda: os.path.ismount(self.place) or self.process.poll() is not None) or \
                self.process.poll() is not None:
            raise RuntimeError("the file system is not mounted")
        return self

    def __exit__(self, *_):
        self.heal()
        subprocess.run(["umount", "-l", self.place], check=False)
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def write(self, name, text, mode=0o644):
        path = os.path.join(self.backing, name)
        with open(path, "a") as file:
            file.write(text)
        os.chmod(path, mode)
        return os.path.join(self.place, name)

    def hang(self):
        open(self.flag, "w").close()

    def heal(self):
        if os.path.exists(self.flag):
            os.unlink(self.flag)


class Caller:
    """All methods of an agent, each as a function of the deadline that gives the code of the answer."""

    def __init__(self, agent):
        credentials = grpc.ssl_channel_credentials(*(read(agent.file(f"pki/{name}")).encode() for name in (
            "ca.crt", "admin.key", "admin.crt")))
        self.channel = grpc.secure_channel(agent.host, credentials)
        command = pb.Command(argv=pb.Argv(arguments=["true"]))
        with subprocess.Popen(["true"]) as ended:
            gone = ended.pid
        self.methods = {
            "Status": self.unary("Status", pb.StatusRequest(), pb.StatusResponse),
            "Cpu": self.unary("Cpu", pb.CpuRequest(), pb.CpuResponse),
            "Mem": self.unary("Mem", pb.MemRequest(), pb.MemResponse),
            "Disk": self.unary("Disk", pb.DiskRequest(), pb.DiskResponse),
            "Processes": self.unary("Processes", pb.ProcessesRequest(), pb.ProcessesResponse),
            "Start": self.unary("Start", pb.StartRequest(command=command), pb.StartResponse),
            "Kill": self.unary("Kill", pb.KillRequest(pid=gone), pb.KillResponse),
            "Exec": self.stream("Exec", pb.ExecRequest(command=command), pb.ExecResponse),
            "Tail": self.stream("Tail", pb.TailRequest(path="/etc/hostname"), pb.TailResponse),
            "Watch": self.stream("Watch", pb.WatchRequest(), pb.WatchResponse, answers=1),
            "Check": self.health(),
        }

    def health(self):
        call = self.channel.unary_unary("/grpc.health.v1.Health/Check")
        return lambda deadline=DEADLINE: code_of(lambda: call(b"", timeout=deadline))

    def unary(self, name, request, response):
        call = self.channel.unary_unary(f"/specula.v1.Specula/{name}", type(request).SerializeToString, response.FromString)
        return lambda deadline=DEADLINE: code_of(lambda: call(request, timeout=deadline))

    def stream(self, name, request, response, answers=None):
        """With `answers` so many are waited for, else the end."""
        call = self.channel.unary_stream(f"/specula.v1.Specula/{name}", type(request).SerializeToString, response.FromString)

        def run(deadline):
            stream = call(request, timeout=deadline)
            for number, _ in enumerate(stream, 1):
                if number == answers:
                    stream.cancel()
                    return

        return lambda deadline=DEADLINE: code_of(lambda: run(deadline))


def code_of(call):
    try:
        call()
        return grpc.StatusCode.OK
    except grpc.RpcError as error:
        # An answer: what cannot be recorded is refused. Without a connection it is UNAVAILABLE, too.
        refused = error.code() == grpc.StatusCode.UNAVAILABLE and "audit log" in error.details()
        return grpc.StatusCode.FAILED_PRECONDITION if refused else error.code()


def sizes_of(agent):
    """Threads and descriptors of the broker and the front."""
    pids = (agent.process.pid, agent.front)
    return [sum(len(os.listdir(f"/proc/{pid}/{what}")) for pid in pids) for what in ("task", "fd")]


def settled_sizes_of(agent):
    """The same once no more calls arrive: equal twice, a second apart."""
    now, before = sizes_of(agent), None
    for _ in range(30):
        if now == before:
            break
        time.sleep(1)
        now, before = sizes_of(agent), now
    return now


class HangTest(unittest.TestCase):
    def setUp(self):
        self.directory = tempfile.mkdtemp(prefix="specula-hang-")
        os.chmod(self.directory, 0o755)
        self.addCleanup(shutil.rmtree, self.directory, ignore_errors=True)

    def file(self, name):
        return os.path.join(self.directory, name)

    def mount(self, name, place=None):
        return self.enterContext(HangingMount(self.file(name), place))

    def agent(self, **options):
        agent = self.enterContext(RealAgent(PROGRAMS, **options))
        self.caller = Caller(agent)
        self.addCleanup(self.caller.channel.close)
        return agent

    def proc_root(self):
        """The machine's own /proc and /sys, of which files can be covered."""
        root = tempfile.mkdtemp(prefix="specula-root-")
        # By rmdir alone, which spares what is still mounted.
        self.addCleanup(os.rmdir, root)
        for name in ("proc", "sys", "share"):
            os.mkdir(f"{root}/{name}")
            self.addCleanup(os.rmdir, f"{root}/{name}")
        for name in ("proc", "sys"):
            subprocess.run(["mount", "--rbind", f"/{name}", f"{root}/{name}"], check=True)
            self.addCleanup(subprocess.run, ["umount", "-l", f"{root}/{name}"], check=False)
        return root

    def cover(self, path, with_what):
        subprocess.run(["mount", "--bind", with_what, path], check=True)

    def expect_answers(self):
        """Every method answers, many times."""
        methods = list(self.caller.methods)
        with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
            answers = list(pool.map(lambda number: self.answer(methods[number % len(methods)]), range(CALLS // 2)))
        silent = collections.Counter(answer for answer in answers if answer)
        self.assertEqual(silent, {}, f"of {len(answers)} calls")

    def answer(self, name):
        """Nothing, or how the method did not answer. An agent may say by itself what was not to be read in time."""
        begin = time.monotonic()
        code = self.caller.methods[name]()
        waited = code == grpc.StatusCode.DEADLINE_EXCEEDED and time.monotonic() - begin > DEADLINE - 1
        return f"{name}: {code.name}" if waited or code == grpc.StatusCode.UNAVAILABLE else ""

    def expect_success(self, when):
        for name, call in self.caller.methods.items():
            wanted = grpc.StatusCode.NOT_FOUND if name == "Kill" else grpc.StatusCode.OK
            self.assertTrue(eventually(lambda: call() == wanted), f"{name} {when}: {call()}")

    def check(self, agent, mount, meanwhile=lambda: None):
        """The whole course: `meanwhile` are the calls that hang, made before those of others."""
        self.expect_success("before anything hangs")
        self.expect_answers()
        before = sizes_of(agent)
        mount.hang()
        meanwhile()
        try:
            self.expect_answers()
            threads, descriptors = settled_sizes_of(agent)
            self.expect_answers()
            now = settled_sizes_of(agent)
            self.assertLessEqual(now[0], before[0] + MORE_THREADS, "threads")
            self.assertLessEqual(now[0], threads + FLAT, "threads grow")
            self.assertLessEqual(now[1], descriptors + FLAT, "descriptors grow")
        finally:
            mount.heal()
        self.expect_success("after all answers again")
        self.assertTrue(eventually(lambda: sizes_of(agent)[0] <= before[0] + STAYING_THREADS), "threads stay")

    def specula(self, agent, *words):
        """A call that hangs, or may; ended with the test."""
        environment = {"PATH": os.environ["PATH"], "HOME": "/nonexistent", "XDG_STATE_HOME": self.file("desk"),
                       "SPECULA_CA": agent.file("pki/ca.crt"), "SPECULA_CERT": agent.file("pki/admin.crt"),
                       "SPECULA_KEY": agent.file("pki/admin.key")}
        output = open(self.file("said"), "ab")
        self.addCleanup(output.close)
        process = subprocess.Popen([f"{PROGRAMS}/specula", "--hosts", agent.host, *words], env=environment,
                                   stdin=subprocess.DEVNULL, stdout=output, stderr=output)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        return process

    def test_mounts_and_what_lies_below(self):
        root = self.proc_root()
        share = self.mount("share", f"{root}/share")
        os.makedirs(share.backing + "/inner")
        subprocess.run(["mount", "-t", "tmpfs", "inner", f"{root}/share/inner"], check=True)
        self.addCleanup(subprocess.run, ["umount", "-l", f"{root}/share/inner"], check=False)
        with open(self.file("mountinfo"), "w") as file:
            file.write("27 1 8:1 / / rw - ext4 /dev/sda1 rw\n30 27 0:50 / /share rw - fuse.sshfs host:/ rw\n"
                       "31 30 8:16 / /share/inner rw - ext4 /dev/sdb rw\n")
        self.cover(f"{root}/proc/1/mountinfo", self.file("mountinfo"))
        self.check(self.agent(after=["--proc-root", root]), share)

    def test_files_of_proc(self):
        root = self.proc_root()
        mount = self.mount("files")
        for path in ("meminfo", "loadavg", f"{os.getpid()}/cmdline", f"{os.getpid()}/stat"):
            self.cover(f"{root}/proc/{path}", mount.write(path.replace("/", "-"), read(f"/proc/{path}")))
        self.check(self.agent(after=["--proc-root", root]), mount)

    def test_file_that_is_followed(self):
        mount = self.mount("share")
        path = mount.write("log", "one\n")
        agent = self.agent()
        tail = self.specula(agent, "tail", "-f", path)
        self.assertTrue(eventually(lambda: "one" in read(self.file("said"))), "the tail says nothing")
        self.check(agent, mount, lambda: mount.write("log", "two\n"))
        self.assertIsNone(tail.poll(), "the tail has ended")
        self.assertTrue(eventually(lambda: "two" in read(self.file("said"))), "the tail does not go on")

    def test_file_that_is_to_be_followed(self):
        mount = self.mount("share")
        path = mount.write("log", "one\n")
        agent = self.agent()
        self.check(agent, mount, lambda: [self.specula(agent, "tail", *words, path) for words in (
            [], ["-f"], ["-f", "--wait"]) for _ in range(10)])

    def test_working_directory(self):
        mount = self.mount("share")
        agent = self.agent()
        self.check(agent, mount, lambda: [self.specula(agent, "exec", "--cwd", mount.place, "--", "true") for _ in range(10)])

    def test_program(self):
        mount = self.mount("share")
        path = mount.write("program", "#!/bin/sh\n", 0o755)
        agent = self.agent()
        self.check(agent, mount, lambda: [self.specula(agent, "exec", "--", path) for _ in range(10)])

    def test_state_directory(self):
        mount = self.mount("state")
        self.check(self.agent(after=["--state-dir", mount.place]), mount)

    def test_log_that_is_not_read(self):
        mount = self.mount("unused")
        reading, writing = os.pipe()
        self.addCleanup(os.close, reading)
        agent = RealAgent(PROGRAMS, log=writing)
        self.enterContext(agent)
        os.close(writing)
        text = b""
        while b"msg=listening" not in text or not text.endswith(b"\n"):
            text += os.read(reading, 65536)
        agent.note_listening(text.decode())
        self.caller = Caller(agent)
        self.addCleanup(self.caller.channel.close)

        def fill():
            own = os.open(f"/proc/self/fd/{reading}", os.O_WRONLY | os.O_NONBLOCK)
            try:
                while True:
                    os.write(own, b"x" * 4096)
            except BlockingIOError:
                pass
            os.close(own)
            # Strangers, of whom the agent has something to say; and what it says of calls.
            port = int(agent.host.rpartition(":")[2])
            for _ in range(50):
                with socket.create_connection(("127.0.0.1", port)) as stranger:
                    stranger.sendall(b"GET / HTTP/1.0\r\n\r\n")
            time.sleep(0.5)

        self.check(agent, mount, fill)


def main():
    global PROGRAMS, pb
    PROGRAMS = os.path.abspath(sys.argv.pop(1))
    why = MISSING or ("" if os.geteuid() == 0 else "it takes root") or \
        ("" if os.path.exists("/dev/fuse") else "there is no /dev/fuse")
    if not why and os.environ.get("HANG_TEST_INSIDE") is None:
        # In mounts of its own.
        os.environ["HANG_TEST_INSIDE"] = "1"
        if subprocess.run(["unshare", "-m", "true"], check=False).returncode == 0:
            os.execvp("unshare", ["unshare", "-m", sys.executable, sys.argv[0], PROGRAMS, *sys.argv[1:]])
        why = "no namespaces can be made here"
    if why:
        print(f"hang_test.py: skipped: {why}")
        sys.exit(77)
    with tempfile.TemporaryDirectory() as generated:
        subprocess.run(["protoc", f"-I{HERE}/../../protos", f"--python_out={generated}", "specula/v1/specula.proto"], check=True)
        sys.path.insert(0, generated)
        pb = importlib.import_module("specula.v1.specula_pb2")
        program = unittest.main(exit=False)
    sys.exit(0 if program.result.wasSuccessful() else 1)


if __name__ == "__main__":
    main()
