"""A machine of its own for the commands of a page: private mounts, network and host names, an empty
home, and if wanted a fleet that answers.

The disk is read-only but for directories in memory; the only network is loopback. What a page's commands
have done ends with the sandbox. To be used in namespaces that are this process's own.
"""
import os
import shutil
import signal
import subprocess
import time

HANG_LIMIT = 60  # seconds
BASE = "/mnt"  # nobody's own; a file system in memory is put there
# Names that pages use, and one address for each.
NAMES = list(dict.fromkeys([f"vm{n}" for n in range(1, 65)] + [f"vm{n:02}" for n in range(1, 65)] +
                           [f"web{n:02}" for n in range(1, 13)] + ["db1", "db2"]))
ADDRESSES = [f"10.0.0.{n}" for n in range(1, 10)]
OTHERS = ["/tmp", "/var/tmp", "/var/log", "/var/lib", "/root", "/home"]


def run(*command, **more):
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, **more)


def isolate(keep, bring=""):
    """Makes the machine. What is in the directories of `keep` can still be read; that of `bring` gets a copy, BASE/kit."""
    run("mount", "--make-rprivate", "/")
    run("mount", "-t", "tmpfs", "none", BASE)
    if bring:
        run("cp", "-a", bring, BASE + "/kit")
    shutil.copytree("/etc", BASE + "/etc", symlinks=True,
                    ignore=lambda folder, names: [n for n in names if not readable(os.path.join(folder, n))])
    # The agent's front stays who it is: in a user namespace nobody can become another.
    with open("/etc/passwd") as users, open(BASE + "/etc/passwd", "w") as kept:
        kept.writelines(line for line in users if not line.startswith("specula:"))
    run("mount", "--bind", BASE + "/etc", "/etc")
    if subprocess.run(["mount", "-o", "remount,bind,ro", "/"], capture_output=True).returncode != 0:
        print("sandbox: the disk could not be made read-only")
    for place in OTHERS:
        if os.path.isdir(place) and not any(path.startswith(place + "/") for path in keep):
            run("mount", "-t", "tmpfs", "-o", "mode=1777", "none", place)
    run("ip", "link", "set", "lo", "up")
    for address in ADDRESSES:
        run("ip", "address", "add", address + "/32", "dev", "lo")
    with open("/etc/hosts", "w") as hosts:
        hosts.write("127.0.0.1 localhost\n")
        hosts.writelines(f"127.0.1.{n} {name}\n" for n, name in enumerate(NAMES, 1))
    with open("/etc/resolv.conf", "w") as resolver:
        # To it there is no way, which is known at once. Where nobody listens c-ares would wait for an answer.
        resolver.write("nameserver 192.0.2.1\noptions timeout:1 attempts:1\n")
    if os.access("/var/log", os.W_OK):
        with open("/var/log/syslog", "w") as log:
            log.writelines(f"line {n} of a log\n" for n in range(30))


def readable(path):
    return os.path.islink(path) or os.access(path, os.R_OK) and (os.path.isfile(path) or os.path.isdir(path))


class Page:
    """Where a page's commands run, one after the other."""
    hang_limit = HANG_LIMIT

    def __init__(self, name, programs, home=""):
        self.home = home or os.path.join(BASE, name)
        self.place = os.path.join(self.home, "here")
        os.makedirs(self.place)
        self.programs, self.started = programs, []
        keep = {key: value for key, value in os.environ.items() if not key.startswith(("SPECULA", "XDG_", "MON_"))}
        self.env = {**keep, "HOME": self.home, "PATH": f"{programs}:{os.environ['PATH']}", "NO_COLOR": "1",
                    "LC_ALL": "C.UTF-8", "SPECULA_STATE_DIR": self.home + "/agent"}

    def script(self, text):
        """A file with the text, so that bash reads it as a reader would type it."""
        path = os.path.join(self.home, "commands.sh")
        with open(path, "w") as file:
            file.write(text)
        return ["bash", "-eu", "-o", "pipefail", path]

    def spawn(self, text, output):
        return subprocess.Popen(self.script(text), cwd=self.place, env=self.env, stdin=subprocess.DEVNULL,
                                stdout=output, stderr=subprocess.STDOUT, start_new_session=True)

    def run(self, text):
        """Exit code and output; None instead of a code if it hangs."""
        path = os.path.join(self.home, "output")
        with open(path, "w") as output:
            process = self.spawn(text, output)
            try:
                code = process.wait(self.hang_limit)
            except subprocess.TimeoutExpired:
                end(process, signal.SIGKILL)
                code = None
        return code, open(path, errors="replace").read()

    def serve(self, text):
        """Starts a server; '' once it listens, else what it said instead."""
        path = os.path.join(self.home, f"server{len(self.started)}")
        process = self.spawn(text, open(path, "w"))
        self.started.append(process)
        for _ in range(self.hang_limit * 10):
            said = open(path, errors="replace").read()
            if "msg=listening" in said:
                return ""
            if process.poll() is not None:
                break
            time.sleep(0.1)
        return said or "it says nothing"

    def go_on(self, text):
        """'' if it still runs after two seconds and Ctrl-C ends it, else what was otherwise."""
        path = os.path.join(self.home, "output")
        with open(path, "w") as output:
            process = self.spawn(text, output)
            time.sleep(2)
            ended = process.poll() is not None
            end(process, signal.SIGINT)
        said = open(path, errors="replace").read()
        return f"it ended by itself\n{said}" if ended else ""

    def write(self, path, text):
        path = path.replace("~", self.home, 1) if path.startswith("~") else os.path.join(self.place, path)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w") as file:
            file.write(text)

    def add_fleet(self):
        """One agent that stands for all hosts, a certificate for the reader, and the files that name them."""
        names = [word for name in NAMES + ADDRESSES + ["localhost", "127.0.0.1"] for word in ("--san", name)]
        code, said = self.run("specula pki init ca\nspecula pki agent ca all " + " ".join(names) + "\n"
                              "specula pki client ca alice --role operator\n")
        if code == 0:
            said = self.serve("exec specula-agent --ca ca/ca.crt --cert ca/all.crt --key ca/all.key "
                              "--max-connections-per-source 1024 --max-execs 1000 --max-execs-per-caller 1000")
        if said and code != 0 or self.started[-1].poll() is not None:
            raise RuntimeError(f"the fleet cannot be made: {said}")
        here = self.place
        self.write("~/.config/specula/ctl.toml",
                   f'ca = "{here}/ca/ca.crt"\ncert = "{here}/ca/alice.crt"\nkey = "{here}/ca/alice.key"\n')
        self.write("~/.config/specula/inventory.toml",
                   '[[host]]\nname = "vm[1-4]"\n[[host]]\nname = "web[01-12]"\nlabels = { rack = "a" }\n'
                   '[[host]]\nname = "db[1-2]"\n[group]\nweb = "web[01-12]"\ndb = "db[1-2]"\n')

    def close(self):
        for process in self.started:
            end(process, signal.SIGTERM)


def end(process, number):
    """Ends a process and what it has started, and waits."""
    try:
        os.killpg(process.pid, number)
    except ProcessLookupError:
        pass
    try:
        process.wait(20)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
