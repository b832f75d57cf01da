#!/usr/bin/python3
"""Every command that README and docs print runs as printed.

  commands_test.py DIRECTORY-OF-THE-PROGRAMS [PAGE…]

The fenced shell blocks of the pages are run in order, each page on a machine of its own (sandbox.py), with
real agents; a block that is not marked (blocks.py) and fails makes the test fail. What cannot be run here is
counted by who runs it or what it needs, must be good bash, and its specula commands must know their options; so
must those in running text. Exit code 77: no such machine can be made here.
"""
import collections
import os
import re
import shlex
import subprocess
import sys

import blocks
import sandbox

ROOT = blocks.ROOT
PROGRAMS = ("specula", "specula-agent", "specula-shim")
# Pages whose commands begin with nothing there; on the others a fleet answers.
WITHOUT_FLEET = {"docs/by-hand.md"}


# Of the lines that pages give to .ci/run, those that it does not run, and why.
NOT_IN_CI = {
    ".ci/run": "that is it",
    "tests/bench/run.sh": "measures, and wants a machine for itself for that",
}


class Help:
    """What commands and options the programs know."""

    def __init__(self, programs):
        self.programs = programs
        self.known, self.texts = {}, {}

    def of(self, words):
        """(commands, options) of a command; options of those above it are its own too."""
        if words not in self.known:
            text = subprocess.run([os.path.join(self.programs, words[0]), *words[1:], "--help"],
                                  capture_output=True, text=True).stdout
            self.texts[words] = text
            part = re.search(r"^Subcommands:\n((?:  .*\n)+)", text, re.M)
            commands = set(re.findall(r"^  (\w[\w-]*)", part.group(1), re.M)) if part else set()
            options = {name for names in re.findall(r"^  (-\S+)", text, re.M) for name in names.split(",")}
            if len(words) > 1:
                options |= self.of(words[:-1])[1]
            self.known[words] = (commands, options)
        return self.known[words]

    def complaint(self, words):
        """What a command line of ours says that the program does not know; '' if nothing."""
        path = (words[0],)
        for before, word in zip(words, words[1:]):
            commands, options = self.of(path)
            if word == "--":
                break
            if word.startswith("-") and word != "-":
                name = word.split("=")[0].rstrip("],…")
                if name not in options and not re.fullmatch(r"-[a-z]\d+", name):
                    return f"{' '.join(path)} has no option {name}"
            elif before.startswith("-"):
                continue  # its value, or else it would not be understood as a command either
            elif word in commands:
                path = (*path, word)
            elif commands and re.fullmatch(r"[a-z][a-z-]*", word):
                return f"{' '.join(path)} has no command {word}"
        return ""

    def examples(self, path):
        """(command, command line) of the examples in a --help and in those below it."""
        commands, _ = self.of(path)
        part = re.search(r"^Examples?: (.*(?:\n {9,}.*)*)", self.texts[path], re.M)
        for line in (part.group(1).splitlines() if part else []):
            yield " ".join(path), line.strip()
        for command in sorted(commands):
            yield from self.examples((*path, command))


def our_lines(text):
    """The command lines of a script that call one of our programs, as words."""
    for line in text.replace("\\\n", " ").splitlines():
        for part in re.split(r"\s(?:\||&&|;)\s", re.sub(r"(^|\s)#.*", "", line)):
            try:
                words = shlex.split(part)
            except ValueError:
                continue
            if words and words[0] in PROGRAMS:
                yield words


def printed_lines(text):
    """The command lines of a block, without what is said of them."""
    for line in text.replace("\\\n", " ").splitlines():
        if line := " ".join(re.sub(r"(^|\s)#.*", "", line).split()):
            yield line


def lines_of_ci(text):
    """What .ci/run does line by line, but for variables before it, where the output goes and what is done if it fails."""
    for line in printed_lines(text):
        yield re.sub(r"( \d?>>?\S+| \|\| .*)+$", "", re.sub(r"^([A-Z_]+=\S* )+", "", line))


class Test:
    def __init__(self, programs):
        self.programs = programs
        self.help = Help(programs)
        self.failures, self.counts = [], collections.Counter()

    def fail(self, where, text):
        self.failures.append(f"{where}: {text}")

    def look_at(self, block):
        """What can be said of commands that are not run."""
        checked = subprocess.run(["bash", "-n"], input=block.text, capture_output=True, text=True)
        if checked.returncode != 0:
            self.fail(block.where, checked.stderr)
        for words in our_lines(block.text):
            if complaint := self.help.complaint(words):
                self.fail(block.where, complaint)
        for path in re.findall(r"(?:^|\s)((?:deploy|tests|clients|docs)/[\w./-]+)", block.text):
            if not os.path.exists(os.path.join(ROOT, path)):
                self.fail(block.where, f"there is no {path}")

    def run_block(self, machine, block):
        if "serves" in block.marks:
            said = machine.serve(block.text)
        elif "endless" in block.marks:
            said = machine.go_on(block.text)
        else:
            code, output = machine.run(block.text)
            wanted = int(block.marks.get("exit", 0))
            said = "" if code == wanted else f"exit code {code}, not {wanted}\n{output}"
        if said:
            self.fail(block.where, f"{said}\n--- it was\n{block.text}")

    def run_page(self, page):
        with open(os.path.join(ROOT, page)) as file:
            text = file.read()
        found = blocks.read_blocks(page, text)
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", text):
            self.counts["links, looked at"] += 1
            if not os.path.exists(os.path.join(ROOT, os.path.dirname(page), target)):
                self.fail(page, f"a link to {target}, which is not there")
        for line, command in blocks.inline_commands(text, PROGRAMS):
            self.counts["commands in running text, looked at"] += 1
            words = [word.strip("[]") for word in command.split()]
            if complaint := self.help.complaint(words):
                self.fail(f"{page}:{line}", complaint)
        if not any(self.is_ours(block, found) for block in found):
            for block in found:
                self.count_and_look(block, found)
            return
        machine = sandbox.Page(re.sub(r"\W", "_", page), self.programs)
        try:
            if page not in WITHOUT_FLEET:
                machine.add_fleet()
            for block in found:
                if "file" in block.marks:
                    machine.write(block.marks["file"], block.text)
                elif self.is_ours(block, found):
                    self.counts["blocks run"] += 1
                    self.run_block(machine, block)
                else:
                    self.count_and_look(block, found)
        finally:
            machine.close()

    def look_at_examples(self):
        for program in PROGRAMS:
            for command, line in self.help.examples((program,)):
                self.counts["examples of --help, looked at"] += 1
                for words in our_lines(line):
                    if complaint := self.help.complaint(words):
                        self.fail(f"{command} --help: {line}", complaint)

    def is_ours(self, block, page):
        """Whether it is run here: a page with blocks for real hosts is run there as a whole."""
        return block.is_commands and "needs" not in block.marks and not block.runner and not runs_on_hosts(page)

    def count_and_look(self, block, page):
        if not block.is_commands:
            return
        if "needs" in block.marks:
            self.counts[f"blocks that take {block.marks['needs']}, looked at"] += 1
        elif block.runner == "ci":
            self.counts[f"blocks of lines of {blocks.RUNNERS['ci']}"] += 1
            self.look_into_ci(block)
        else:
            self.counts[f"blocks run by {blocks.RUNNERS[block.runner or 'hosts']}"] += 1
        self.look_at(block)

    def look_into_ci(self, block):
        with open(os.path.join(ROOT, blocks.RUNNERS["ci"])) as file:
            run = set(lines_of_ci(file.read()))
        for line in printed_lines(block.text):
            if line not in run and line not in NOT_IN_CI:
                self.fail(block.where, f"{blocks.RUNNERS['ci']} has no line '{line}'")


def runs_on_hosts(page):
    return any(block.runner == "hosts" for block in page)


def inside(programs, names):
    try:
        sandbox.isolate([ROOT + "/", programs + "/"])
    except (OSError, subprocess.CalledProcessError) as error:
        print(f"skipped: no sandbox can be made here: {error}")
        return 77
    test = Test(programs)
    for page in names or blocks.pages():
        test.run_page(page)
    if not names:
        test.look_at_examples()
    for what, count in sorted(test.counts.items()):
        print(f"{count:4} {what}")
    for failure in test.failures:
        print("FAIL:", failure, file=sys.stderr)
    return 1 if test.failures else 0


def main():
    if sys.argv[1] == "--inside":
        return inside(sys.argv[2], sys.argv[3:])
    programs = os.path.abspath(sys.argv[1])
    own = ["unshare", "--mount", "--net", "--pid", "--fork", "--kill-child", "--mount-proc"]
    if os.geteuid() != 0:
        own += ["--user", "--map-root-user"]
    if subprocess.run([*own, "true"], capture_output=True).returncode != 0:
        print("skipped: no namespaces can be made here")
        return 77
    return subprocess.run([*own, sys.executable, os.path.abspath(__file__), "--inside", programs, *sys.argv[2:]]).returncode


if __name__ == "__main__":
    sys.exit(main())
