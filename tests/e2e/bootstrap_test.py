#!/usr/bin/env python3
"""`specula bootstrap` against hosts with an sshd of their own on loopback.

  bootstrap_test.py PROGRAMS [-v] [NAME…]

PROGRAMS has specula and specula-agent. The hosts are those of ssh_hosts.py. Exit code 77 where there can be none.
"""
import hashlib
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import unittest

import ssh_hosts
from ssh_hosts import HANG_LIMIT, read

PROGRAMS = ""
SHARED = ""  # keys and the agent, made once
UNIT_PROGRAM = "/usr/local/bin/specula-agent"

# Who may log in and is not root.
OPERATOR = r"""echo 'op:x:60999:60999::/:/bin/sh' >>/etc/passwd
echo 'op:*:19000:0:99999:7:::' >>/etc/shadow
"""

# As much of systemctl as bootstrap uses; it tells what it was asked.
SYSTEMCTL = r"""#!/bin/sh
echo "$*" >>/run/systemctl.calls
pid=$(cat /run/unit.pid 2>/dev/null)
stop() { [ -z "$pid" ] || { kill "$pid"; while [ -e "/proc/$pid/exe" ]; do sleep 0.05; done; rm -f /run/unit.pid; }; }
case "$1" in
  show) if [ -n "$pid" ] && [ -e "/proc/$pid/exe" ]; then echo "MainPID=$pid"; else echo MainPID=0; fi ;;
  stop) stop ;;
  restart)
    stop
    program=$(sed -n 's/^ExecStart=//p' /etc/systemd/system/specula-agent.service)
    (trap - TERM HUP; umask 022; exec setsid $program </dev/null >>/run/unit.log 2>&1) &
    echo $! >/run/unit.pid ;;
esac
"""


def free_port(address):
    """Outside the range from which the kernel gives ports to others, as it is used only later."""
    while True:
        port = random.randrange(20000, 30000)
        with socket.socket() as probe:
            try:
                probe.bind((address, port))
                return port
            except OSError:
                pass


class BootstrapTest(unittest.TestCase):
    def setUp(self):
        self.directory = tempfile.mkdtemp(prefix="bootstrap.")
        self.hosts = []
        self.ssh_port = free_port("127.0.0.1")
        self.agent_port = free_port("127.0.0.1")
        with open(self.file("ssh_config"), "w") as file:
            file.write(f"Host *\n  IdentityFile {SHARED}/key\n  IdentitiesOnly yes\n  StrictHostKeyChecking no\n"
                       "  UserKnownHostsFile /dev/null\n")
        self.pki("init", "ca")
        self.pki("client", "ca", "me", "--role", "admin")

    def tearDown(self):
        for host in self.hosts:
            host.stop()
        shutil.rmtree(self.directory)

    # --- what the tests use ----------------------------------------------------------------------

    def file(self, name):
        return os.path.join(self.directory, name)

    def environment(self):
        return {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": self.directory, "LANG": "C.UTF-8"}

    def run_specula(self, *words):
        return subprocess.run([PROGRAMS + "/specula", *words], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, env=self.environment(), cwd=self.directory, text=True,
                              timeout=HANG_LIMIT, check=False)

    def pki(self, *words):
        done = self.run_specula("pki", *words)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        return done.stdout

    def start_hosts(self, count, more="", settings=""):
        more = OPERATOR + more
        for number in range(1, count + 1):
            address = f"127.0.0.{number}"
            host = ssh_hosts.Host(SHARED, self.directory, address, address, self.ssh_port, more, settings)
            self.hosts.append(host)
            host.wait()

    def words(self, hosts, *more, agent=None, listen=None):
        return ["--cert", "ca/me.crt", "--key", "ca/me.key", "--inventory", self.file("inventory.toml"), "--json",
                "bootstrap", hosts, "--pki", "ca", "--agent", agent or SHARED + "/specula-agent",
                "--listen", listen or f"%h:{self.agent_port}", "--ssh", f"ssh -F {self.file('ssh_config')}", *more]

    def expression(self, last=1):
        return f"root@127.0.0.[1-{last}]:{self.ssh_port}" if last > 1 else f"root@127.0.0.1:{self.ssh_port}"

    @staticmethod
    def rows(text):
        return {row["host"]: row for row in map(json.loads, text.splitlines())}

    def bootstrap(self, hosts, *more, code=0, **settings):
        """Gives the rows by host."""
        done = self.run_specula(*self.words(hosts, *more, **settings))
        logs = "".join(read(host.log) for host in self.hosts)
        self.assertEqual(done.returncode, code, done.stdout + done.stderr + logs[-2000:])
        self.said = done.stdout + done.stderr + logs
        return self.rows(done.stdout)

    def on(self, command, number=1, user="root"):
        done = subprocess.run(["ssh", "-F", self.file("ssh_config"), "-o", "LogLevel=ERROR", "-p", str(self.ssh_port),
                               f"{user}@127.0.0.{number}", command], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, timeout=HANG_LIMIT, check=False)
        return done.stdout.strip()

    def agent_pid(self, number=1):
        return self.on("cat /run/specula-agent.pid", number)

    def agents_there(self, number=1):
        return self.on("for p in /proc/[0-9]*; do readlink $p/exe; done | grep -c specula-agent", number)

    def status(self, hosts):
        done = self.run_specula("--ca", "ca/ca.crt", "--cert", "ca/me.crt", "--key", "ca/me.key", "--hosts", hosts,
                                "--inventory", self.file("inventory.toml"), "--json", "status")
        return {row["host"]: row for row in map(json.loads, done.stdout.splitlines())}

    def changed_agent(self, name, change):
        path = self.file(name)
        with open(SHARED + "/specula-agent", "rb") as file:
            content = bytearray(file.read())
        change(content)
        with open(path, "wb") as file:
            file.write(content)
        os.chmod(path, 0o755)
        return path

    def newer_agent(self, name):
        return self.changed_agent(name, lambda content: content.extend(name.encode()))

    def wait_for(self, condition):
        for _ in range(HANG_LIMIT * 5):
            if condition():
                return
            time.sleep(0.2)
        self.fail("it does not happen")

    def assert_untouched(self, number=1):
        """As before any bootstrap, but for the user and the folders."""
        self.assertEqual(self.agents_there(number), "0")
        self.assertEqual(self.on("find /usr/local/lib/specula /usr/local/bin/specula-agent /etc/specula "
                                 "/var/lib/specula/bootstrap /run/specula-agent.pid -type f -o -type l 2>/dev/null",
                                 number), "")

    # --- the tests -------------------------------------------------------------------------------

    def test_three_hosts_and_again(self):
        self.start_hosts(3)
        with open(self.file("inventory.toml"), "w") as file:
            file.write('# ours\n[[host]]\nname = "other"\n')
        rows = self.bootstrap(self.expression(3))
        self.assertEqual({row["action"] for row in rows.values()}, {"installed"}, rows)
        self.assertEqual(len(rows), 3)
        pids = [self.agent_pid(number) for number in (1, 2, 3)]
        inventory = read(self.file("inventory.toml"))
        self.assertTrue(inventory.startswith('# ours\n[[host]]\nname = "other"\n'), inventory)
        status = self.status("127.0.0.*")
        self.assertEqual([row["outcome"] for row in status.values()], ["ok"] * 3, status)

        self.assertEqual(self.on("stat -c '%a %U' /etc/specula/tls/agent.key"), "600 specula")
        self.assertEqual(self.on("stat -c '%a %U %G' /etc/specula/tls"), "750 root specula")
        self.assertEqual(self.on("stat -c %a /usr/local/lib/specula/specula-agent-* /etc/specula/agent.toml"),
                         "755\n644")
        # The part that serves the network is not root.
        self.assertEqual(self.on("ps -o user= -p $(pgrep -P $(cat /run/specula-agent.pid) | head -n 1)"), "specula")
        ignored = int(self.on("grep SigIgn /proc/$(cat /run/specula-agent.pid)/status").split()[1], 16)
        for number in (signal.SIGTERM, signal.SIGHUP):
            self.assertFalse(ignored & 1 << number - 1, number)

        again = self.bootstrap(self.expression(3))
        self.assertEqual({row["action"] for row in again.values()}, {"unchanged"}, again)
        self.assertEqual([self.agent_pid(number) for number in (1, 2, 3)], pids)
        self.assertEqual(read(self.file("inventory.toml")), inventory)
        # By their names in the inventory, without a port of ssh: that is in its configuration.
        with open(self.file("ssh_config"), "a") as file:
            file.write(f"  Port {self.ssh_port}\n  User root\n")
        again = self.bootstrap("127.0.0.*", "-x", "127.0.0.2")
        self.assertEqual(set(again), {"127.0.0.1", "127.0.0.3"})
        self.assertEqual({row["action"] for row in again.values()}, {"unchanged"}, again)

    def test_no_key_is_seen_on_the_way(self):
        self.start_hosts(1)
        seen, stop = set(), threading.Event()

        def watch():
            while not stop.is_set():
                for entry in filter(str.isdigit, os.listdir("/proc")):
                    try:
                        for name in ("cmdline", "environ"):
                            with open(f"/proc/{entry}/{name}", "rb") as file:
                                seen.add(file.read())
                    except OSError:
                        pass
        watcher = threading.Thread(target=watch)
        watcher.start()
        self.bootstrap(self.expression())
        stop.set()
        watcher.join()
        lines = read(self.file("ca/127.0.0.1.key")).splitlines()
        secrets = [line for line in lines if not line.startswith("-----")]
        self.assertTrue(any(b"sudo" in words and b"dd bs=1" in words for words in seen), "nothing was watched")
        logs = self.on("cat /var/log/specula-agent.log; cat /var/log/*.log 2>/dev/null")
        for secret in secrets:
            self.assertNotIn(secret, self.said + logs)
            self.assertFalse(any(secret.encode() in words for words in seen))
        self.assertEqual(self.on(f"grep -rl '{secrets[0]}' /etc /var /usr/local /run"), "/etc/specula/tls/agent.key")

    def test_upgrade_repair_and_dry_run(self):
        self.start_hosts(1)
        dry = self.bootstrap(self.expression(), "--dry-run")
        self.assertEqual(dry["127.0.0.1"]["action"], "installed")
        self.assert_untouched()
        self.assertFalse(os.path.exists(self.file("ca/127.0.0.1.crt")))
        self.assertFalse(os.path.exists(self.file("inventory.toml")))

        self.bootstrap(self.expression())
        first = self.agent_pid()
        versions = self.on("ls /usr/local/lib/specula").split()
        for name in ("two", "three"):
            rows = self.bootstrap(self.expression(), agent=self.newer_agent(name))
            self.assertEqual(rows["127.0.0.1"]["action"], "upgraded")
            self.assertNotEqual(self.agent_pid(), first)
        kept = self.on("ls /usr/local/lib/specula").split()
        self.assertEqual(len(kept), 2, kept)  # the newest and the one before
        self.assertFalse(set(versions) & set(kept))

        self.on("kill -9 $(pgrep -P $(cat /run/specula-agent.pid)) $(cat /run/specula-agent.pid); "
                "echo spoilt >/etc/specula/tls/agent.crt")
        rows = self.bootstrap(self.expression(), agent=self.file("three"))
        self.assertEqual(rows["127.0.0.1"]["action"], "started")
        # A configuration that was edited there is the host's own.
        self.on("echo 'commands = false' >>/etc/specula/agent.toml")
        pid = self.agent_pid()
        rows = self.bootstrap(self.expression(), agent=self.file("three"))
        self.assertEqual((rows["127.0.0.1"]["action"], self.agent_pid()), ("unchanged", pid))
        with open(self.file("more.toml"), "w") as file:
            file.write("max-execs = 3\n")
        rows = self.bootstrap(self.expression(), "--agent-config", "more.toml", agent=self.file("three"))
        self.assertEqual(rows["127.0.0.1"]["action"], "reconfigured")
        self.assertEqual(self.on("tail -n 1 /etc/specula/agent.toml"), "max-execs = 3")

    def test_what_does_not_come_up_is_undone(self):
        self.start_hosts(2)
        self.bootstrap(self.expression())
        link = self.on("readlink /usr/local/bin/specula-agent")
        # It is content with any configuration and ends at once.
        rows = self.bootstrap(self.expression(2), "--wait", "20s", agent="/bin/true", code=1)
        old, fresh = rows["127.0.0.1"], rows["127.0.0.2"]
        self.assertIn("does not stay up", old["reason"])
        self.assertIn("the agent from before answers", old["detail"])
        self.assertIn("the host is as it was", fresh["detail"])
        self.assertEqual(self.on("readlink /usr/local/bin/specula-agent; ls /usr/local/lib/specula"),
                         f"{link}\n{os.path.basename(link)}")
        self.assertEqual(self.status(f"127.0.0.1:{self.agent_port}")["127.0.0.1"]["outcome"], "ok")
        self.assert_untouched(2)
        self.assertNotIn("127.0.0.2", read(self.file("inventory.toml")))
        # What the new program refuses is not even put in place.
        pid = self.agent_pid()
        with open(self.file("bad.toml"), "w") as file:
            file.write("max-execs = 0\n")
        rows = self.bootstrap(self.expression(), "--agent-config", "bad.toml", code=1)
        self.assertIn("refuses", rows["127.0.0.1"]["reason"])
        self.assertEqual(self.agent_pid(), pid)

    def test_wrong_architecture_is_refused(self):
        self.start_hosts(1)

        def to_aarch64(content):
            content[18:20] = b"\xb7\x00"
        rows = self.bootstrap(self.expression(), agent=self.changed_agent("arm", to_aarch64), code=1)
        self.assertIn("aarch64", rows["127.0.0.1"]["reason"])
        self.assert_untouched()
        done = self.run_specula(*self.words(self.expression(), agent="/etc/passwd"))
        self.assertEqual(done.returncode, 2)
        self.assertIn("ELF", done.stderr)

    def test_a_host_that_is_not_reached_costs_its_row(self):
        self.start_hosts(2)
        self.hosts.pop().stop()
        done = self.run_specula(*self.words(self.expression(), f"nobody@127.0.0.1:{self.ssh_port}"))
        self.assertEqual(done.returncode, 2, done.stdout + done.stderr)
        rows = self.bootstrap(self.expression(2), code=255)
        self.assertEqual(rows["127.0.0.1"]["action"], "installed")
        self.assertEqual(rows["127.0.0.2"]["outcome"], "unreachable")
        self.assertIn("refused", rows["127.0.0.2"]["reason"])
        rows = self.bootstrap(f"stranger@127.0.0.1:{self.ssh_port}", code=255)
        self.assertEqual(rows["127.0.0.1"]["outcome"], "denied")
        rows = self.bootstrap(f"op@127.0.0.1:{self.ssh_port}", code=255)
        self.assertIn("sudo", rows["127.0.0.1"]["reason"])
        self.assertEqual(rows["127.0.0.1"]["outcome"], "denied")

    def test_a_full_disk_is_told_and_nothing_is_left(self):
        self.start_hosts(1, "mkdir -p /var/lib/specula\nmount -t tmpfs -o size=1m tmpfs /var/lib/specula")
        rows = self.bootstrap(self.expression(), code=1)
        self.assertIn("No space left", rows["127.0.0.1"]["reason"])
        self.assert_untouched()

    def begin_and_hold(self):
        """A bootstrap whose agent serves where nobody asks it: it waits for the answer."""
        process = subprocess.Popen(
            [PROGRAMS + "/specula", *self.words(self.expression(), "--wait", "100s",
                                                listen=f"127.0.0.99:{self.agent_port}")],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=self.environment(),
            cwd=self.directory, text=True)
        self.wait_for(lambda: self.agents_there() != "0")
        return process

    def test_interrupt_undoes(self):
        self.start_hosts(1)
        process = self.begin_and_hold()
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=HANG_LIMIT)
        self.assertEqual(process.returncode, 130, out + err)
        self.assertIn("undone", out)
        self.assert_untouched()
        self.wait_for(lambda: self.on("pgrep -f '[d]d bs=1 count'; pgrep -x sleep") == "")

    def test_a_controller_that_dies_leaves_the_host_as_it_was(self):
        self.start_hosts(1)
        process = self.begin_and_hold()
        process.kill()
        process.communicate(timeout=HANG_LIMIT)
        self.wait_for(lambda: self.agents_there() == "0" and
                      self.on("ls -d /var/lib/specula/bootstrap/lock 2>/dev/null") == "")
        self.assert_untouched()

    def test_one_bootstrap_at_a_time_and_what_was_cut_off_is_undone(self):
        self.start_hosts(1)
        process = self.begin_and_hold()
        rows = self.bootstrap(self.expression(), code=1)
        self.assertIn("another bootstrap", rows["127.0.0.1"]["reason"])
        # As when the power fails: nothing is left to undo it. The next one does.
        self.on("pkill -KILL -f 'dd bs=1 [c]ount'")
        process.kill()
        process.communicate(timeout=HANG_LIMIT)
        rows = self.bootstrap(self.expression())
        self.assertEqual(rows["127.0.0.1"]["action"], "installed")
        self.assertIn("cut off", rows["127.0.0.1"]["detail"])
        self.assertEqual(self.status(f"127.0.0.1:{self.agent_port}")["127.0.0.1"]["outcome"], "ok")

    def test_a_link_that_is_cut_without_an_end_is_waited_for_only_so_long(self):
        self.start_hosts(1)
        self.bootstrap(self.expression())
        before = self.on("cat /etc/specula/tls/denylist")
        with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../ctl/bootstrap/remote.sh"), "rb") as file:
            script = file.read()
        content = b"# new\n"
        put = f"put denylist {len(content)} {hashlib.sha256(content).hexdigest()}\n".encode()
        orders = b"begin\n" + put + content.ljust(4096, b"\0") + b"switch reload plain 2\n"
        session = subprocess.Popen(
            ["ssh", "-F", self.file("ssh_config"), "-p", str(self.ssh_port), "root@127.0.0.1",
             f"exec sh -c 'eval \"$(dd bs=1 count={len(script)} 2>/dev/null)\"'"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        try:
            session.stdin.write(script + orders)
            session.stdin.flush()
            said = b""
            while b"done switch" not in said:
                line = session.stdout.readline()
                self.assertTrue(line, said)
                said += line
            # Nobody ends the input, and nobody says commit.
            self.wait_for(lambda: self.on("ls /var/lib/specula/bootstrap/lock 2>/dev/null") == "")
            self.assertEqual(self.on("cat /etc/specula/tls/denylist"), before)
        finally:
            session.kill()
            session.communicate()

    def test_new_certificates_need_no_restart(self):
        self.start_hosts(2)
        self.bootstrap(self.expression(2), "--days", "40")
        pids = [self.agent_pid(number) for number in (1, 2)]

        def days_left():
            return [row["agent"]["certificate_expire_time"] for row in self.doctor()]
        before = days_left()
        self.assertIn("127.0.0.1", self.pki("renew", "ca", "--within", "60d", "--days", "50"))
        rows = self.bootstrap(self.expression(2), "--renew")
        self.assertEqual({row["action"] for row in rows.values()}, {"renewed"}, rows)
        after = days_left()
        self.assertTrue(all(old < new for old, new in zip(before, after)), (before, after))
        # It reissues by itself what ends soon.
        rows = self.bootstrap(self.expression(2), "--renew", "--within", "100d")
        self.assertEqual({row["action"] for row in rows.values()}, {"renewed"}, rows)
        self.assertTrue(all(old < new for old, new in zip(after, days_left())))
        rows = self.bootstrap(self.expression(2), "--renew", "--within", "100d")
        self.assertEqual({row["action"] for row in rows.values()}, {"unchanged"}, rows)
        # And what it brings takes effect: a caller that is revoked is refused.
        self.pki("client", "ca", "eve", "--role", "viewer")
        self.pki("revoke", "ca", "ca/eve.crt")
        rows = self.bootstrap(self.expression(2), "--renew")
        self.assertEqual({row["action"] for row in rows.values()}, {"renewed"}, rows)
        self.assertIn(" eve", self.on("cat /etc/specula/tls/denylist"))
        self.assertEqual([self.agent_pid(number) for number in (1, 2)], pids)

    def doctor(self):
        done = self.run_specula("--ca", "ca/ca.crt", "--cert", "ca/me.crt", "--key", "ca/me.key", "--inventory",
                                self.file("inventory.toml"), "--json", "doctor")
        return list(map(json.loads, done.stdout.splitlines()))

    def test_a_host_whose_tools_are_busyboxs(self):
        if shutil.which("busybox") is None:
            self.skipTest("there is no busybox")
        self.start_hosts(1, "mkdir /usr/local/box\nfor tool in $(busybox --list); do "
                            "ln -s $(command -v busybox) /usr/local/box/$tool; done",
                         "SetEnv PATH=/usr/local/box")
        self.assertIn("busybox", self.on("readlink $(command -v sha256sum)"))
        for agent, action in ((None, "installed"), (self.newer_agent("two"), "upgraded")):
            rows = self.bootstrap(self.expression(), agent=agent)
            self.assertEqual(rows["127.0.0.1"]["action"], action)
        rows = self.bootstrap(self.expression(), agent="/bin/true", code=1)
        self.assertIn("the agent from before answers", rows["127.0.0.1"]["detail"])

    def test_systemd(self):
        if shutil.which("systemd-analyze") is None:
            self.skipTest("there is no systemd-analyze")
        with open(self.file("systemctl"), "w") as file:
            file.write(SYSTEMCTL)
        os.chmod(self.file("systemctl"), 0o755)
        self.start_hosts(1, f"mkdir -p /run/systemd/system\ncp {self.file('systemctl')} /usr/local/bin/systemctl")
        rows = self.bootstrap(self.expression())
        self.assertEqual(rows["127.0.0.1"]["action"], "installed")
        calls = self.on("cat /run/systemctl.calls").splitlines()
        for call in ("daemon-reload", "enable specula-agent.service", "restart specula-agent.service"):
            self.assertIn(call, calls)
        self.assertEqual(self.on("ls /run/specula-agent.pid 2>/dev/null"), "")
        self.assertEqual(self.on("ls /etc/sysusers.d/specula.conf /etc/tmpfiles.d/specula.conf | wc -l"), "2")
        unit = self.on("cat /etc/systemd/system/specula-agent.service")
        self.assertIn(f"ExecStart={UNIT_PROGRAM}", unit)
        with open(self.file("specula-agent.service"), "w") as file:
            file.write(unit.replace(UNIT_PROGRAM, SHARED + "/specula-agent") + "\n")
        verified = subprocess.run(["systemd-analyze", "verify", "--man=no", self.file("specula-agent.service")],
                                  stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
                                  env={**os.environ, "SYSTEMD_UNIT_PATH": self.directory + ":"})
        self.assertEqual((verified.returncode, verified.stdout), (0, ""))

        self.on("rm /run/systemctl.calls")
        rows = self.bootstrap(self.expression())
        self.assertEqual(rows["127.0.0.1"]["action"], "unchanged")
        self.assertNotRegex(self.on("cat /run/systemctl.calls"), "restart|stop|reload")
        # Back to what was there, by the same hand.
        rows = self.bootstrap(self.expression(), "--wait", "20s", agent="/bin/true", code=1)
        self.assertIn("the agent from before answers", rows["127.0.0.1"]["detail"])
        rows = self.bootstrap(self.expression(), "--no-systemd")
        self.assertEqual(rows["127.0.0.1"]["action"], "moved")
        self.assertIn("disable specula-agent.service", self.on("cat /run/systemctl.calls"))
        self.assertNotEqual(self.agent_pid(), "")


if __name__ == "__main__":
    PROGRAMS = os.path.abspath(sys.argv.pop(1))
    SHARED = tempfile.mkdtemp(prefix="bootstrap.")
    try:
        ssh_hosts.make_kit(SHARED, PROGRAMS)
        program = unittest.main(exit=False)
    except ssh_hosts.Missing as missing:
        print(f"bootstrap_test.py: skipped: {missing}")
        sys.exit(77)
    finally:
        shutil.rmtree(SHARED)
    sys.exit(0 if program.result.wasSuccessful() else 1)
