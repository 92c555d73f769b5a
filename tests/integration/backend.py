# SPDX-License-Identifier: Apache-2.0
"""Run as the command of a test: servers inside the namespace, one for each argument KIND,HOST,PORT.
Prints `ready` once all of them listen."""
import select
import socket
import struct
import sys
import threading

LAST_END = []


def drain(conn):
    """Ends our half and waits for the client's: closing with unread data would be a reset."""
    conn.shutdown(socket.SHUT_WR)
    while conn.recv(1 << 16):
        pass


def echo(conn):
    while data := conn.recv(1 << 16):
        conn.sendall(data)
    conn.shutdown(socket.SHUT_WR)


def late(conn):
    """Says nothing until the client has ended its half of the connection."""
    data = b""
    while part := conn.recv(1 << 16):
        data += part
    conn.sendall(b"all of " + data)


def peer(conn):
    conn.sendall(conn.getpeername()[0].encode() + b" %d" % conn.getpeername()[1])
    drain(conn)


def reset(conn):
    conn.recv(100)
    conn.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def patient(conn):
    """Echoes one piece and notes how the connection ended; `?` asks for the last note."""
    piece = conn.recv(100)
    if piece == b"?":
        conn.sendall(LAST_END.pop() if LAST_END else piece)
        drain(conn)
        return
    conn.sendall(piece)
    try:
        ending = b"end" if conn.recv(100) == b"" else b"data"
    except ConnectionResetError:
        ending = b"reset"
    LAST_END.append(ending)


def name(conn):
    """Says where it was reached."""
    conn.sendall(b"%d" % conn.getsockname()[1])
    drain(conn)


def crowd(listener):
    """Echoes to as many connections as there are descriptors, with one thread."""
    poller, conns = select.epoll(), {}
    poller.register(listener, select.EPOLLIN)
    while True:
        for fd, _ in poller.poll():
            if fd == listener.fileno():
                conn, _ = listener.accept()
                conns[conn.fileno()] = conn
                poller.register(conn, select.EPOLLIN)
                continue
            try:
                data = conns[fd].recv(1 << 16)
                conns[fd].sendall(data)
            except OSError:
                data = b""
            if not data:
                conns.pop(fd).close()


def serve(handler, conn):
    try:
        with conn:
            handler(conn)
    except OSError:
        pass


def accept(handler, listener):
    while True:
        conn, _ = listener.accept()
        threading.Thread(target=serve, args=(handler, conn), daemon=True).start()


def datagrams(listener):
    """Answers with the length and the text; `empty` is answered with an empty datagram."""
    while True:
        data, sender = listener.recvfrom(1 << 16)
        listener.sendto(b"" if data == b"empty" else b"%d:" % len(data) + data, sender)


def main():
    for argument in sys.argv[1:]:
        kind, host, port = argument.split(",")
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        listener = socket.socket(family, socket.SOCK_DGRAM if kind == "udp" else
                                 socket.SOCK_STREAM)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        listener.bind((host, int(port)))
        if kind == "udp":
            target, args = datagrams, (listener,)
        else:
            listener.listen(1024)
            target, args = (crowd, (listener,)) if kind == "crowd" else \
                (accept, (globals()[kind], listener))
        threading.Thread(target=target, args=args, daemon=True).start()
    print("ready", flush=True)
    threading.Event().wait()


main()
