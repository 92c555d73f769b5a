# SPDX-License-Identifier: Apache-2.0
"""The other host: run as root in a network namespace of its own by setup_privileged.sh, it gives
the tests, who may not enter that namespace, sockets made in there and runs programs in there.

    remote_agent.py SOCKET UID      serves root and that user on a UNIX socket (SOCK_SEQPACKET)

One request a connection, JSON: {"do": "socket", "family": F, "type": T} is answered with {} and the
socket beside it; {"do": "run", "argv": [...], "env": {...}} comes with stdin, stdout and stderr
beside it, runs as the asking user, and is answered with {"pid": N} at once and {"code": N} at the
end. Hanging up kills what was run. Errors are {"error": TEXT}.
"""
import array
import json
import os
import signal
import socket
import struct
import subprocess
import sys
import threading

REQUEST_BYTES = 1 << 16


def reply(conn, fds=(), **fields):
    beside = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))] if fds else []
    conn.sendmsg([json.dumps(fields).encode()], beside)


def watch(conn, process):
    """Kills the program's group when the caller hangs up."""
    while conn.recv(1):
        pass
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)


def run(conn, request, fds, user):
    uid, gid = user
    process = subprocess.Popen(
        request["argv"], stdin=fds[0], stdout=fds[1], stderr=fds[2], env=request["env"], cwd="/",
        user=uid, group=gid, extra_groups=[], start_new_session=True)
    for fd in fds:
        os.close(fd)
    reply(conn, pid=process.pid)
    threading.Thread(target=watch, args=(conn, process), daemon=True).start()
    reply(conn, code=process.wait())


def serve(conn, permitted):
    with conn:
        _, uid, gid = struct.unpack("3i", conn.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
        if uid not in permitted:
            return
        text, fds, _, _ = socket.recv_fds(conn, REQUEST_BYTES, 3)
        try:
            request = json.loads(text)
            if request["do"] == "socket":
                with socket.socket(request["family"], request["type"]) as made:
                    reply(conn, [made.fileno()])
            else:
                run(conn, request, fds, (uid, gid))
        except BrokenPipeError:
            pass
        except Exception as error:  # pylint: disable=broad-except
            reply(conn, error=repr(error))


def main():
    path, uid = sys.argv[1], int(sys.argv[2])
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    os.umask(0o177)
    listener.bind(path)
    os.chown(path, uid, -1)
    listener.listen(64)
    while True:
        conn, _ = listener.accept()
        threading.Thread(target=serve, args=(conn, (0, uid)), daemon=True).start()


main()
