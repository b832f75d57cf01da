#!/usr/bin/python3
"""docs/operating.md names every setting, variable and file that the programs know.

  settings.py DIRECTORY-OF-THE-PROGRAMS [--write]

The tables of settings between the marks are made from --help: with --write they are put there, else
they are compared. The variables that the sources read and the files of the man pages must be named.
"""
import difflib
import os
import re
import subprocess
import sys

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
PAGE = os.path.join(ROOT, "docs", "operating.md")
NO_SETTING = {"help", "version", "config", "check-config"}
MARKED = re.compile(r"(<!-- settings of ([\w-]+), from its --help by tests/docs/settings.py -->\n)(.*?)(<!-- end -->)", re.S)


def help_of(program):
    return subprocess.run([program, "--help"], capture_output=True, text=True, check=True).stdout


def settings(program):
    """(key, value, default, range, variable, what) of each setting."""
    text = help_of(program)
    text = text[text.index("\nOptions:\n"):].split("\nSubcommands:")[0].split("\n\n")[0]
    for entry in re.split(r"\n(?=  -)", text)[1:]:
        # What it is begins at column 30, on this line or the next.
        first, _, rest = entry.partition("\n")
        head, what = first, rest
        if not rest.strip() or len(re.split(r"\s{2,}", first.strip())) > 1:
            head, what = first[:30], first[30:] + " " + rest
        if not what.strip():
            head, what = re.split(r"\s{2,}", first.strip(), maxsplit=1)
        names, _, form = head.strip().partition(" ")
        name = next((word[2:] for word in names.split(",") if word.startswith("--")), "")
        if not name or name in NO_SETTING:
            continue
        variable = re.search(r" ?\(Env:(\w+)\)", form)
        form = re.sub(r" ?\(Env:\w+\)", "", form)
        bounds = re.search(r" ?\(([^)]*)\)", form)
        form = re.sub(r" ?\([^)]*\)", "", form)
        value, _, default = form.partition("=")
        several = value.endswith("...") or default.endswith("...")
        value, default = value.removesuffix(" ..."), default.removesuffix(" ...")
        value = value.strip() or "true|false"
        yield (name, value + (" (list)" if several else ""), default, bounds.group(1) if bounds else "",
               variable.group(1) if variable else "", " ".join(what.split()))


def cell(text):
    return text.replace("|", "\\|")


def table(program):
    lines = ["| key | value | default | variable | what |", "|---|---|---|---|---|"]
    # The state directory's default is another where the program does not run as root.
    state = os.path.expanduser("~/.local/state/specula/agent")
    for name, value, default, bounds, variable, what in settings(program):
        value = {"TEXT": "text"}.get(value, value.replace("TEXT", "text"))
        default = "/var/lib/specula" if default == state else default
        lines.append(f"| `{name}` | {cell(value)}{', ' + bounds if bounds else ''} | {'`' + cell(default) + '`' if default else ''} "
                     f"| {'`' + variable + '`' if variable else ''} | {cell(what)} |")
    return "\n".join(lines) + "\n"


def variables_read():
    """What the sources ask the environment for by name."""
    read = set()
    for folder in ("agent", "ctl", "shim", "lib", "clients/cpp"):
        for place, _, names in os.walk(os.path.join(ROOT, folder)):
            for name in names:
                if name.endswith(".cc"):
                    text = open(os.path.join(place, name)).read()
                    read |= set(re.findall(r'(?:getenv|UserFile|TakeFromEnvironment)\(\s*"([A-Z_]+)"', text))
    return read


def files_of(program):
    page = subprocess.run([program, "__man"], capture_output=True, text=True, check=True).stdout
    part = page[page.index(".SH FILES"):page.index(".SH SEE ALSO")].replace("\\(ti", "~").replace("\\-", "-")
    return [name for term in re.findall(r"^\.TP\n\\fB(.*)\\fR$", part, re.M) for name in term.split(", ")]


def main():
    programs = sys.argv[1]
    text = open(PAGE).read()
    made = MARKED.sub(lambda match: match.group(1) + table(os.path.join(programs, match.group(2))) + match.group(4), text)
    if sys.argv[2:] == ["--write"]:
        open(PAGE, "w").write(made)
    elif made != text:
        sys.stdout.writelines(difflib.unified_diff(text.splitlines(True), made.splitlines(True), "docs/operating.md", "--help"))
        print("FAIL: the tables are older than the options; tests/docs/settings.py PROGRAMS --write", file=sys.stderr)
        return 1
    failures = [f"no table of the settings of {name}" for name in ("specula-agent", "specula-shim", "specula")
                if name not in [match.group(2) for match in MARKED.finditer(text)]]
    failures += [f"nothing of the variable {name}" for name in sorted(variables_read()) if f"`{name}`" not in text]
    for name in ("specula-agent", "specula-shim", "specula"):
        failures += [f"nothing of the file {path} ({name})" for path in files_of(os.path.join(programs, name))
                     if f"`{path}" not in text]
    for failure in failures:
        print("FAIL: docs/operating.md:", failure, file=sys.stderr)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
