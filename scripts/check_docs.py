#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Documents must not promise what is not there.

  * A link to a file of this repository leads to one.
  * A test that a document names exists: `tests/integration/test_x.py::test_y` and
    `tests/unit/x_test.cc::Suite.Name`; a shorter name in the tests column of docs/COMPAT.md (`test_x::test_y`
    or `x_test::Suite.Name`) is meant the same way.
  * With the path of a program: each flag of its --help is in the manual, and the other way round.

Usage: check_docs.py [PROGRAM]
"""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LINK = re.compile(r"\]\(([^)#\s]+)(?:#[^)]*)?\)")
PYTHON_TEST = re.compile(r"`(?:tests/integration/)?(test_\w+)(?:\.py)?::([\w:]+)`")
UNIT_TEST = re.compile(r"`(?:tests/unit/)?(\w+_test)(?:\.cc)?::(\w+)\.(\w+)`")
HELP_FLAG = re.compile(r"^\s+(--[a-z0-9-]+)", re.MULTILINE)
MANUAL_FLAG = re.compile(r"^\.It Fl (-[a-z0-9-]+)", re.MULTILINE)


def documents():
    for path in sorted(ROOT.rglob("*.md")):
        if "build" not in path.relative_to(ROOT).parts:
            yield path


def broken_links(path, text):
    for match in LINK.finditer(text):
        target = match.group(1)
        if "://" not in target and not target.startswith("mailto:") and not (path.parent / target).exists():
            yield f"link to {target}, which does not exist"


def missing_tests(text):
    for match in PYTHON_TEST.finditer(text):
        source = ROOT / "tests/integration" / (match.group(1) + ".py")
        name = match.group(2).split("::")[-1]
        if not source.is_file() or not re.search(rf"\b(def|class) {name}\b", source.read_text()):
            yield f"test {match.group(0)} does not exist"
    for match in UNIT_TEST.finditer(text):
        source = ROOT / "tests/unit" / (match.group(1) + ".cc")
        case = rf"TEST(_[FP])?\({match.group(2)}, {match.group(3)}\)"
        if not source.is_file() or not re.search(case, source.read_text()):
            yield f"test {match.group(0)} does not exist"


def flags_not_in_both(program):
    manual = (ROOT / "man" / (Path(program).name + ".1")).read_text()
    in_manual = {"-" + flag for flag in MANUAL_FLAG.findall(manual)}
    shown = subprocess.run([program, "--help"], check=True, capture_output=True, text=True).stdout
    in_help = set(HELP_FLAG.findall(shown))
    for flag in sorted(in_help - in_manual):
        yield f"{flag} is in --help, but not in the manual"
    for flag in sorted(in_manual - in_help):
        yield f"{flag} is in the manual, but not in --help"


def main(programs):
    errors = []
    for path in documents():
        text = path.read_text()
        for error in [*broken_links(path, text), *missing_tests(text)]:
            errors.append(f"{path.relative_to(ROOT)}: {error}")
    for program in programs:
        errors.extend(f"{program}: {error}" for error in flags_not_in_both(program))
    print("\n".join(errors) or "documents: no errors")
    return 1 if errors else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
