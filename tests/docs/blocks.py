#!/usr/bin/python3
"""The fenced blocks of a Markdown page, and what their info strings say to the test of commands.

  ```sh                  run as printed; must end with exit code 0
  ```sh exit=1           with that code
  ```sh serves           a server: must say "listening"; it is ended with the page
  ```sh endless          goes on for ever: must still run after two seconds, Ctrl-C ends it
  ```sh runs-in=TEST     run as printed by another test, which has what it takes; RUNNERS has them all
  ```sh needs=WHAT       cannot be run on a machine of tests, because it takes WHAT; it is looked at only
  ```toml file=PATH      what the reader is to put there; the following commands find it

  blocks.py RUNNER DIRECTORY

puts the blocks of all pages that this runner has to run into files there: PAGE.1.sh, PAGE.2.sh, …
"""
import os
import re
import subprocess
import sys
from dataclasses import dataclass, field

ROOT = os.path.abspath(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", ".."))
WORDS = {"serves", "endless"}
KEYS = {"exit", "needs", "file", "runs-in"}
NEEDS = {"network"}
RUNNERS = {
    "ci": ".ci/run",  # its lines are there, word for word
    "cluster": "tests/deploy/cluster_test.sh",
    "container": "tests/deploy/container_test.sh",
    "hosts": "tests/docs/hosts_test.py",  # and with them all blocks of the page that have no mark
    "package": "tests/deploy/package_test.sh",
}
# What a block of another kind may not begin a line with: it would be commands that nobody looks at.
COMMAND = re.compile(r"^(specula(-agent|-shim)?|cmake|kubectl|helm|podman|docker|pip|dpkg|apt-get|systemctl|deploy/\S+|tests/\S+) \S", re.M)
SHELLS = {"sh", "bash", "console", "shell"}


@dataclass
class Block:
    page: str
    line: int  # of its first line
    language: str
    text: str
    marks: dict = field(default_factory=dict)

    @property
    def where(self):
        return f"{self.page}:{self.line}"

    @property
    def is_commands(self):
        return self.language in SHELLS

    @property
    def runner(self):
        """Which of RUNNERS; '' if it is a block as any other."""
        return self.marks.get("runs-in", "")


def read_marks(page, line, words):
    marks = {}
    for word in words:
        key, equals, value = word.partition("=")
        if (not equals and key in WORDS) or (equals and key in KEYS and value):
            marks[key] = value
        else:
            raise ValueError(f"{page}:{line}: '{word}' is no mark of a block; see tests/docs/blocks.py")
    if "needs" in marks and marks["needs"] not in NEEDS:
        raise ValueError(f"{page}:{line}: needs={marks['needs']}; known are {', '.join(sorted(NEEDS))}")
    if "runs-in" in marks and (marks["runs-in"] not in RUNNERS or "needs" in marks):
        raise ValueError(f"{page}:{line}: runs-in={marks['runs-in']}; known are {', '.join(sorted(RUNNERS))}, and no needs= beside it")
    return marks


def pages():
    listed = subprocess.run(["git", "-C", ROOT, "ls-files", "-co", "--exclude-standard", "*.md"], capture_output=True, text=True)
    found = listed.stdout.split() or [os.path.relpath(os.path.join(place, name), ROOT)
                                      for place, _, names in os.walk(ROOT) for name in names if name.endswith(".md")]
    return sorted(page for page in found if not page.startswith(("build/", "tests/")) and "node_modules" not in page)


def blocks_of(page):
    with open(os.path.join(ROOT, page)) as file:
        return read_blocks(page, file.read())


def read_blocks(page, text):
    """The blocks of a page, in order. ValueError for one that does not end or is marked oddly."""
    blocks, open_block, fence = [], None, ""
    for number, line in enumerate(text.splitlines(), 1):
        match = re.match(r"^\s*(`{3,})\s*(.*)$", line)
        if open_block is None and match:
            fence = match.group(1)
            language, *words = match.group(2).split() or [""]
            open_block = Block(page, number + 1, language, "")
            # Other languages may say what they like.
            if open_block.is_commands or language == "toml":
                open_block.marks = read_marks(page, number, words)
        elif open_block is not None and match and match.group(1) == fence and not match.group(2):
            blocks.append(open_block)
            open_block = None
        elif open_block is not None:
            open_block.text += line + "\n"
    if open_block is not None:
        raise ValueError(f"{page}:{open_block.line}: the block does not end")
    for block in blocks:
        if not block.language and (match := COMMAND.search(block.text)):
            raise ValueError(f"{block.where}: '{match.group(0)}…' looks like a command; say sh behind the fence")
    return blocks


def inline_commands(text, programs):
    """(line, command) of `specula …` in running text and tables."""
    fenced = False
    for number, line in enumerate(text.splitlines(), 1):
        if re.match(r"^\s*```", line):
            fenced = not fenced
        if not fenced:
            for code in re.findall(r"`([^`]+)`", line):
                if code.split()[0] in programs and len(code.split()) > 1:
                    yield number, code.replace("\\|", "|")


def main():
    runner, directory = sys.argv[1:]
    if runner not in RUNNERS:
        sys.exit(f"blocks.py: nobody is called {runner}")
    for page in pages():
        name = os.path.splitext(os.path.basename(page))[0]
        own = [block for block in blocks_of(page) if block.runner == runner]
        for number, block in enumerate(own, 1):
            with open(os.path.join(directory, f"{name}.{number}.sh"), "x") as file:
                file.write(block.text)


if __name__ == "__main__":
    main()
