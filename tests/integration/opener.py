# SPDX-License-Identifier: Apache-2.0
"""Run as the command of a test: opens and closes servers as it is told on standard input, a line
each: `open tcp 127.0.0.1 80`, `close tcp 127.0.0.1 80` (its connections live on). Answers with the
line once it is done. Every server echoes."""
import socket
import sys
import threading


def serve_tcp(listener):
    while True:
        try:
            conn, _ = listener.accept()
        except OSError:
            return
        threading.Thread(target=echo, args=(conn,), daemon=True).start()


def echo(conn):
    with conn:
        try:
            while data := conn.recv(1 << 16):
                conn.sendall(data)
        except ConnectionError:
            pass


def serve_udp(server):
    while True:
        try:
            data, peer = server.recvfrom(1 << 16)
            if peer is None:
                return  # shut down
            server.sendto(data, peer)
        except ConnectionError:
            continue
        except OSError:
            return


def open_server(kind, host, port):
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    server = socket.socket(family, socket.SOCK_STREAM if kind == "tcp" else socket.SOCK_DGRAM)
    server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    server.bind((host, int(port)))
    if kind == "tcp":
        server.listen(16)
    target = serve_tcp if kind == "tcp" else serve_udp
    threading.Thread(target=target, args=(server,), daemon=True).start()
    return server


def close_server(server):
    # close() alone would leave the socket to the thread that waits in it.
    try:
        server.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass  # UDP without a peer; its thread wakes all the same
    server.close()


def main():
    servers = {}
    print("ready", flush=True)
    for line in sys.stdin:
        verb, *what = line.split()
        if verb == "open":
            servers[tuple(what)] = open_server(*what)
        else:
            close_server(servers.pop(tuple(what)))
        print(line.strip(), flush=True)


main()
