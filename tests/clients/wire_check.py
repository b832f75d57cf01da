#!/usr/bin/env python3
"""Python decodes the golden bytes like every other client, and they are what their generator makes.

Run by tests/clients/wire.sh, with the modules generated from the contract in sys.path.
"""
import pathlib
import subprocess
import sys
import tempfile

from google.protobuf import json_format

from specula.v1 import specula_pb2

WIRE = pathlib.Path(sys.argv[1])


def check(path):
    """What is wrong with one case; nothing if all is well."""
    golden = path.read_bytes()
    make = getattr(specula_pb2, path.name.split(".")[0])
    message = make.FromString(golden)
    if message.SerializeToString(deterministic=True) != golden:
        yield f"{path.name}: encoded again it is not the same"
    message.DiscardUnknownFields()
    if json_format.Parse(path.with_suffix(".json").read_text(), make()) != message:
        yield f"{path.name}: its JSON says something else"


def check_generator():
    """That what is committed is what the contract of today gives."""
    with tempfile.TemporaryDirectory() as out:
        subprocess.run([sys.executable, WIRE / "generate.py", out], check=True)
        made = {p.name: p.read_bytes() for p in pathlib.Path(out).iterdir()}
    have = {p.name: p.read_bytes() for p in WIRE.iterdir() if p.suffix in (".binpb", ".json")}
    for name in sorted(made.keys() | have.keys()):
        if made.get(name) != have.get(name):
            yield f"{name}: not what generate.py makes of the contract; run it"


def main():
    cases = sorted(WIRE.glob("*.binpb"))
    wrong = [line for path in cases for line in check(path)] + list(check_generator())
    print(*wrong, sep="\n")
    print(f"{len(cases)} golden messages, {len(wrong)} wrong")
    return 1 if wrong or not cases else 0


sys.exit(main())
