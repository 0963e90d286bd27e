# SPDX-License-Identifier: Apache-2.0
"""A bad link between a device and a hub: latency, rate, cuts, one-way stalls, half-open ends; in user space.

    hub = lab.hub(through=Link)
    hub.link.round_trip, hub.link.rate = 0.3, 64000     # s, bits a second; of each connection from now on
    hub.link.cuts = lambda: random.expovariate(1 / 65536)   # each connection ends after so many bytes

Bytes go through one queue a direction, as on a slow line: each leaves when those before it have, at `rate` bits a second,
and arrives half a round trip later. What has left the sender waits here in a small buffer, so that the line and not this
machine's memory is what is full. Connecting takes a round trip, like TCP's first two packets.
"""
import selectors
import socket
import threading
import time

QUEUE_S = 0.1       # what the line's sending end holds beyond what is on its way
PIECE = 1400        # like a packet
PACKET_EXTRA = 52   # headers of IP and TCP, which the line carries as well
KERNEL_BUFFER = 4096


class Way:
    """One direction of a connection."""

    def __init__(self, link, source, sink):
        self.round_trip, self.rate = link.round_trip, link.rate
        self.source, self.sink = source, sink
        self.queue, self.free_at, self.carried = [], 0.0, 0
        self.has_ended = self.is_stalled = False

    def wants(self, now):
        """Whether the line takes more now."""
        return not self.has_ended and not self.is_stalled and self.free_at - now < QUEUE_S

    def take(self, now):
        data = self.source.recv(PIECE)
        if not data:
            self.has_ended = True
            self.queue.append((max(self.free_at, now) + self.round_trip / 2, b""))
            return
        start = max(self.free_at, now)
        self.free_at = start + (len(data) + PACKET_EXTRA) * 8 / self.rate if self.rate else start
        self.queue.append((self.free_at + self.round_trip / 2, data))

    def deliver(self, now):
        """Returns how many bytes arrived."""
        count = 0
        while self.queue and self.queue[0][0] <= now and not self.is_stalled:
            data = self.queue.pop(0)[1]
            if data:
                self.sink.setblocking(True)
                self.sink.sendall(data)
                self.sink.setblocking(False)
            else:
                self.sink.shutdown(socket.SHUT_WR)
            count += len(data)
        self.carried += count
        return count

    def is_done(self):
        return self.has_ended and not self.queue

    def next_at(self, now):
        times = [self.queue[0][0]] if self.queue and not self.is_stalled else []
        if not self.has_ended and not self.is_stalled and self.free_at - now >= QUEUE_S:
            times.append(self.free_at - QUEUE_S)
        return min(times) if times else None


class Connection:
    def __init__(self, link, near):
        time.sleep(link.round_trip)
        far = socket.create_connection(("127.0.0.1", link.target))
        for end in (near, far):
            end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            end.setblocking(False)
        self.link, self.near, self.far = link, near, far
        self.up, self.down = Way(link, near, far), Way(link, far, near)
        self.budget = link.cuts() if link.cuts else None  # bytes until it is cut

    def close(self):
        for end in (self.near, self.far):
            end.close()

    def step(self, selector, now):
        """False when it is over."""
        for way in (self.up, self.down):
            arrived = way.deliver(now)
            self.link.carried += arrived
            if self.budget is not None:
                self.budget -= arrived
                if self.budget <= 0:
                    return False
        if self.up.is_done() and self.down.is_done():
            return False
        for way in (self.up, self.down):
            self.watch(selector, way, way.wants(now))
        return True

    def watch(self, selector, way, wants):
        is_watched = way.source in selector.get_map()
        if wants and not is_watched:
            selector.register(way.source, selectors.EVENT_READ, way)
        elif not wants and is_watched:
            selector.unregister(way.source)


class Link:
    def __init__(self, lab, target):
        self.target, self.round_trip, self.rate = target, 0.0, 0  # no latency, any rate
        self.cuts = None           # gives the bytes that the next connection carries until it is cut
        self.is_down = False       # nothing connects, and what is there ends
        self.stall_up = self.stall_down = False  # bytes vanish in the line, and nobody is told
        self.carried = self.connects = 0
        self.first_connect_at = None
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, KERNEL_BUFFER)
        self.port = self.listener.getsockname()[1]
        self.is_closing = False
        lab.proxies.append(self)
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def serve(self):
        while not self.is_closing:
            try:
                near, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.carry, args=(near,), daemon=True).start()

    def carry(self, near):
        self.connects += 1
        self.first_connect_at = self.first_connect_at or time.monotonic()
        near.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, KERNEL_BUFFER)
        if self.is_down:
            near.close()
            return
        try:
            connection = Connection(self, near)
        except OSError:
            near.close()
            return
        try:
            self.run(connection)
        except OSError:
            pass
        connection.close()

    def run(self, connection):
        with selectors.DefaultSelector() as selector:
            while not self.is_closing and not self.is_down:
                connection.up.is_stalled, connection.down.is_stalled = self.stall_up, self.stall_down
                now = time.monotonic()
                if not connection.step(selector, now):
                    return
                due = [at for at in (connection.up.next_at(now), connection.down.next_at(now)) if at is not None]
                wait = min(max(min(due) - now, 0), 0.05) if due else 0.05
                for key, _ in selector.select(wait):
                    key.data.take(time.monotonic())

    def close(self):
        self.is_closing = True
        self.listener.shutdown(socket.SHUT_RDWR)
        self.thread.join()
        self.listener.close()
