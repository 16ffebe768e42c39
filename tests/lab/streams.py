# SPDX-License-Identifier: MIT
"""Numbered datagrams from one host to another, one way, with the time each arrives."""
import contextlib
import select
import socket
import struct
import threading
import time

from machine import wait_for


class Stream:
    """Sends from construction until stop(); arrivals is a list of (monotonic s, number)."""

    def __init__(self, source, sink, port=5001, every_s=0.01, payload_bytes=100):
        self.sent = 0
        self.arrivals = []
        self.every_s = every_s
        self.filling = bytes(payload_bytes)
        self.running = True
        self.out = source.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.out.connect((sink.ip, port))
        self.into = sink.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.into.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        self.into.bind(("", port))
        self.sender = threading.Thread(target=self._send, daemon=True)
        self.receiver = threading.Thread(target=self._receive, daemon=True)
        self.receiver.start()
        self.sender.start()

    def _send(self):
        due = time.monotonic()
        while self.running:
            with contextlib.suppress(OSError):  # ECONNREFUSED, EHOSTUNREACH: what it is to see
                self.out.send(struct.pack("!Q", self.sent) + self.filling)
            self.sent += 1
            due = max(due + self.every_s, time.monotonic() - 0.1)
            time.sleep(max(0, due - time.monotonic()))

    def _receive(self):
        while self.running or select.select([self.into], [], [], 0.5)[0]:
            if select.select([self.into], [], [], 0.1)[0]:
                data = self.into.recv(65536)
                self.arrivals.append((time.monotonic(), struct.unpack("!Q", data[:8])[0]))

    def wait_flowing(self, seconds=5):
        """Wait until a datagram arrives that was sent after this call; the time it did."""
        first = self.sent
        return wait_for(lambda: next((at for at, number in reversed(self.arrivals)
                                      if number >= first), None), seconds, "traffic", every=0.01)

    def back_after(self, moment, seconds=5):
        """How long after a moment (monotonic seconds) the first datagram arrived."""
        return wait_for(lambda: next((at for at, _ in self.arrivals if at > moment), None),
                        seconds, "traffic to be back", every=0.01) - moment

    def stop(self):
        """End; (numbers lost, numbers that came twice)."""
        self.running = False
        self.sender.join()
        self.receiver.join()
        self.out.close()
        self.into.close()
        numbers = [number for _, number in self.arrivals]
        return sorted(set(range(self.sent)) - set(numbers)), len(numbers) - len(set(numbers))
