# SPDX-License-Identifier: Apache-2.0
"""A pseudo-terminal for tests that type keys."""
import fcntl
import os
import select
import signal
import termios
import time

import pytest

from harness import SLOW, wait_until


class Terminal:
    """A program as the session leader of a pseudo-terminal, driven like expect(1)."""

    def __init__(self, argv, env, cwd, size=(24, 80)):
        self.text = ""
        self.code = None
        self._from = 0
        master, slave = os.openpty()
        termios.tcsetwinsize(slave, size)
        self.pid = os.fork()
        if self.pid == 0:
            try:
                os.close(master)
                os.setsid()
                _login_tty(slave)
                os.chdir(cwd)
                os.closerange(3, 256)
                os.execvpe(argv[0], [str(a) for a in argv], env)
            finally:
                os._exit(127)
        os.close(slave)
        self.master = master

    def _read(self, seconds):
        ready, _, _ = select.select([self.master], [], [], seconds)
        if not ready:
            return
        try:
            data = os.read(self.master, 65536)
        except OSError:  # EIO: the other side was closed
            data = b""
        if not data:
            time.sleep(0.004)
        self.text += data.decode(errors="replace")

    def expect(self, text, timeout=5.0):
        """Waits for `text` after what the last expect() matched."""
        end = time.monotonic() + timeout * SLOW
        while text not in self.text[self._from:]:
            if time.monotonic() > end:
                pytest.fail(f"waited for {text!r} on the terminal, saw {self.text!r}")
            self._read(0.05)
        self._from = self.text.index(text, self._from) + len(text)
        return self

    def send(self, text):
        os.write(self.master, text.encode())
        return self

    def resize(self, rows, columns):
        termios.tcsetwinsize(self.master, (rows, columns))

    def wait(self, timeout=5.0):
        """The exit code (negative: signal), reading on so that nothing blocks in write()."""
        def ended():
            self._read(0)
            if self.code is None:
                pid, status = os.waitpid(self.pid, os.WNOHANG)
                if pid:
                    self.code = os.waitstatus_to_exitcode(status)
            return self.code is not None
        wait_until(ended, timeout, f"the end of the terminal's program; saw {self.text!r}")
        self._read(0)
        return self.code

    def close(self):
        """Hangs up, then kills what is left of the leader."""
        os.close(self.master)
        if self.code is None:
            try:
                os.kill(self.pid, signal.SIGKILL)
                os.waitpid(self.pid, 0)
            except (ProcessLookupError, ChildProcessError):
                pass


def _login_tty(slave):
    fcntl.ioctl(slave, termios.TIOCSCTTY, 0)
    for fd in (0, 1, 2):
        os.dup2(slave, fd)
