#!/usr/bin/env python3
"""Writes the golden bytes of the contract: what every client must decode alike.

  tests/testdata/wire/generate.py [DIRECTORY]     default: where this script lies

MESSAGE.CASE.binpb holds a message of that type, MESSAGE.CASE.json the same in protobuf's canonical
JSON. The messages are those that the RPCs take and give, filled by their descriptors, so that a new
field of the contract is in them once this is run again:

  full         every field; of a oneof the first, and MESSAGE.full-FIELD for each of the others
               (full-exited-signal: the outcome `signal` of the event `exited`)
  zero         every optional value present, and 0: not the same as absent
  empty        nothing, which is no byte at all
  unknown      empty, and fields from a contract newer than ours: kept or dropped, never an error
  newer-enum   numbers of enumerators from a contract newer than ours

Takes protoc and python3-protobuf.
"""
import importlib
import pathlib
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
PROTOS = HERE.parents[2] / "protos"
DEEPEST = 8

# Field 1000 a varint, 1001 a string, 1002 fixed64, 1003 fixed32.
UNKNOWN_FIELDS = (
    b"\xc0\x3e\x96\x01" b"\xca\x3e\x05newer" b"\xd1\x3e\x01\x02\x03\x04\x05\x06\x07\x08" b"\xdd\x3e\x01\x02\x03\x04"
)


def load():
    """The module generated from the contract."""
    with tempfile.TemporaryDirectory() as out:
        subprocess.run(
            ["protoc", f"-I{PROTOS}", f"--python_out={out}", "specula/v1/specula.proto"], check=True)
        sys.path.insert(0, out)
        return importlib.import_module("specula.v1.specula_pb2")


def value(field, zero):
    """A value that a wrong decoder would not get right by chance."""
    n = field.number
    if field.type == field.TYPE_BOOL:
        return not zero
    if field.type == field.TYPE_STRING:
        return "" if zero else f"{field.name} \N{LATIN SMALL LETTER U WITH DIAERESIS}\u20ac\U0001f441 \u001b\n"
    if field.type == field.TYPE_BYTES:
        return b"" if zero else bytes(range(256))
    if field.type == field.TYPE_DOUBLE:
        return 0.0 if zero else n + 0.1
    if field.type == field.TYPE_ENUM:
        values = field.enum_type.values
        return 0 if zero else values[1 + n % (len(values) - 1)].number
    if field.type == field.TYPE_INT64:
        # Beyond what a double holds; every other one negative, which no comment of the contract asks
        # for and every decoder must bear.
        return 0 if zero else (2**63 - n if n % 2 else n - 2**63)
    if field.type == field.TYPE_INT32:
        return 0 if zero else (2**31 - n if n % 2 else n - 2**31)
    raise TypeError(f"{field.full_name}: generate.py knows no value of its type")


def fill(message, choose, zero=False, depth=0):
    """Sets every field. `choose`: names of the oneof fields to take instead of the first of each."""
    name = message.DESCRIPTOR.full_name
    if name == "google.protobuf.Timestamp":
        message.seconds, message.nanos = 1764072000, 123456789
        return message
    if name == "google.protobuf.Duration":
        message.seconds, message.nanos = 86400, 5000000
        return message
    for field in message.DESCRIPTOR.fields:
        oneof = field.containing_oneof
        optional = oneof is not None and len(oneof.fields) == 1 and oneof.name == f"_{field.name}"
        if oneof is not None and not optional:
            wanted = [f.name for f in oneof.fields if f.name in choose] or [oneof.fields[0].name]
            if field.name != wanted[0]:
                continue
        elif zero and not optional and field.type != field.TYPE_MESSAGE:
            continue
        entry = field.message_type is not None and field.message_type.GetOptions().map_entry
        if entry:
            getattr(message, field.name).update({"A": "1", "LANG": "C.UTF-8"})
        elif field.label == field.LABEL_REPEATED and field.type == field.TYPE_MESSAGE:
            if depth < DEEPEST:
                fill(getattr(message, field.name).add(), choose, zero, depth + 1)
                if not zero:
                    getattr(message, field.name).add()
        elif field.label == field.LABEL_REPEATED:
            getattr(message, field.name).extend([value(field, zero), value(field, True)])
        elif field.type == field.TYPE_MESSAGE:
            getattr(message, field.name).SetInParent()
            fill(getattr(message, field.name), choose, zero, depth + 1)
        else:
            setattr(message, field.name, value(field, zero))
    return message


def choices(descriptor, path=(), seen=frozenset()):
    """For each oneof field below a message, but the first of each: the oneof fields on the way to it."""
    if descriptor.full_name in seen:
        return
    seen |= {descriptor.full_name}
    for field in descriptor.fields:
        oneof = field.containing_oneof
        way = path
        if oneof is not None and len(oneof.fields) > 1:
            way += (field.name,)
            if field is not oneof.fields[0]:
                yield way
        if field.message_type is not None:
            yield from choices(field.message_type, way, seen)


def set_enums(message, number):
    """Gives every enumerator of a filled message another number."""
    for field, content in message.ListFields():
        if field.type == field.TYPE_ENUM:
            setattr(message, field.name, number)
        elif field.type == field.TYPE_MESSAGE and not (field.message_type.GetOptions().map_entry):
            for part in content if field.label == field.LABEL_REPEATED else [content]:
                set_enums(part, number)


def cases(pb2):
    """(name, message) of all that is written."""
    service = pb2.DESCRIPTOR.services_by_name["Specula"]
    types = []
    for method in service.methods:
        for descriptor in (method.input_type, method.output_type):
            if descriptor.name not in types:
                types.append(descriptor.name)
    for name in types:
        make = getattr(pb2, name)
        yield f"{name}.empty", make()
        unknown = make()
        unknown.ParseFromString(UNKNOWN_FIELDS)
        yield f"{name}.unknown", unknown
        full = fill(make(), [])
        if not full.ListFields():
            continue
        yield f"{name}.full", full
        for choice in choices(make.DESCRIPTOR):
            yield f"{name}.full-{'-'.join(choice)}", fill(make(), choice)
        yield f"{name}.zero", fill(make(), [], zero=True)
        newer = fill(make(), [])
        set_enums(newer, 99)
        if newer != full:
            yield f"{name}.newer-enum", newer


def main():
    from google.protobuf import json_format
    out = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else HERE
    for old in (*out.glob("*.binpb"), *out.glob("*.json")):
        old.unlink()
    for name, message in cases(load()):
        (out / f"{name}.binpb").write_bytes(message.SerializeToString(deterministic=True))
        (out / f"{name}.json").write_text(json_format.MessageToJson(message, sort_keys=True) + "\n")


if __name__ == "__main__":
    main()
