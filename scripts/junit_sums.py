#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""junit_sums.py FILE: prints "TESTS BAD NOT_RUN" of a JUnit file, as ctest and pytest write them."""

import sys
import xml.etree.ElementTree as xml


def sums(path):
    root = xml.parse(path).getroot()
    suites = [root] if root.tag == "testsuite" else root.findall("testsuite")

    def total(*names):
        return sum(int(suite.get(name, 0)) for suite in suites for name in names)

    return total("tests"), total("failures", "errors"), total("skipped", "disabled")


if __name__ == "__main__":
    print(*sums(sys.argv[1]))
