#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Holds the source tree to the architecture: docs/ARCHITECTURE.md, "Floors".

Fails (exit 1) on
  * an include that goes up a floor, or of a project header that does not exist;
  * an include cycle between folders of one floor;
  * a system call header, or a header of sys/, in model/ or wire/;
  * a header that a statically linked program must not use (NSS, iostream, locale, dlopen);
  * a header without `#pragma once` or with `using namespace`;
  * a source file without its SPDX line, or of more than 450 lines.
Reports, without failing, files, headers and functions past their budget.

Usage: check_floors.py [ROOT]     ROOT is the repository, by default the one this script is in.
"""

import os
import re
import sys
from pathlib import Path

FLOORS = {
    "base": 0,
    "sys": 1,
    "model": 1,
    "loop": 2,
    "wire": 2,
    "ns": 3,
    "relay": 3,
    "gateway": 3,
    "drivers/network": 4,
    "drivers/port": 4,
    "api": 4,
    "doctor": 4,
    "launch": 5,
    "tools": 6,
}

# Folders that are pure: they turn bytes into values and back, and can be fuzzed without a kernel.
PURE = {"model", "wire"}
SYSTEM_CALL_HEADERS = {
    "dirent.h", "fcntl.h", "poll.h", "sched.h", "signal.h", "unistd.h", "csignal", "filesystem",
    "fstream", "thread", "sys/epoll.h", "sys/file.h", "sys/ioctl.h", "sys/mount.h", "sys/prctl.h",
    "sys/stat.h", "sys/syscall.h", "sys/wait.h",
}
# Each would pull NSS, locales or a dynamic loader into a static program.
FORBIDDEN_HEADERS = {"dlfcn.h", "grp.h", "iostream", "locale", "netdb.h", "pwd.h", "regex"}

FILE_LIMIT, FILE_BUDGET, HEADER_BUDGET, FUNCTION_BUDGET = 450, 400, 150, 40

INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]', re.MULTILINE)
BLOCK_START = re.compile(r"^( *)\S.*\{$")
NOT_A_FUNCTION = re.compile(
    r"^\s*(namespace|extern|class|struct|enum|union|if|for|while|switch|do|else|case|default)\b"
    r"|^\s*\}|^\s*(?:static |inline )*const(?:expr)? [^()]* = "
)
SKIPPED_FOLDERS = {"build", ".git", "__pycache__", ".pytest_cache"}


def folder_of(path):
    """The folder in FLOORS that a path below src/ belongs to, or None."""
    parts = path.split("/")[:-1]
    for length in (2, 1):
        name = "/".join(parts[:length])
        if len(parts) >= length and name in FLOORS:
            return name
    return None


class Checker:
    def __init__(self, root):
        self.root = Path(root)
        self.errors = []
        self.notes = []
        self.edges = {}  # folder -> {folder of the same floor: "file:line"}

    def run(self):
        src = self.root / "src"
        for path in sorted(src.rglob("*")):
            if path.suffix in (".cc", ".h"):
                self.check_source(path, path.relative_to(src).as_posix())
        self.check_cycles()
        for path in self.other_sources():
            self.check_spdx(path, path.read_text(errors="replace"))
            self.check_length(path, path.read_text(errors="replace"))

    def error(self, path, line, text):
        self.errors.append(f"{path.relative_to(self.root)}:{line}: {text}")

    def check_source(self, path, name):
        text = path.read_text(errors="replace")
        folder = folder_of(name)
        self.check_spdx(path, text)
        self.check_length(path, text)
        self.check_functions(path, text)
        if folder is None:
            self.error(path, 1, "not in a folder with a floor (scripts/check_floors.py: FLOORS)")
            return
        for match in INCLUDE.finditer(text):
            line = text.count("\n", 0, match.start(2)) + 1
            if match.group(1) == '"':
                self.check_project_include(path, line, folder, match.group(2))
            else:
                self.check_system_include(path, line, folder, match.group(2))
        if path.suffix == ".h":
            self.check_header(path, text)

    def check_project_include(self, path, line, folder, included):
        if not (self.root / "src" / included).is_file():
            self.error(path, line, f'"{included}" is no header of this project')
            return
        target = folder_of(included)
        if target is None or target == folder:
            return
        if FLOORS[target] > FLOORS[folder]:
            self.error(path, line, f'{folder} (floor {FLOORS[folder]}) includes "{included}" '
                                   f"(floor {FLOORS[target]}): includes go down only")
        elif FLOORS[target] == FLOORS[folder]:
            where = f"{path.relative_to(self.root)}:{line}"
            self.edges.setdefault(folder, {}).setdefault(target, where)
        if folder in PURE and target == "sys":
            self.error(path, line, f'{folder} makes no system calls, but includes "{included}"')

    def check_system_include(self, path, line, folder, included):
        if included in FORBIDDEN_HEADERS:
            self.error(path, line, f"<{included}> must not be in a static program")
        if folder in PURE and included in SYSTEM_CALL_HEADERS:
            self.error(path, line, f"{folder} makes no system calls, but includes <{included}>")

    def check_header(self, path, text):
        if "#pragma once" not in text:
            self.error(path, 1, "header without #pragma once")
        for number, line in enumerate(text.splitlines(), 1):
            if line.lstrip().startswith("using namespace"):
                self.error(path, number, "`using namespace` in a header")

    def check_spdx(self, path, text):
        if not any("SPDX-License-Identifier: Apache-2.0" in line for line in text.splitlines()[:3]):
            self.error(path, 1, "no `SPDX-License-Identifier: Apache-2.0` in the first lines")

    def check_length(self, path, text):
        lines = text.count("\n")
        budget = HEADER_BUDGET if path.suffix == ".h" else FILE_BUDGET
        if lines > FILE_LIMIT:
            self.error(path, lines, f"{lines} lines, the limit is {FILE_LIMIT}: more than one concept?")
        elif lines > budget:
            self.notes.append(f"{path.relative_to(self.root)}: {lines} lines, the budget is {budget}")

    def check_functions(self, path, text):
        """Function lengths, going by the layout that clang-format gives every file."""
        lines = text.splitlines()
        for start, line in enumerate(lines):
            match = BLOCK_START.match(line)
            if not match or NOT_A_FUNCTION.match(line) or "(" not in "".join(lines[max(0, start - 3):start + 1]):
                continue
            indent = match.group(1)
            if len(indent) > 4:
                continue  # a lambda or a block inside a function that is measured itself
            end = next((n for n in range(start + 1, len(lines))
                        if re.match(rf"^{indent}\}}", lines[n])), None)
            if end is not None and end - start - 1 > FUNCTION_BUDGET:
                self.notes.append(f"{path.relative_to(self.root)}:{start + 1}: function of "
                                  f"{end - start - 1} lines, the budget is {FUNCTION_BUDGET}")

    def check_cycles(self):
        """Depth-first over the edges inside floors; every cycle is told once, at its closing edge."""
        done = set()

        def visit(folder, trail):
            if folder in trail:
                cycle = trail[trail.index(folder):] + [folder]
                self.errors.append(f"{self.edges[trail[-1]][folder]}: include cycle between folders: "
                                   + " -> ".join(cycle))
                return
            if folder not in done:
                for target in sorted(self.edges.get(folder, {})):
                    visit(target, trail + [folder])
                done.add(folder)

        for folder in sorted(self.edges):
            visit(folder, [])

    def other_sources(self):
        """Our files outside src/: tests, benchmarks and scripts."""
        for top in ("tests", "bench", "scripts", ".ci", ".githooks"):
            for folder, folders, names in os.walk(self.root / top):
                folders[:] = sorted(set(folders) - SKIPPED_FOLDERS - {"corpus", "crashes"})
                for name in sorted(names):
                    path = Path(folder) / name
                    if path.suffix in (".cc", ".h", ".py", ".sh") or self.is_script(path):
                        yield path

    @staticmethod
    def is_script(path):
        with open(path, "rb") as stream:
            return path.suffix == "" and stream.read(2) == b"#!"


def main(arguments):
    root = arguments[0] if arguments else Path(__file__).resolve().parent.parent
    checker = Checker(root)
    checker.run()
    for note in checker.notes:
        print(f"note: {note}")
    for error in checker.errors:
        print(f"error: {error}")
    print(f"floors: {len(checker.errors)} errors, {len(checker.notes)} notes")
    return 1 if checker.errors else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
