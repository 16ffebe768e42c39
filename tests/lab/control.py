# SPDX-License-Identifier: MIT
"""The daemon's control socket, spoken to directly."""
import json
import socket

CONTROL = "/run/lansplice.sock"


def inside(machine, path):
    """A file of the machine's own mounts."""
    return f"/proc/{machine.pid}/root{path}"


def talk(machine, text, path=CONTROL):
    """Send text to the control socket; the JSON lines it answers until it hangs up."""
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(3)
        client.connect(inside(machine, path))
        client.sendall(text.encode())
        received = b""
        while received.count(b"\n") < text.count("\n"):
            more = client.recv(65536)
            if not more:
                break
            received += more
    return [json.loads(line) for line in received.splitlines()]
