#!/usr/bin/python3
"""The pages that bring agents to hosts over ssh, run as printed against that many hosts.

  hosts_test.py DIRECTORY-OF-THE-PROGRAMS [PAGE…]

A page with a block that says runs-in=hosts (blocks.py) is run as a whole, in order: for every host that its
`specula bootstrap` lines name there is one with its own sshd, address and network (tests/e2e/ssh_hosts.py), and
the reader's home has a key for them. Exit code 77: no such hosts can be made here.
"""
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time

import blocks
import commands_test
import sandbox

sys.path.append(os.path.join(blocks.ROOT, "tests", "e2e"))
import ssh_hosts  # noqa: E402

KIT = sandbox.BASE + "/kit"
HOME = "/home/alice"  # so it stands on the pages
BRIDGE = "10.20.255.1"
# Whom ssh logs in as where nobody is named, as after `--renew '@*'`. Both ends of all sessions share the processors
# here, so they do without what costs most: that is a fifth of the whole test.
SSH_CONFIG = """KexAlgorithms curve25519-sha256
Ciphers aes128-gcm@openssh.com
Host vm1
  User root
Host vm??
  User root
Host vm???
  User admin
"""
# What a host has that is no page's matter: somebody who becomes root by sudo, and a log.
PREPARE = r"""
echo 'admin:x:60999:60999::/:/bin/sh' >>/etc/passwd
echo 'admin:*:19000:0:99999:7:::' >>/etc/shadow
echo 'admin ALL=(ALL) NOPASSWD: ALL' >/etc/sudoers.d/admin
seq 30 | sed 's/^/line of a log /' >/var/log/syslog
"""
GROUPS = '[group]\nweb = "vm[001-012]"\n'


def bootstrapped(page, programs):
    """The names of the hosts that a page's commands bring agents to, in order."""
    names = []
    for block in page:
        for words in commands_test.our_lines(block.text) if block.is_commands else ():
            for word in words if "bootstrap" in words else ():
                if match := re.fullmatch(r"[a-z]+@([a-z].*)", word):
                    said = subprocess.run([programs + "/specula", "hosts", "--expand", match.group(1)], capture_output=True,
                                          text=True, check=True, env={"HOME": "/nowhere"})
                    names += said.stdout.split()
    return list(dict.fromkeys(names))


class Fleet:
    """Hosts on a bridge."""

    def __init__(self, names):
        self.hosts = []
        directory = os.path.join(sandbox.BASE, "hosts")
        os.mkdir(directory)
        sandbox.run("ip", "link", "add", "fleet", "type", "bridge")
        sandbox.run("ip", "address", "add", BRIDGE + "/16", "dev", "fleet")
        sandbox.run("ip", "link", "set", "fleet", "up")
        self.addresses = {name: f"10.20.{number // 250}.{number % 250 + 1}" for number, name in enumerate(names)}
        with open("/etc/hosts", "w") as hosts:
            hosts.write("127.0.0.1 localhost\n")
            hosts.writelines(f"{address} {name}\n" for name, address in self.addresses.items())
        for number, (name, address) in enumerate(self.addresses.items()):
            self.hosts.append(ssh_hosts.Host(KIT, directory, name, address, 22, PREPARE, link=f"cable{number}"))
        for host in self.hosts:
            host.wait()
            sandbox.run("ip", "link", "set", host.link, "master", "fleet", "up")

    def stop(self):
        for host in self.hosts:
            host.stop()


class Reader(sandbox.Page):
    """Whoever does what the page says: alice, at her desk."""
    hang_limit = 300

    def __init__(self, page):
        super().__init__(page, KIT + "/bin", home=HOME)
        with open("/etc/passwd") as users:
            others = [line for line in users if not line.startswith("root:")]
        with open("/etc/passwd", "w") as users:  # of whom ssh takes its home
            users.writelines([f"root:x:0:0:root:{HOME}:/bin/bash\n", *others])
        with open(KIT + "/host.pub") as key:
            self.write("~/.ssh/known_hosts", "* " + key.read())
        self.write("~/.ssh/config", SSH_CONFIG)
        os.chmod(HOME + "/.ssh", 0o700)
        shutil.move(KIT + "/key", HOME + "/.ssh/id_ed25519")
        self.write("~/.config/specula/inventory.toml", GROUPS)
        # Where the package has it.
        agents = f"{KIT}/lib/specula/agents/{os.uname().machine}"
        os.makedirs(agents)
        os.symlink(KIT + "/specula-agent", agents + "/specula-agent")


class Test(commands_test.Test):
    def is_ours(self, block, page):
        return block.is_commands and "needs" not in block.marks and block.runner in ("", "hosts")

    def run_blocks(self, page, found):
        names = bootstrapped(found, KIT + "/bin")
        start = time.monotonic()
        fleet = Fleet(names)
        reader = Reader(page)
        print(f"{page}: {len(names)} hosts, ready after {time.monotonic() - start:.1f} s", flush=True)
        try:
            for block in found:
                if "file" in block.marks:
                    reader.write(block.marks["file"], block.text)
                elif self.is_ours(block, found):
                    self.counts["blocks run"] += 1
                    start = time.monotonic()
                    self.run_block(reader, block)
                    print(f"{block.where}: {time.monotonic() - start:.1f} s", flush=True)
        finally:
            reader.close()
            fleet.stop()


def inside(kit, page):
    found = blocks.blocks_of(page)
    sandbox.isolate([], bring=kit)
    test = Test(KIT + "/bin")
    test.run_blocks(page, found)
    for failure in test.failures:
        print("FAIL:", failure, file=sys.stderr)
    return 1 if test.failures else 0


def main():
    if sys.argv[1] == "--inside":
        return inside(*sys.argv[2:])
    programs = os.path.abspath(sys.argv[1])
    own = ["unshare", "--mount", "--net", "--pid", "--fork", "--kill-child", "--mount-proc"]
    pages = sys.argv[2:] or [page for page in blocks.pages() if commands_test.runs_on_hosts(blocks.blocks_of(page))]
    with tempfile.TemporaryDirectory() as kit:
        try:
            ssh_hosts.make_kit(kit, programs, ("sshd", "sudo"))
        except ssh_hosts.Missing as missing:
            print(f"skipped: {missing}")
            return 77
        # As the packages have it: no agent lies beside the controller.
        os.mkdir(kit + "/bin")
        subprocess.run(["strip", "-o", kit + "/bin/specula", programs + "/specula"], check=True)
        codes = [subprocess.run([*own, sys.executable, os.path.abspath(__file__), "--inside", kit, page]).returncode
                 for page in pages]
    return 0 if codes and not any(codes) else 1


if __name__ == "__main__":
    sys.exit(main())
