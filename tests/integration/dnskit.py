# SPDX-License-Identifier: Apache-2.0
"""A resolver for tests: any name that begins with the letter a has the address 192.0.2.<length of the
name's first label>; names with `long` have so many addresses that UDP is not enough."""
import select
import socket
import struct
import threading

A, AAAA = 1, 28
LONG = 60  # addresses


def name_of(query):
    labels, at = [], 12
    while query[at]:
        labels.append(query[at + 1:at + 1 + query[at]].decode())
        at += 1 + query[at]
    return labels, at + 1


def question(name, kind=A, number=7):
    labels = b"".join(bytes([len(part)]) + part.encode() for part in name.split("."))
    return struct.pack("!6H", number, 0x0100, 1, 0, 0, 0) + labels + b"\0" + struct.pack("!2H", kind, 1)


def answer(query, by_tcp=False):
    labels, end = name_of(query)
    kind = struct.unpack("!H", query[end:end + 2])[0]
    number = struct.unpack("!H", query[:2])[0]
    body = query[12:end + 4]
    records = []
    if labels[0].startswith("a") and kind == A:
        records = [b"\xc0\x0c" + struct.pack("!2HIH", A, 1, 60, 4) + bytes((192, 0, 2, len(labels[0])))]
    elif labels[0].startswith("long") and kind == A:
        records = [b"\xc0\x0c" + struct.pack("!2HIH", A, 1, 60, 4) + bytes((192, 0, 2, last))
                   for last in range(LONG)]
    flags = 0x8180 if records or labels[0].startswith("a") else 0x8183  # or: no such name
    if len(records) > 1 and not by_tcp:
        flags, records = flags | 0x0200, []
    return struct.pack("!6H", number, flags, 1, len(records), 0, 0) + body + b"".join(records)


class Resolver:
    """Serves UDP and TCP with sockets that somebody else has made; `asked` has the names, `peers` who
    asked."""

    def __init__(self, udp, tcp):
        self.udp, self.tcp = udp, tcp
        self.asked, self.peers = [], []
        self.kinds = []
        self._stop = socket.socketpair()
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self):
        clients = []
        while True:
            ready, _, _ = select.select([self.udp, self.tcp, self._stop[0], *clients], [], [])
            if self._stop[0] in ready:
                break
            for sock in ready:
                if sock is self.udp:
                    query, peer = sock.recvfrom(4096)
                    self._note(query, peer)
                    sock.sendto(answer(query), peer)
                elif sock is self.tcp:
                    clients.append(sock.accept()[0])
                elif not self._answered(sock):
                    clients.remove(sock)
                    sock.close()
        for sock in clients:
            sock.close()

    def _note(self, query, peer):
        labels, end = name_of(query)
        self.asked.append(".".join(labels))
        self.kinds.append(struct.unpack("!H", query[end:end + 2])[0])
        self.peers.append(peer)

    def _answered(self, sock):
        try:
            return self._by_tcp(sock)
        except ConnectionError:  # the relay ended, and with it its connections
            return False

    def _by_tcp(self, sock):
        length = sock.recv(2)
        if len(length) < 2:
            return False
        query = sock.recv(struct.unpack("!H", length)[0])
        self._note(query, sock.getpeername())
        reply = answer(query, by_tcp=True)
        sock.sendall(struct.pack("!H", len(reply)) + reply)
        return True

    def close(self):
        self._stop[1].send(b"x")
        self._thread.join()
        for sock in (self.udp, self.tcp, *self._stop):
            sock.close()
