# SPDX-License-Identifier: MIT
"""The control socket: whom it answers, and whose it is."""
import os
import socket
import stat
import time

import pytest

from control import CONTROL, inside, talk
from lansplice import BINARY
from links import TAP, links
from machine import wait_for


def test_control_socket(alone, a):
    alone.start()
    mode = os.stat(inside(a.router, CONTROL)).st_mode
    assert stat.S_ISSOCK(mode) and stat.S_IMODE(mode) == 0o600
    status, again = talk(a.router, '{"command":"status"}\n{"command":"status"}\n')
    assert status["name"] == again["name"] == "a"
    for bad in "rubbish\n", '{"command":"launch"}\n', "[]\n", '{"command":7}\n', "\n":
        assert talk(a.router, bad)[0]["ok"] is False
    with pytest.raises((ConnectionResetError, BrokenPipeError, AssertionError)):
        assert talk(a.router, "x" * 100000 + "\n")  # hung up on: no answer
    assert alone.status()


def test_many_clients(alone, a):
    alone.start()
    clients = []
    for _ in range(30):
        clients.append(socket.socket(socket.AF_UNIX))
        clients[-1].connect(inside(a.router, CONTROL))
    time.sleep(0.3)
    for client in clients:
        client.close()
    wait_for(alone.status, 3, "room for one more")
    clients = []


def test_umask_does_not_matter(alone, a):
    alone.write()
    process = a.router.start(f"umask 0; exec {BINARY} -c {alone.path} run", name="umask")
    wait_for(lambda: os.path.exists(inside(a.router, CONTROL)), 5, "the socket")
    assert stat.S_IMODE(os.stat(inside(a.router, CONTROL)).st_mode) == 0o600
    process.stop()


def test_stale_socket_and_live_daemon(alone, a):
    alone.start()
    alone.kill()
    assert os.path.exists(inside(a.router, CONTROL))
    alone.restart()
    alone.site.update(port=7789, tap="other0", bridge=None)
    alone.fails(1, CONTROL, "runs already")
    assert "other0" not in links(a.router)
    alone.site.update(port=7788, tap=TAP, bridge="br-lan")
    alone.write()
    assert alone.status()["tap"] == TAP
    alone.stop()
    a.router.run(f"echo precious >{CONTROL}")
    alone.fails(1, CONTROL, "no socket")
    assert "precious" in a.router.output(f"cat {CONTROL}")


# systemd's end of sd_notify(3): what is said, and whether the TAP was there at that moment.
MANAGER = """
import os, socket, sys
name = sys.argv[1]
manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
manager.bind(chr(0) + name[1:] if name[0] == "@" else name)
print("listens", flush=True)
while True:
    said = manager.recv(100).decode()
    print(said, os.path.exists("/sys/class/net/lansplice0"), flush=True)
"""


@pytest.mark.parametrize("name", ["/run/notify", "@lansplice/notify"])
def test_the_service_manager_is_told(alone, a, name):
    """Once, when all is set up; nothing when that fails."""
    manager = a.router.start(["/usr/bin/python3", "-c", MANAGER, name], name="manager")
    wait_for(lambda: "listens" in manager.log())
    alone.environment = {"NOTIFY_SOCKET": name}
    alone.site["bridge"] = "br-none"
    alone.start(wait=False)
    assert alone.process.popen.wait(10) == 1
    assert manager.log() == "listens\n"
    alone.site["bridge"] = "br-lan"
    alone.start()
    wait_for(lambda: "READY" in manager.log())
    alone.reload()
    alone.process.stop()
    assert manager.log() == "listens\nREADY=1 True\n"


def test_no_service_manager_answers(alone):
    alone.environment = {"NOTIFY_SOCKET": "/run/nobody"}
    alone.start()
    assert "service manager at /run/nobody" in alone.log()
