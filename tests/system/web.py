# SPDX-License-Identifier: Apache-2.0
"""HTTP and WebSocket by hand, byte by byte, so that tests can break every rule."""
import base64
import hashlib
import os
import socket
import struct

GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10


def request(**changes):
    """The request of a device. A header is changed by name (`_` for `-`), or left out with None."""
    method, path = changes.pop("method", "GET"), changes.pop("path", "/kith")
    version = changes.pop("version", "HTTP/1.1")
    headers = {"Host": "hub.test", "Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Version": "13",
               "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==", "Sec-WebSocket-Protocol": "kith.1"}
    for name, value in changes.items():
        headers[name.replace("_", "-")] = value
    lines = ["%s %s %s" % (method, path, version)]
    lines += ["%s: %s" % (name, value) for name, value in headers.items() if value is not None]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


def accept_of(key):
    return base64.b64encode(hashlib.sha1((key + GUID).encode()).digest()).decode()


def frame(opcode, payload=b"", fin=True, rsv=0, mask=None, length=None, is_masked=True):
    """`length`: what the header claims; `mask`: four bytes, chance without it."""
    claimed = len(payload) if length is None else length
    head = bytes([(0x80 if fin else 0) | rsv << 4 | opcode])
    bit = 0x80 if is_masked else 0
    if claimed < 126:
        head += bytes([bit | claimed])
    elif claimed < 65536:
        head += bytes([bit | 126]) + struct.pack(">H", claimed)
    else:
        head += bytes([bit | 127]) + struct.pack(">Q", claimed)
    if not is_masked:
        return head + payload
    mask = mask or os.urandom(4)
    return head + mask + bytes(byte ^ mask[i % 4] for i, byte in enumerate(payload))


def close_frame(code, reason=b""):
    return frame(CLOSE, struct.pack(">H", code) + reason)


class Ended(Exception):
    """The other side closed the socket."""


class Web:
    """A socket to a hub, or to what stands before it."""

    def __init__(self, port, wait=5.0):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=wait)
        self.bytes = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def send(self, data):
        try:
            self.socket.sendall(data)
        except (BrokenPipeError, ConnectionResetError):
            pass  # what it said before that is still to be read

    def more(self):
        try:
            data = self.socket.recv(65536)
        except ConnectionResetError:
            data = b""
        if not data:
            raise Ended
        self.bytes += data

    def take(self, count):
        while len(self.bytes) < count:
            self.more()
        taken, self.bytes = self.bytes[:count], self.bytes[count:]
        return taken

    def head(self):
        """(status, headers with lower-case names) of a response."""
        while b"\r\n\r\n" not in self.bytes:
            self.more()
        head, self.bytes = self.bytes.split(b"\r\n\r\n", 1)
        lines = head.decode("latin-1").split("\r\n")
        headers = {}
        for line in lines[1:]:
            name, value = line.split(":", 1)
            headers[name.lower()] = value.strip()
        return int(lines[0].split(" ")[1]), headers

    def rest(self):
        """All that still comes until the other side closes."""
        try:
            while True:
                self.more()
        except Ended:
            pass
        taken, self.bytes = self.bytes, b""
        return taken

    def upgrade(self, **changes):
        self.send(request(**changes))
        return self.head()

    def read(self):
        """(opcode, payload) of the next frame, which must be whole and unmasked."""
        first, second = self.take(2)
        assert first & 0xF0 == 0x80, "a frame of a hub is whole, and its reserved bits are clear: %#x" % first
        assert second & 0x80 == 0, "a hub masks nothing"
        length = second & 0x7F
        if length == 126:
            length = struct.unpack(">H", self.take(2))[0]
            assert length > 125, "the shortest form"
        elif length == 127:
            length = struct.unpack(">Q", self.take(8))[0]
            assert length > 65535, "the shortest form"
        return first & 0x0F, self.take(length)

    def close_code(self):
        """The code that the hub closes with; None if it closes without a word. Pongs may come before."""
        try:
            while True:
                opcode, payload = self.read()
                if opcode == CLOSE:
                    assert self.rest() == b"", "nothing comes after a close"
                    return struct.unpack(">H", payload[:2])[0] if payload else 1005
        except Ended:
            return None


def first_messages(seen):
    """Of what a proxy saw: the payloads of a device's first frames behind its last request and the answer to that."""
    data = bytes(seen)
    start = data.rfind(b"GET /kith")
    start = data.index(b"HTTP/1.1 101", start)
    data = data[data.index(b"\r\n\r\n", start) + 4:]
    found = []
    while len(data) >= 6 and data[0] == 0x82:
        length, at = data[1] & 0x7F, 2
        if length == 126:
            length, at = struct.unpack(">H", data[2:4])[0], 4
        elif length == 127:
            length, at = struct.unpack(">Q", data[2:10])[0], 10
        mask, at = data[at:at + 4], at + 4
        found.append(bytes(byte ^ mask[i % 4] for i, byte in enumerate(data[at:at + length])))
        data = data[at + length:]
    return found
