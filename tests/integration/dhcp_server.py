# SPDX-License-Identifier: Apache-2.0
"""A DHCP server for tests that does as it is told. Runs as root on one bridge.

  dhcp_server.py BRIDGE ADDRESS CONTROL LOG

CONTROL is a file with a JSON object that is read again for every message; what it lacks:
  mode     "serve"
           "silent"     answers nothing
           "no-ack"     offers, but does not answer to requests
           "nak"        offers, but refuses every request
           "no-router", "no-dns", "zero"   the ACK lacks the option, or has the address 0.0.0.0
           "noise"      before each answer: junk, an answer for another client, and one for
                        another transaction, all with other addresses
  lease    3600   seconds
  first    100    the first client gets this number in the network, the others the next ones. A
                  request for an address that is not the client's is refused.
Each message of a client is a JSON line in LOG, with what was answered.
"""
import json
import os
import socket
import struct
import sys

REQUEST, REPLY, COOKIE = 1, 2, b"\x63\x82\x53\x63"
DISCOVER, OFFER, ASKED, DECLINE, ACK, NAK, RELEASE = range(1, 8)
NAMES = {DISCOVER: "DISCOVER", OFFER: "OFFER", ASKED: "REQUEST", DECLINE: "DECLINE", ACK: "ACK",
         NAK: "NAK", RELEASE: "RELEASE"}
ANYBODY = "0.0.0.0"


class Message:
    """What a client sent."""

    def __init__(self, data):
        self.transaction, self.flags = data[4:8], data[10:12]
        self.client_ip = socket.inet_ntoa(data[12:16])
        self.hardware = data[28:34]
        assert data[0] == REQUEST and data[236:240] == COOKIE
        self.options = {}
        rest = data[240:]
        while rest and rest[0] != 255:
            if rest[0] == 0:
                rest = rest[1:]
                continue
            self.options[rest[0]] = rest[2:2 + rest[1]]
            rest = rest[2 + rest[1]:]
        self.kind = self.options[53][0]

    @property
    def mac(self):
        return ":".join(f"{byte:02x}" for byte in self.hardware)

    @property
    def wish(self):
        return socket.inet_ntoa(self.options[50]) if 50 in self.options else self.client_ip


class Server:
    def __init__(self, bridge, address, control, log):
        self.address, self.control, self.log = address, control, log
        self.network = address.rpartition(".")[0]
        self.numbers = {}  # (first number, MAC): number
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, bridge.encode())
        self.socket.bind(("", 67))

    def orders(self):
        with open(self.control, encoding="utf-8") as file:
            return {"mode": "serve", "lease": 3600, "first": 100, **json.load(file)}

    def address_of(self, mac, first):
        taken = sum(1 for key in self.numbers if key[0] == first)
        return f"{self.network}.{self.numbers.setdefault((first, mac), first + taken)}"

    def reply(self, message, kind, address, orders):
        mode = orders["mode"] if kind == ACK else ""
        quad = socket.inet_aton
        options = [(53, bytes([kind])), (54, quad(self.address))]
        if kind == NAK:
            options.append((56, b"not yours"))
        else:
            options += [(51, struct.pack("!I", orders["lease"])), (1, quad("255.255.255.0"))]
            options += [(3, quad(self.address))] if mode != "no-router" else []
            options += [(6, quad(orders.get("dns", self.address)))] if mode != "no-dns" else []
        packed = b"".join(bytes([code, len(value)]) + value for code, value in options)
        fixed = struct.pack("!4B4sH2s4s4s4s4s16s64s128s", REPLY, 1, 6, 0, message.transaction, 0,
                            message.flags, quad(message.client_ip),
                            quad(ANYBODY if kind == NAK or mode == "zero" else address),
                            quad(ANYBODY), quad(ANYBODY), message.hardware, b"", b"")
        return fixed + COOKIE + packed + b"\xff"

    def answer(self, message, orders):
        """The kind of answer, or None."""
        mode = orders["mode"]
        if mode == "silent" or message.kind not in (DISCOVER, ASKED):
            return None
        if message.kind == DISCOVER:
            return OFFER
        if mode == "no-ack":
            return None
        right = message.wish == self.address_of(message.mac, orders["first"])
        return NAK if mode == "nak" or not right else ACK

    def noise(self, message, kind, orders, to):
        foreign = f"{self.network}.250"
        good = self.reply(message, kind, foreign, orders)
        yield b"\xff" * 300
        yield good[:239]
        yield good[:4] + bytes(b ^ 0x55 for b in good[4:8]) + good[8:]
        yield good[:28] + bytes(b ^ 0x55 for b in good[28:34]) + good[34:]
        yield good[:240] + b"\x35\xff"
        assert to

    def serve(self):
        while True:
            data, peer = self.socket.recvfrom(4096)
            try:
                message = Message(data)
            except (AssertionError, IndexError, KeyError):
                continue
            orders = self.orders()
            kind = self.answer(message, orders)
            address = self.address_of(message.mac, orders["first"])
            self.note(message, kind, address, peer)
            if kind is None:
                continue
            to = (message.client_ip if message.client_ip != ANYBODY and kind != NAK
                  else "255.255.255.255", 68)
            if orders["mode"] == "noise":
                for junk in self.noise(message, kind, orders, to):
                    self.socket.sendto(junk, to)
            self.socket.sendto(self.reply(message, kind, address, orders), to)

    def note(self, message, kind, address, peer):
        line = json.dumps({"mac": message.mac, "said": NAMES.get(message.kind),
                           "from": peer[0], "client_ip": message.client_ip,
                           "wish": message.wish, "answer": NAMES.get(kind), "address": address})
        with open(self.log, "a", encoding="utf-8") as file:
            file.write(line + "\n")


if __name__ == "__main__":
    os.umask(0o022)
    Server(*sys.argv[1:5]).serve()
