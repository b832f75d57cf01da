"""Hosts with an sshd of their own, for `specula bootstrap`.

A host is a mount and a pid namespace with its own layer over /etc, /usr and /var and its own /run: nothing of
this machine is changed, and what is started there ends with it. It serves on an address of loopback, or has a
network of its own, with its own address on a bridge.
Takes root. Where the machine has no sshd or sudo it is Debian's, unpacked into that layer and not installed, as
it would serve the network at once.
"""
import glob
import os
import shutil
import subprocess
import time

HANG_LIMIT = 120  # seconds
DIRECTORIES = "/usr/sbin:/usr/bin:/usr/local/sbin:/usr/local/bin"

PREPARE = r"""set -e
mount --make-rprivate /
mount -t tmpfs -o mode=755 tmpfs {dir}
for part in etc usr var; do
  mkdir -p {dir}/$part/new {dir}/$part/work
  mount -t overlay -o lowerdir={peer}/$part:/$part,upperdir={dir}/$part/new,workdir={dir}/$part/work overlay /$part
done
mount -t tmpfs -o mode=755 tmpfs /run
mkdir -m 755 /run/sshd
rm -rf /etc/specula /usr/local/lib/specula /usr/local/bin/specula* /var/lib/specula
grep -q ^sshd: /etc/passwd || echo 'sshd:*:65533:65534::/run/sshd:/bin/false' >>/etc/passwd
sed -i '/^specula:/d' /etc/passwd /etc/shadow /etc/group
sed -i 's/^root:[^:]*:/root:*:/' /etc/shadow
{more}
exec {sshd} -D -e -f {config}
"""

# Before all that; the other end of the cable is left with the process PID.
PREPARE_NETWORK = r"""set -e
hostname {name}
ip link add eth0 type veth peer name {link} netns {pid}
ip address add {address}/16 dev eth0
ip link set lo up
ip link set eth0 up
exec "$@"
"""


class Missing(Exception):
    """Of what hosts take, this is not here."""


def read(path):
    with open(path, encoding="utf-8", errors="replace") as file:
        return file.read()


def packages_of(program):
    """Debian's packages that have it, where the machine has none."""
    return {"sshd": ["openssh-server", "libwrap0"], "sudo": ["sudo"]}[program]


def make_kit(kit, programs, tools=("sshd",)):
    """Puts into the directory `kit` what all hosts have in common: keys, the tools, and the agent to install."""
    if os.geteuid() != 0:
        raise Missing("it takes root")
    for tool in ("ssh", "ssh-keygen", "strip", "unshare", "ip"):
        if shutil.which(tool) is None:
            raise Missing(f"there is no {tool}")
    if subprocess.run(["unshare", "-m", "-p", "--fork", "true"], check=False).returncode != 0:
        raise Missing("no namespaces can be made")
    os.chmod(kit, 0o755)
    peer = kit + "/peer"
    for part in ("etc", "usr", "var"):
        os.makedirs(f"{peer}/{part}")
    for tool in tools:
        if shutil.which(tool, path=DIRECTORIES) is not None:
            continue
        subprocess.run(["apt-get", "download", *packages_of(tool)], cwd=peer, check=False, capture_output=True)
        for package in glob.glob(peer + "/*.deb"):
            subprocess.run(["dpkg", "-x", package, peer], check=False)
            os.unlink(package)
        if not glob.glob(f"{peer}/usr/*bin/{tool}"):
            raise Missing(f"there is no {tool}, and none can be had")
    for key in ("host", "key"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", f"{kit}/{key}"], check=True)
    # Symbols would only have to be sent.
    subprocess.run(["strip", "-o", kit + "/specula-agent", programs + "/specula-agent"], check=True)


class Host:
    """A machine that is reached over ssh. With a `link` it has a network of its own, and this is its cable's other end."""

    def __init__(self, kit, directory, name, address, port, more="", settings="", link=""):
        self.name, self.address, self.link = name, address, link
        self.directory = os.path.join(directory, name)
        os.mkdir(self.directory)
        config = self.directory + ".sshd_config"
        with open(config, "w") as file:
            file.write(f"HostKey {kit}/host\nAuthorizedKeysFile {kit}/key.pub\nListenAddress {address}:{port}\n"
                       f"StrictModes no\nUsePAM no\nPermitRootLogin yes\nPidFile none\nMaxStartups 100\n{settings}\n")
        self.log = self.directory + ".log"
        sshd = shutil.which("sshd", path=DIRECTORIES) or "/usr/sbin/sshd"
        prepare = PREPARE.format(dir=self.directory, config=config, more=more, sshd=sshd, peer=kit + "/peer")
        words = ["unshare", "-m", "-p", "--fork", "--kill-child", "--mount-proc", "sh", "-c", prepare]
        if link:
            network = PREPARE_NETWORK.format(name=name, link=link, address=address, pid=os.getpid())
            words = ["unshare", "-n", "-u", "sh", "-c", network, "sh", *words]
        with open(self.log, "w") as log:
            self.process = subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", *words],  # it ends with this test, however that ends
                stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def wait(self):
        """Until its sshd serves."""
        for _ in range(HANG_LIMIT * 20):
            if "listening" in read(self.log):
                return
            if self.process.poll() is not None:
                break
            time.sleep(0.05)
        raise RuntimeError("sshd does not start: " + read(self.log))

    def stop(self):
        self.process.kill()
        self.process.wait()
