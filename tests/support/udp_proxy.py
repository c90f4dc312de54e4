"""A UDP path between one client and one server that loses and reorders packets, in both directions. Bounded: what
waits is at most MAX_WAITING packets. The losses are those of the seed."""
import heapq
import random
import select
import socket
import threading
import time

MAX_WAITING = 4096


class UdpProxy:
    def __init__(self, server_port, loss, delay=0.005, jitter=0.01, seed=1):
        self.server = ("127.0.0.1", server_port)
        self.loss, self.delay, self.jitter = loss, delay, jitter
        self.random = random.Random(seed)
        self.outside = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.outside.bind(("127.0.0.1", 0))
        self.inside = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.inside.bind(("127.0.0.1", 0))
        self.port = self.outside.getsockname()[1]
        self.client = None
        self.passed = self.lost = self.reordered = 0
        self.stopping = False
        self.thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.stopping = True
        self.thread.join()
        self.outside.close()
        self.inside.close()

    def _run(self):
        waiting, order, last_sent = [], 0, {}
        while not self.stopping:
            now = time.monotonic()
            while waiting and waiting[0][0] <= now:
                _, number, socket_, data, to = heapq.heappop(waiting)
                self.reordered += number < last_sent.get(socket_, -1)
                last_sent[socket_] = max(number, last_sent.get(socket_, -1))
                socket_.sendto(data, to)
                self.passed += 1
            timeout = min(0.05, max(0, waiting[0][0] - now)) if waiting else 0.05
            for ready in select.select([self.outside, self.inside], [], [], timeout)[0]:
                data, sender = ready.recvfrom(2048)
                if ready is self.outside:
                    self.client = sender
                    way = (self.inside, self.server)
                else:
                    way = (self.outside, self.client)
                if way[1] is None:
                    continue
                if self.random.random() < self.loss or len(waiting) >= MAX_WAITING:
                    self.lost += 1
                    continue
                order += 1
                due = time.monotonic() + self.delay + self.random.random() * self.jitter
                heapq.heappush(waiting, (due, order, way[0], data, way[1]))
