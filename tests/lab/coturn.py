# SPDX-License-Identifier: MIT
"""A real STUN and TURN server, coturn, on a machine of the lab.

With users it relays for them (long-term credentials); without, it answers STUN only. It binds to
the addresses given, or to all of the machine's; with two of them it says to STUN clients that it
has another (RFC 5780).
"""
import re

from machine import wait_for
from programs import listening

REALM = "lab.example"


class Coturn:
    """users maps a name to its password; options are more words of turnserver's command line."""

    def __init__(self, host, users=None, addresses=(), port=3478, stale_nonce=None,
                 options=()):
        self.host, self.port = host, port
        self.process = None
        self.words = ["turnserver", "-n", "-p", port, "--no-tcp", "--no-tls", "--no-dtls",
                      "--no-cli", "--realm", REALM, "--log-file", "stdout", "--verbose",
                      "--pidfile", "/run/turnserver.pid", "--userdb", "/run/turndb"]
        for address in addresses:
            self.words += ["--listening-ip", address]
        self.words += ["--lt-cred-mech"] if users else ["--stun-only"]
        for name, password in (users or {}).items():
            self.words += ["--user", f"{name}:{password}"]
        if stale_nonce:
            self.words += [f"--stale-nonce={stale_nonce}"]
        self.words += options
        self.start()

    def start(self):
        """Also again, after stop(): it then remembers nothing."""
        self.process = self.host.start(self.words, name="turnserver")
        wait_for(lambda: self.port in listening(self.host, "udp") or not self.process.running, 10,
                 "turnserver to listen")
        assert self.process.running, self.log()

    def stop(self):
        """At once: its clients are told nothing."""
        self.process.kill()

    def log(self):
        return self.process.log()

    def _sessions(self, pattern):
        return set(re.findall(rf"session (\d+): {pattern}", self.log()))

    def allocated(self):
        """The sessions that were ever given a relayed address, by their numbers."""
        return self._sessions(r"new, realm=\S+, username=<[^>]*>, lifetime=[1-9]")

    def released(self):
        """Those whose client gave it back."""
        return self._sessions(r"refreshed, realm=\S+, username=<[^>]*>, lifetime=0")
