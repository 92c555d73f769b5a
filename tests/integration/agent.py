# SPDX-License-Identifier: Apache-2.0
"""Run by a test inside a namespace: makes sockets there and hands them to the test, which then uses
both ends of a connection in one process; also runs programs and Python there.

    agent.py SOCKET    connects to the UNIX socket of that name (in the working directory, for the
                       length of the name) and serves requests until the other side closes.

A request is one JSON text, its answer another, with a descriptor where a socket was asked for."""
import array
import json
import os
import socket
import subprocess
import sys
import traceback


def bind(sock, address):
    if address[1]:  # with it the kernel may pick a port that another UDP socket has
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if sock.family == socket.AF_INET6:
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    sock.bind(tuple(address))


def do_socket(request):
    sock = socket.socket(*request["args"])
    for level, option, value in request.get("options", ()):
        sock.setsockopt(level, option, value)
    if request.get("bind"):
        bind(sock, request["bind"])
    if request.get("listen") is not None:
        sock.listen(request["listen"])
    return {}, sock


def do_run(request):
    done = subprocess.run(request["argv"], input=request.get("stdin", ""), text=True,
                          capture_output=True, timeout=request.get("timeout", 30), check=False)
    return {"code": done.returncode, "out": done.stdout, "err": done.stderr}, None


def do_python(request):
    names = {"args": request.get("args", [])}
    exec(request["code"], names)  # pylint: disable=exec-used
    return {"result": names.get("result")}, None


def answer(channel, reply, sock):
    rights = []
    if sock is not None:
        rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [sock.fileno()]))]
    data = json.dumps(reply).encode()
    channel.sendmsg([len(data).to_bytes(4, "big")], rights)
    channel.sendall(data)
    if sock is not None:
        sock.close()


def main():
    channel = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    channel.connect(sys.argv[1])
    channel.sendall(b"%d\n" % os.getpid())
    handlers = {"socket": do_socket, "run": do_run, "python": do_python}
    with channel, channel.makefile("r") as requests:
        for line in requests:
            request = json.loads(line)
            sock = None
            try:
                reply, sock = handlers[request["op"]](request)
            except OSError as error:
                reply = {"errno": error.errno, "text": str(error)}
            except Exception:  # pylint: disable=broad-except
                reply = {"failed": traceback.format_exc()}
            answer(channel, reply, sock)


main()
