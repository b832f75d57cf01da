#!/usr/bin/env python3
"""Writes the API reference from the comments of the contract.

  protos/reference.py >protos/REFERENCE.md

Works on the descriptor set with source information that protoc gives; takes protoc and
python3-protobuf. A test holds REFERENCE.md to what this prints.
"""
import pathlib
import subprocess
import sys
import tempfile
import textwrap

from google.protobuf import descriptor_pb2

HERE = pathlib.Path(__file__).resolve().parent
CONTRACT = "specula/v1/specula.proto"
Field = descriptor_pb2.FieldDescriptorProto
File = descriptor_pb2.FileDescriptorProto
Message = descriptor_pb2.DescriptorProto

# The numbers of the lists in descriptor.proto that make up a source location's path.
SYNTAX, SERVICE, MESSAGE, ENUM = (File.DESCRIPTOR.fields_by_name[n].number
                                  for n in ("syntax", "service", "message_type", "enum_type"))
METHOD = descriptor_pb2.ServiceDescriptorProto.DESCRIPTOR.fields_by_name["method"].number
VALUE = descriptor_pb2.EnumDescriptorProto.DESCRIPTOR.fields_by_name["value"].number
FIELD, NESTED_ENUM = (Message.DESCRIPTOR.fields_by_name[n].number for n in ("field", "enum_type"))
ONEOF = Message.DESCRIPTOR.fields_by_name["oneof_decl"].number


def load():
    with tempfile.NamedTemporaryFile() as out:
        subprocess.run(["protoc", f"-I{HERE}", "--include_source_info", f"--descriptor_set_out={out.name}",
                        CONTRACT], check=True)
        return descriptor_pb2.FileDescriptorSet.FromString(out.read()).file[0]


class Reference:
    def __init__(self, file):
        self.file = file
        self.comments = {tuple(l.path): l.leading_comments for l in file.source_code_info.location
                         if l.leading_comments}
        self.prefix = f".{file.package}."
        self.lines = []

    def text(self, *path):
        """A comment as one paragraph; `<` and `|` mean something in Markdown."""
        words = " ".join(self.comments.get(path, "").split())
        return words.replace("<", "&lt;").replace("|", "\\|")

    def link(self, type_name):
        name = type_name.lstrip(".")
        if not type_name.startswith(self.prefix):
            return f"`{name}`"
        name = type_name[len(self.prefix):]
        return f"[{name}](#{name.lower().replace('.', '')})"

    def type_of(self, message, field):
        if field.type not in (Field.TYPE_MESSAGE, Field.TYPE_ENUM):
            name = Field.Type.Name(field.type)[len("TYPE_"):].lower()
            return f"optional {name}" if field.proto3_optional else (
                f"repeated {name}" if field.label == Field.LABEL_REPEATED else name)
        entry = next((n for n in message.nested_type
                      if n.options.map_entry and field.type_name.endswith(f".{message.name}.{n.name}")), None)
        if entry is not None:
            return "map of " + " to ".join(self.type_of(entry, part) for part in entry.field)
        link = self.link(field.type_name)
        return f"repeated {link}" if field.label == Field.LABEL_REPEATED else link

    def add(self, *lines):
        self.lines.extend(lines)

    def add_head(self):
        self.add("# API reference", "",
                 "Generated from the comments of [specula.proto](specula/v1/specula.proto) by `protos/reference.py`; "
                 "change those and run it again.",
                 "What may change and what may not: [COMPATIBILITY.md](COMPATIBILITY.md).", "")
        # What stands above `syntax` is about the whole; its lists and tables are kept as they are.
        comment = textwrap.dedent(self.comments.get((SYNTAX,), ""))
        for paragraph in comment.strip().split("\n\n"):
            title, *rest = paragraph.splitlines()
            if not rest or not rest[0].startswith("  "):
                self.add(paragraph, "")
                continue
            body = textwrap.dedent("\n".join(rest))
            self.add(f"## {title}", "", body if body.startswith("- ") else f"```text\n{body}\n```", "")

    def add_service(self, index, service):
        self.add(f"## Service {self.file.package}.{service.name}", "", self.text(SERVICE, index), "")
        self.add("| method | takes | gives | |", "|---|---|---|---|")
        for i, method in enumerate(service.method):
            gives = ("stream of " if method.server_streaming else "") + self.link(method.output_type)
            self.add(f"| `{method.name}` | {self.link(method.input_type)} | {gives} | "
                     f"{self.text(SERVICE, index, METHOD, i)} |")
        self.add("")

    def add_enum(self, name, enum, *path):
        self.add(f"### {name}", "", self.text(*path), "", "| number | name | |", "|---|---|---|")
        for i, value in enumerate(enum.value):
            self.add(f"| {value.number} | `{value.name}` | {self.text(*path, VALUE, i)} |")
        self.add("")

    def add_message(self, index, message):
        self.add(f"### {message.name}", "", self.text(MESSAGE, index), "")
        if message.field:
            self.add("| number | field | type | |", "|---|---|---|---|")
        for i, field in enumerate(message.field):
            text = self.text(MESSAGE, index, FIELD, i)
            if field.HasField("oneof_index") and not field.proto3_optional:
                oneof = message.oneof_decl[field.oneof_index]
                text = f"One of `{oneof.name}`. {text}"
            self.add(f"| {field.number} | `{field.name}` | {self.type_of(message, field)} | {text} |")
        if message.field:
            self.add("")
        for i, enum in enumerate(message.enum_type):
            self.add_enum(f"{message.name}.{enum.name}", enum, MESSAGE, index, NESTED_ENUM, i)

    def write(self):
        self.add_head()
        for i, service in enumerate(self.file.service):
            self.add_service(i, service)
        self.add("## Messages", "")
        for i, message in enumerate(self.file.message_type):
            self.add_message(i, message)
        self.add("## Enumerations", "")
        for i, enum in enumerate(self.file.enum_type):
            self.add_enum(enum.name, enum, ENUM, i)
        return "\n".join(self.lines).rstrip() + "\n"


if __name__ == "__main__":
    sys.stdout.write(Reference(load()).write())
