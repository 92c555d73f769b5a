#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""check_floors.py must find every kind of violation it promises, and nothing in a clean tree."""

import sys
import tempfile
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "scripts"))
from check_floors import Checker  # noqa: E402  (the path is set in the line above)

SPDX = "// SPDX-License-Identifier: Apache-2.0\n"
HEADER = SPDX + "#pragma once\n"


class CheckFloorsTest(unittest.TestCase):
    def check(self, files):
        """The checker's errors and notes over a tree made of `files`."""
        with tempfile.TemporaryDirectory() as root:
            for name, text in files.items():
                path = Path(root, name)
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text)
            checker = Checker(root)
            checker.run()
            return checker.errors, checker.notes

    def assert_one_error(self, files, part):
        errors, _ = self.check(files)
        self.assertEqual(1, len(errors), errors)
        self.assertIn(part, errors[0])

    def test_clean_tree(self):
        files = {
            "src/base/a.h": HEADER,
            "src/ns/b.h": HEADER + '#include "base/a.h"\n#include <sys/mount.h>\n',
            "src/tools/programs/c.cc": SPDX + '#include "ns/b.h"\n',
        }
        self.assertEqual(([], []), self.check(files))

    def test_include_going_up(self):
        files = {"src/ns/a.h": HEADER, "src/base/b.cc": SPDX + '\n#include "ns/a.h"\n'}
        self.assert_one_error(files, 'src/base/b.cc:3: base (floor 0) includes "ns/a.h" (floor 3)')

    def test_second_level_folders_have_their_own_floor(self):
        files = {
            "src/launch/a.h": HEADER,
            "src/drivers/port/b.cc": SPDX + '#include "launch/a.h"\n',
        }
        self.assert_one_error(files, "drivers/port (floor 4)")

    def test_cycle_inside_a_floor(self):
        files = {
            "src/ns/a.h": HEADER + '#include "relay/b.h"\n',
            "src/relay/b.h": HEADER + '#include "gateway/c.h"\n',
            "src/gateway/c.h": HEADER + '#include "ns/a.h"\n',
        }
        self.assert_one_error(files, "include cycle between folders")

    def test_one_way_inside_a_floor_is_allowed(self):
        files = {"src/ns/a.h": HEADER, "src/relay/b.h": HEADER + '#include "ns/a.h"\n'}
        self.assertEqual([], self.check(files)[0])

    def test_missing_project_header(self):
        self.assert_one_error({"src/base/a.cc": SPDX + '#include "a.h"\n'}, "no header of this project")

    def test_folder_without_a_floor(self):
        self.assert_one_error({"src/misc/a.cc": SPDX}, "not in a folder with a floor")

    def test_pure_folders_make_no_system_calls(self):
        self.assert_one_error({"src/wire/a.cc": SPDX + "#include <unistd.h>\n"}, "makes no system calls")
        files = {"src/sys/a.h": HEADER, "src/model/b.cc": SPDX + '#include "sys/a.h"\n'}
        self.assert_one_error(files, "model makes no system calls")

    def test_headers_that_a_static_program_must_not_use(self):
        self.assert_one_error({"src/sys/a.cc": SPDX + "#include <pwd.h>\n"}, "<pwd.h>")

    def test_header_rules(self):
        self.assert_one_error({"src/base/a.h": SPDX}, "without #pragma once")
        self.assert_one_error({"src/base/a.h": HEADER + "using namespace std;\n"}, "using namespace")

    def test_spdx_line(self):
        self.assert_one_error({"src/base/a.cc": "int a;\n"}, "SPDX")
        self.assert_one_error({"tests/unit/a_test.cc": "int a;\n"}, "SPDX")
        self.assert_one_error({"scripts/tool": "#!/bin/sh\ntrue\n"}, "SPDX")

    def test_file_length(self):
        self.assert_one_error({"src/base/a.cc": SPDX + "\n" * 450}, "451 lines")
        errors, notes = self.check({"src/base/a.cc": SPDX + "\n" * 420})
        self.assertEqual(([], 1), (errors, len(notes)))

    def test_function_length_is_reported(self):
        body = "    work();\n" * 41
        errors, notes = self.check({"src/base/a.cc": SPDX + "void f() {\n" + body + "}\n"})
        self.assertEqual([], errors)
        self.assertEqual(["src/base/a.cc:2: function of 41 lines, the budget is 40"], notes)


if __name__ == "__main__":
    unittest.main()
