# SPDX-License-Identifier: Apache-2.0
"""Stands for vpnkit: the server's side of its protocol (spec network.md 6), as far as tests need it.

    vpnkit_peer.py LOG MODE --ethernet PATH --mtu N [--host-ip IP]

Behind it is a network with one other host, 192.168.65.1, which answers ARP, DHCP, pings, and UDP on
port 7 (echo) and 9 (how many frames came so far). Appends a line of JSON to LOG for what happens."""
import json
import socket
import struct
import sys
import threading
import time
from pathlib import Path

MAC = bytes.fromhex("020000000001")
GATEWAY = socket.inet_aton("192.168.65.1")
CLIENTS = {}  # UUID: (MAC, address)
LOCK = threading.Lock()
LOG = Path(sys.argv[1])
MODE = sys.argv[2]


def log(**what):
    with LOCK, open(LOG, "a", encoding="utf-8") as file:
        file.write(json.dumps(what) + "\n")


def checksum(data):
    if len(data) % 2:
        data += b"\0"
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff


def ip_packet(proto, source, target, payload):
    head = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(payload), 0, 0x4000, 64, proto, 0, source,
                       target)
    return head[:10] + struct.pack("!H", checksum(head)) + head[12:] + payload


def udp_packet(source, source_port, target, target_port, data):
    udp = struct.pack("!HHHH", source_port, target_port, 8 + len(data), 0) + data
    pseudo = source + target + struct.pack("!HH", 17, len(udp))
    udp = udp[:6] + struct.pack("!H", checksum(pseudo + udp) or 0xffff) + udp[8:]
    return ip_packet(17, source, target, udp)


class Connection:
    def __init__(self, sock):
        self.sock, self.frames, self.discovers = sock, 0, 0
        self.mac = self.address = None

    def read(self, count):
        data = b""
        while len(data) < count:
            part = self.sock.recv(count - len(data))
            if not part:
                raise EOFError
            data += part
        return data

    def send(self, data):
        if MODE == "trickle":
            for i in range(len(data)):
                self.sock.sendall(data[i:i + 1])
        else:
            self.sock.sendall(data)

    def greet(self):
        """False where there is nothing more to say."""
        hello = self.read(49)
        log(hello=[hello[:5].decode(), struct.unpack("<I", hello[5:9])[0]])
        if MODE == "silent":
            time.sleep(1000)
        self.send(b"HTTP/1.1 400 Bad Request\r\n".ljust(49) if MODE == "junk"
                  else b"VMN3T" + struct.pack("<I", 22) + b"0" * 40)
        request = self.read(41)
        uuid = request[1:37].decode()
        log(kind=request[0], uuid=uuid, ip=request[37:].hex())
        if MODE == "refuse":
            self.send(b"\x02" + bytes([9]) + b"no places")
            return False
        if uuid not in CLIENTS:
            number = len(CLIENTS) + (9 if Path(f"{LOG}.moved").exists() else 3)
            CLIENTS[uuid] = (bytes.fromhex("025000000000")[:-1] + bytes([number]),
                             socket.inet_aton(f"192.168.65.{number}"))
        self.mac, self.address = CLIENTS[uuid]
        self.send(b"\x01" + struct.pack("<HH", 1500, 1550) + self.mac + bytes(246))
        return True

    def reply(self, frame_type, payload):
        frame = self.mac + MAC + struct.pack("!H", frame_type) + payload
        self.send(struct.pack("<H", len(frame)) + frame)

    def arp(self, packet):
        operation, asked = packet[6:8], packet[24:28]
        if operation == b"\0\1" and asked != self.address:
            self.reply(0x0806, packet[:6] + b"\0\2" + MAC + asked + packet[8:18])

    def dhcp(self, message):
        self.discovers += 1
        # The first frame in the stream is none for a client without an address.
        self.reply(0x0806, bytes(28))
        if MODE == "nodhcp" or (MODE == "late" and self.discovers == 1):
            return
        options = bytes.fromhex("350102" "3604c0a84101" "330400000e10" "0104ffffff00"
                                "0304c0a84101" "0604c0a84101" "ff")
        offer = (b"\x02\x01\x06\x00" + message[4:8] + bytes(8) + self.address + GATEWAY + bytes(4) +
                 message[28:44] + bytes(192) + bytes.fromhex("63825363") + options)
        self.reply(0x0800, udp_packet(GATEWAY, 67, b"\xff" * 4, 68, offer))

    def udp(self, source, target, packet):
        source_port, target_port = struct.unpack("!HH", packet[:4])
        data = packet[8:]
        if target_port == 67:
            self.dhcp(data)
        elif target == GATEWAY and target_port == 7:
            self.reply(0x0800, udp_packet(target, 7, source, source_port, data))
        elif target == GATEWAY and target_port == 9:
            self.reply(0x0800, udp_packet(target, 9, source, source_port, b"%d" % self.frames))

    def ipv4(self, packet):
        proto, source, target = packet[9], packet[12:16], packet[16:20]
        payload = packet[20:struct.unpack("!H", packet[2:4])[0]]
        if proto == 17:
            self.udp(source, target, payload)
        elif proto == 1 and target == GATEWAY and payload[0] == 8:
            pong = b"\0\0\0\0" + payload[4:]
            pong = pong[:2] + struct.pack("!H", checksum(pong)) + pong[4:]
            self.reply(0x0800, ip_packet(1, target, source, pong))

    def serve(self):
        try:
            if not self.greet():
                return
            while True:
                frame = self.read(struct.unpack("<H", self.read(2))[0])
                self.frames += 1
                if frame[12:14] == b"\x08\x06":
                    self.arp(frame[14:])
                elif frame[12:14] == b"\x08\x00":
                    self.ipv4(frame[14:])
        except (EOFError, OSError):
            log(end=self.frames)
        finally:
            self.sock.close()


def main():
    log(argv=sys.argv[3:])
    path = sys.argv[sys.argv.index("--ethernet") + 1]
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    listener.listen()
    while True:
        sock, _ = listener.accept()
        threading.Thread(target=Connection(sock).serve, daemon=True).start()


main()
