# SPDX-License-Identifier: Apache-2.0
"""What the tests of --net=pasta share."""
import os
from pathlib import Path

import pytest

from harness import descendants, wait_until
from openapi import Api, Document

PASTA_DIR = Path(os.environ.get("RK_PASTA_DIR", "/usr/local/lib/rootlesskit-test/passt"))
PASTA = str(PASTA_DIR / "pasta")
NET = ["--net=pasta", f"--pasta-binary={PASTA}"]
QUIET = [*NET, "--disable-host-loopback"]


def need_pasta():
    if not os.access(PASTA, os.X_OK):
        pytest.skip(f"there is no {PASTA}: run scripts/build-passt.sh")
    if not os.access("/dev/net/tun", os.R_OK | os.W_OK):
        pytest.skip("/dev/net/tun cannot be opened")


def words_of(pid):
    try:
        return Path(f"/proc/{pid}/cmdline").read_text().split("\0")[:-1]
    except OSError:
        return []


def pastas_of(running):
    """The PIDs of its pasta processes."""
    return [pid for pid in descendants(running.pid) if "--config-net" in words_of(pid)]


def helper_of(running, other_than=None):
    """The PID of its pasta."""
    def found():
        return next((pid for pid in pastas_of(running) if pid != other_than), None)
    return wait_until(found, what="pasta to appear")


def info_of(running):
    """GET /v1/info."""
    api = Api(running.state / "api.sock", Document())
    try:
        return api.ask("GET", "/v1/info").json()
    finally:
        api.close()
