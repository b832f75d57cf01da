#!/usr/bin/python3
"""The man pages have every command and option that --help has, and man and mandoc read them without
a word; every command's --help shows an example.

  manual_test.py DIRECTORY-OF-THE-PROGRAMS DIRECTORY-OF-THE-PAGES
"""
import os
import re
import shutil
import subprocess
import sys

PAGES = {"specula": 1, "specula-agent": 8, "specula-shim": 8}
SECTIONS = ["NAME", "SYNOPSIS", "DESCRIPTION", "OPTIONS", "EXAMPLES", "EXIT STATUS", "ENVIRONMENT", "FILES", "SEE ALSO"]
failures = []


def fail(text):
    failures.append(text)


def help_of(program, words):
    return subprocess.run([program, *words, "--help"], capture_output=True, text=True, check=True).stdout


def tree(program, words=()):
    """Yields (words, help) of a program and of all commands below it."""
    text = help_of(program, words)
    yield words, text
    listed = re.search(r"^Subcommands:\n((?:  .*\n)+)", text, re.M)
    for line in (listed.group(1).splitlines() if listed else []):
        if re.match(r"  \S", line):
            yield from tree(program, (*words, line.split()[0]))


def options_in(text):
    """The long and short names of options in a --help."""
    for line in text.splitlines():
        if match := re.match(r"  (-[\w-]+(?:,-[\w-]+)*)(?:\s|$)", line):
            yield from match.group(1).split(",")


def shown(page):
    """The page as a reader sees it."""
    return subprocess.run(["mandoc", "-Tutf8", "-O", "width=200", page], capture_output=True, text=True, check=True,
                          env={**os.environ, "LC_ALL": "C.UTF-8"}).stdout


def plain(text):
    return re.sub(r".\x08", "", text)


def check_page(program, name, page):
    text = plain(shown(page))
    for section in SECTIONS:
        if not re.search(rf"^{section}$", text, re.M):
            fail(f"{page}: no section {section}")
    commands = 0
    for words, help_text in tree(program):
        full = " ".join((name, *words))
        commands += 1
        if words and full not in text:
            fail(f"{page}: nothing of '{full}'")
        # What is said of it: from its heading to the next.
        part = text
        if words:
            start = re.search(rf"^   {re.escape(full)}$", text, re.M)
            if start is None:
                fail(f"{page}: no heading '{full}'")
                continue
            rest = text[start.end():]
            end = re.search(r"^ {0,3}\S", rest, re.M)
            part = rest[:end.start()] if end else rest
        for option in options_in(help_text):
            if words and option in ("-h", "--help"):
                continue
            if not re.search(rf"(?<![\w-]){re.escape(option)}(?![\w-])", part):
                fail(f"{page}: '{full}' without {option}")
        if "Subcommands:" not in help_text and not re.search(r"^Examples?: \S", help_text, re.M):
            fail(f"{full} --help: no example")
        for variable in re.findall(r"\(Env:(\w+)\)", help_text):
            if not re.search(rf"^\s+{variable}\b", text[text.index("\nENVIRONMENT\n"):], re.M):
                fail(f"{page}: nothing of {variable}")
    print(f"{page}: {commands} commands")


def check_readers(page):
    lint = subprocess.run(["mandoc", "-Tlint", "-W", "warning", page], capture_output=True, text=True)
    if lint.returncode or lint.stdout:
        fail(f"mandoc -Tlint {page}:\n{lint.stdout}")
    env = {**os.environ, "LC_ALL": "C.UTF-8", "MANWIDTH": "80", "MANROFFSEQ": ""}
    man = subprocess.run(["man", "--warnings", "-E", "UTF-8", "-l", "-Tutf8", "-Z", page], capture_output=True, env=env)
    if man.returncode or man.stderr:
        fail(f"man --warnings {page}:\n{man.stderr.decode()}")


def main():
    programs, pages = sys.argv[1:]
    for tool in ("mandoc", "man", "groff"):
        if shutil.which(tool) is None:
            print(f"skipped: there is no {tool}")
            return 77
    for name, section in PAGES.items():
        page = os.path.join(pages, f"{name}.{section}")
        check_page(os.path.join(programs, name), name, page)
        check_readers(page)
    for failure in failures:
        print("FAIL:", failure, file=sys.stderr)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
