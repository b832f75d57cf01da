#!/usr/bin/python3
"""What blocks.py reads of a page, and what commands_test.py finds wrong with a command line."""
import os
import unittest

import blocks
import commands_test

PAGE = """# A page

Say `specula list --all` and `cat x`; in a table `kill \\| x` and `specula ps --sort cpu\\|mem`.

```sh
one
two \\
  three
```

```sh exit=1 endless
four
```

```toml file=~/.config/x.toml
a = 1
```

````text
```sh
not a block
```
````

```
$ specula nothing
```
"""


class BlocksTest(unittest.TestCase):
    def test_blocks_in_order_with_their_marks(self):
        found = blocks.read_blocks("p.md", PAGE)
        self.assertEqual([(b.language, b.line, b.marks) for b in found],
                         [("sh", 6, {}), ("sh", 12, {"exit": "1", "endless": ""}), ("toml", 16, {"file": "~/.config/x.toml"}),
                          ("text", 20, {}), ("", 26, {})])
        self.assertEqual(found[0].text, "one\ntwo \\\n  three\n")
        self.assertEqual(found[3].text, "```sh\nnot a block\n```\n")
        self.assertEqual([b.is_commands for b in found], [True, True, False, False, False])

    def test_odd_marks_and_open_blocks_are_errors(self):
        for text in ("```sh sometimes\nx\n```\n", "```sh runs-in=dreams\nx\n```\n", "```sh runs-in=ci needs=network\nx\n```\n",
                     "```sh needs=luck\nx\n```\n", "```sh exit=\nx\n```\n", "```sh\nx\n", "```\nspecula list\n```\n"):
            with self.assertRaisesRegex(ValueError, r"p\.md:\d"):
                blocks.read_blocks("p.md", text)

    def test_who_runs_a_block(self):
        found = blocks.read_blocks("p.md", "```sh runs-in=ci\na\n```\n```sh\nb\n```\n")
        self.assertEqual([block.runner for block in found], ["ci", ""])
        for script in blocks.RUNNERS.values():
            self.assertTrue(os.access(os.path.join(blocks.ROOT, script), os.X_OK), script)

    def test_commands_in_running_text(self):
        self.assertEqual(list(blocks.inline_commands(PAGE, ("specula",))),
                         [(3, "specula list --all"), (3, "specula ps --sort cpu|mem")])


class FakeHelp(commands_test.Help):
    def __init__(self):
        super().__init__("")
        self.known = {("specula",): ({"exec", "pki"}, {"--hosts", "--json"}),
                      ("specula", "exec"): (set(), {"--hosts", "--json", "--width"}),
                      ("specula", "pki"): ({"init"}, {"--hosts", "--json"}),
                      ("specula", "pki", "init"): (set(), {"--days"})}


class ComplaintTest(unittest.TestCase):
    def test_what_is_known_is_well(self):
        for line in ("specula exec vm1 --width=3 -- ls --colour", "specula --hosts exec exec -- x", "specula pki init ca --days 3"):
            self.assertEqual(FakeHelp().complaint(line.split()), "", line)

    def test_what_is_not_known_is_told(self):
        self.assertIn("has no option --wide", FakeHelp().complaint("specula exec --wide 3 -- x".split()))
        self.assertIn("has no command pkj", FakeHelp().complaint("specula pkj init".split()))
        self.assertIn("has no command make", FakeHelp().complaint("specula pki make".split()))

    def test_lines_that_ci_runs(self):
        script = "# make no\nmake a >log 2>&1 || { tail log; exit 1; }\n  X=1 Y='' make b\nmake c && make d || exit 1\nmake e | sort\n"
        self.assertEqual(list(commands_test.lines_of_ci(script)), ["make a", "make b", "make c && make d", "make e | sort"])
        self.assertEqual(list(commands_test.printed_lines("make a   # one\n# make no\n\nmake \\\n  b\n")), ["make a", "make b"])

    def test_our_command_lines_in_a_script(self):
        script = "cd x && specula list | head  # specula no\nspecula exec \\\n  -- a 'b c'\nls\n"
        self.assertEqual(list(commands_test.our_lines(script)),
                         [["specula", "list"], ["specula", "exec", "--", "a", "b c"]])


if __name__ == "__main__":
    unittest.main()
