#!/usr/bin/python3
"""Looks for calls that may wait in what the agent's two loops reach: each must stand in blocking_calls.txt with the reason why it
cannot hold up a loop, and nothing must stand there that is gone.

Reads the sources by their braces, without a compiler. Not seen: close(), which hides in destructors, and what a library does.
"""
import fnmatch
import os
import re
import sys
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
LIST = os.path.join(HERE, "blocking_calls.txt")

# Folders whose calls are listed, below the root.
ROOMS = ("agent/border", "agent/broker", "agent/front", "agent/metrics", "agent/proc", "agent/tail")

# System calls, and functions that make them, that may wait for a disk, a server, a process or a thread.
CALLS = """
    accept accept4 access chdir chmod chown chroot clone closedir connect copy_file_range creat execl execv execve faccessat fallocate
    fchdir fchmod fchown fdatasync flock fopen fork fstat fstatat fstatfs fstatvfs fsync ftruncate getaddrinfo getgrnam getpwnam
    getpwuid getrandom getxattr inotify_add_watch ioctl link linkat lstat mkdir mkdirat mknod mkfifo mmap mount nanosleep open open_tree
    openat opendir poll popen ppoll pread preadv pselect pwrite pwritev read readdir readlink readlinkat readv realpath recv recvfrom
    recvmsg rename renameat renameat2 rmdir select send sendfile sendmsg sendto setns setxattr sigwait sleep splice stat statfs statvfs
    statx symlink sync syscall system truncate umount unlink unlinkat usleep utimensat wait wait4 waitid waitpid write writev
    epoll_wait eventfd_read eventfd_write posix_spawn CloneChild Clone3 RawSyscall
    ReadAll ReadFile ReadSecretFile ReadBootId WriteFileAtomically SleepFor NotifyServiceManager
""".split()
CALL = re.compile(r"(?<![\w.>:])(?:::)?(?:absl::)?(%s)\s*\(" % "|".join(CALLS))
# Methods that wait for other threads, and the standard library's files.
METHOD = re.compile(r"(?:\.|->)(join|Await\w*|WaitFor\w*|Wait|wait|wait_for|wait_until)\s*\(|std::(filesystem|[io]?fstream)\b")

NOISE = re.compile(r'//[^\n]*|/\*.*?\*/|R"\((?:.*?)\)"|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])\'', re.S)
DIRECTIVE = re.compile(r"^[ \t]*#(?:[^\n]*\\\n)*[^\n]*", re.M)
NAME = re.compile(r"([\w:~]+)\s*\(")
SCOPE = re.compile(r"\b(namespace|class|struct|union|extern)\b")


def calls_of(text):
    """The calls in a source file, as {(function, call)}; a function is named as in its definition."""
    text = DIRECTIVE.sub("", NOISE.sub('""', text))
    text = re.sub(r"__attribute__\s*\(\(.*?\)\)|\balignas\([^)]*\)", "", text, flags=re.S)
    found = set()
    scopes = []  # of each open brace: "" is a namespace or class, else a function's name
    begin = 0  # of what the next brace may belong to
    # Invariant: text before `place` is read, and `scopes` are the braces open there.
    for place, char in enumerate(text):
        inside = scopes and scopes[-1]
        if char == "{":
            head = text[begin:place]
            if inside:
                name = inside
            elif "(" in head and not re.search(r"=\s*$", head):
                match = NAME.search(head)
                name = match.group(1) if match else "?"
                start = begin + (match.end() if match else 0)
            else:
                name = "" if SCOPE.search(head) else "?"
                start = place
            scopes.append(name)
            begin = place + 1
        elif char == "}":
            name = scopes.pop() if scopes else ""
            if name and not (scopes and scopes[-1]):
                for match in list(CALL.finditer(text, start, place)) + list(METHOD.finditer(text, start, place)):
                    found.add((name, next(group for group in match.groups() if group)))
            begin = place + 1
        elif char == ";" and not inside:
            begin = place + 1
    return found


def calls_below(room, root=ROOT):
    found = set()
    for folder, _, names in os.walk(os.path.join(root, room)):
        for name in names:
            if name.endswith((".cc", ".h")):
                path = os.path.join(folder, name)
                with open(path, encoding="utf-8") as file:
                    found |= {(os.path.relpath(path, root), *call) for call in calls_of(file.read())}
    return found


def read_list(text):
    """The entries, {(file, function, call): reason}, of lines `FILE FUNCTION CALL...: REASON`; # begins a comment."""
    entries = {}
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        left, colon, reason = line.partition(": ")
        words = left.split()
        if not colon or len(words) < 3 or not reason.strip():
            raise ValueError(f"blocking_calls.txt:{number}: not FILE FUNCTION CALL...: REASON")
        for call in words[2:]:
            entry = (words[0], words[1], call)
            if entry in entries:
                raise ValueError(f"blocking_calls.txt:{number}: {' '.join(entry)} stands there twice")
            entries[entry] = reason.strip()
    return entries


def covers(entry, call):
    """Whether an entry of the list, in which * stands for anything, is of this call."""
    return all(fnmatch.fnmatchcase(word, pattern) for word, pattern in zip(call, entry))


class BlockingCallsTest(unittest.TestCase):
    maxDiff = None

    def test_every_call_says_why_it_cannot_hold_up_a_loop(self):
        with open(LIST, encoding="utf-8") as file:
            listed = set(read_list(file.read()))
        found = set().union(*(calls_below(room) for room in ROOMS))
        lines = [f"not listed: {' '.join(call)}" for call in sorted(found) if not any(covers(e, call) for e in listed)]
        lines += [f"listed, and gone: {' '.join(e)}" for e in sorted(listed) if not any(covers(e, call) for call in found)]
        self.assertEqual(lines, [], "see the head of tests/agent/blocking_calls.txt")

    def test_calls_are_found_where_they_are(self):
        source = """
            #define X open(
            namespace a {
            // open("x")
            int Plain(int read) { return other.read(1) + Reopen(2) + absl::read_all(3); }
            absl::Status Thing::Do(std::string path) const {
              auto f = [&] { return ::open(path.c_str(), 0); };
              if (x) { stat(path); }
              const char* text = "unlink(";
            }
            class Inner {
              int Method() { thread_.join(); return fd_; }
              int field_ = 0;
            };
            constexpr int kTable[] = {1, 2};
            Thing::Thing() : text_(ReadFile("/etc/x")) {}
            }
        """
        self.assertEqual(calls_of(source), {("Thing::Do", "open"), ("Thing::Do", "stat"), ("Method", "join"),
                                            ("Thing::Thing", "ReadFile")})

    def test_list_is_read(self):
        self.assertEqual(read_list("# a comment\na.cc F open stat: why: so\n"),
                         {("a.cc", "F", "open"): "why: so", ("a.cc", "F", "stat"): "why: so"})
        for text in ("a.cc F open", "a.cc F: why", "a.cc F open: x\na.cc F open: y"):
            with self.assertRaises(ValueError):
                read_list(text)


if __name__ == "__main__":
    sys.exit(unittest.main())
