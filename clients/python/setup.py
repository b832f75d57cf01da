"""What pyproject.toml cannot say: the code of the contract is generated when the package is built.

The compiler is `protoc` if there is one, else that of grpcio-tools. Nothing is generated into the
source tree, and nothing that is generated is committed.
"""

import os
import re
import shutil
import subprocess
import sys

from setuptools import setup
from setuptools.command.build_py import build_py
from setuptools.command.sdist import sdist

HERE = os.path.dirname(os.path.abspath(__file__))
PROTO = "specula/v1/specula.proto"


def protos():
    """The folder of the contract: beside this file in a source distribution, else the repository's."""
    for folder in (os.path.join(HERE, "protos"), os.path.join(HERE, "..", "..", "protos")):
        if os.path.exists(os.path.join(folder, PROTO)):
            return folder
    raise SystemExit(f"specula: {PROTO} is neither below {HERE}/protos nor in the repository")


def compiler():
    """The command of the protobuf compiler. One of 26 or later is passed over where another is left."""
    installed = shutil.which("protoc")
    bundled = [sys.executable, "-m", "grpc_tools.protoc"]
    if installed and release([installed]) < (26, 0):
        return [installed]
    try:
        import grpc_tools  # noqa: F401
    except ImportError:
        if installed:
            return [installed]
        raise SystemExit(
            "specula: no protobuf compiler; install Debian's protobuf-compiler, or grpcio-tools"
        ) from None
    return bundled


def release(command):
    """(major, minor) of a compiler: of "libprotoc 3.21.12" (21, 12), of "libprotoc 27.2" (27, 2)."""
    said = subprocess.run([*command, "--version"], check=True, stdout=subprocess.PIPE, text=True).stdout
    numbers = [int(number) for number in re.findall(r"\d+", said)]
    if numbers[0] == 3:
        numbers = numbers[1:]
    return numbers[0], numbers[1]


def protobuf():
    """Which protobuf the generated code works with. From 26 on it says so itself and insists."""
    major, minor = release(compiler())
    if major < 26:
        return "protobuf>=4.21"
    python_major = {26: 5, 27: 5, 28: 5, 29: 5, 30: 6, 31: 6, 32: 6, 33: 6}.get(major, 7)
    return f"protobuf>={python_major}.{minor if python_major == 7 else major},<{python_major + 2}"


class BuildPy(build_py):
    def run(self):
        super().run()
        subprocess.run(
            [
                *compiler(),
                f"--proto_path={protos()}",
                f"--python_out={self.build_lib}",
                f"--pyi_out={self.build_lib}",
                PROTO,
            ],
            check=True,
        )


class Sdist(sdist):
    def make_release_tree(self, base_dir, files):
        super().make_release_tree(base_dir, files)
        target = os.path.join(base_dir, "protos", PROTO)
        os.makedirs(os.path.dirname(target), exist_ok=True)
        shutil.copyfile(os.path.join(protos(), PROTO), target)


setup(
    install_requires=["grpcio>=1.51", protobuf(), 'tomli>=1.1; python_version < "3.11"'],
    cmdclass={"build_py": BuildPy, "sdist": Sdist},
)
