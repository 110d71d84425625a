"""A name server on loopback that gives 127.0.0.1 for every name, or never says a word."""

import socket
import struct
import threading

ADDRESS = "127.0.0.77"  # port 53 of an address that nobody else takes
TYPE_A = 1
HEADER_BYTES = 12


class Names:
    """`silent`: names whose questions get no answer. PermissionError: who may not have port 53."""

    def __init__(self):
        self.silent, self.ignored = set(), set()
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind((ADDRESS, 53))
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            try:
                question, peer = self.socket.recvfrom(512)
            except OSError:
                return  # closed
            name, end = name_of(question)
            if name in self.silent:
                self.ignored.add(name)
            else:
                self.socket.sendto(answer(question, end), peer)

    def close(self):
        self.socket.close()


def name_of(question):
    """The name, and where its question ends."""
    at, labels = HEADER_BYTES, []
    while question[at]:
        labels.append(question[at + 1 : at + 1 + question[at]].decode())
        at += 1 + question[at]
    return ".".join(labels), at + 5


def answer(question, end):
    is_a = struct.unpack_from("!H", question, end - 4)[0] == TYPE_A
    head = question[:2] + struct.pack("!HHHHH", 0x8180, 1, is_a, 0, 0)
    record = struct.pack("!HHHIH", 0xC000 | HEADER_BYTES, TYPE_A, 1, 0, 4) + bytes([127, 0, 0, 1])
    return head + question[HEADER_BYTES:end] + (record if is_a else b"")
