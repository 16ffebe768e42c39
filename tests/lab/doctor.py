# SPDX-License-Identifier: MIT
"""`lansplice doctor`, for its tests: what it said, and a daemon that says what a test wants."""
import json
import socket
import threading

from commands import key, public
from commands import run as lansplice

LEVELS = {"ok", "note", "warn"}
FINDING = {"level": str, "check": str, "subject": (str, type(None)), "peer": (str, type(None)),
           "family": (str, type(None)), "mtu": (int, type(None)), "text": str,
           "meaning": (str, type(None)), "advice": (str, type(None))}
PATH = {"peer": (str, type(None)), "family": str, "path_mtu": (int, type(None)),
        "state": (str, type(None)), "limit": (str, type(None)), "meaning": (str, type(None))}


# What a line that holds a command begins with.
COMMAND = " " * 9


class Report:
    """What doctor --json said, checked against its schema."""

    def __init__(self, text):
        self.all = json.loads(text)
        assert set(self.all) == {"name", "findings", "paths"}
        self.findings, self.paths = self.all["findings"], self.all["paths"]
        for schema, objects in ((FINDING, self.findings), (PATH, self.paths)):
            for one in objects:
                assert list(one) == list(schema)
                for field, kind in schema.items():
                    assert isinstance(one[field], kind), (field, one)
        for one in self.findings:
            assert one["level"] in LEVELS
            assert one["family"] in ("ipv4", "ipv6", None)
            assert one["text"] and len(one["text"]) < 300

    def only(self, **fields):
        """The findings with these values."""
        return [f for f in self.findings if all(f[k] == v for k, v in fields.items())]

    def one(self, **fields):
        found = self.only(**fields)
        assert len(found) == 1, (fields, self.findings)
        return found[0]

    @property
    def warned(self):
        return [(f["check"], f["subject"]) for f in self.only(level="warn")]


def commands(home, check):
    """What is to be pasted for the one finding of that check, as people see it: each on a line.

    For programs they are in the advice, too.
    """
    finding = examine(home).one(check=check)
    blocks = home.lansplice.command("doctor").stdout.split("\n\n")
    said = next(b for b in blocks if " ".join(b.split()[1:]).startswith(finding["text"]))
    found = [line.strip() for line in said.split("\n") if line.startswith(COMMAND)]
    assert found and finding["advice"].endswith(": " + "; ".join(found)), (finding, said)
    return found


def examine(home):
    return Report(home.lansplice.command("doctor", "--json").stdout)


class Told:
    """A home that is only a folder, and a status that it is told. @run: in which machine."""

    def __init__(self, folder, endpoints=("192.0.2.18:7788",), site="", test="", run=lansplice):
        self.run = run
        self.conf, self.socket = folder / "lansplice.conf", folder / "s"
        (folder / "key").write_text(key() + "\n")
        (folder / "key").chmod(0o600)
        lines = [f"endpoint = {e}" for e in endpoints]
        self.conf.write_text("\n".join([
            "[site]", "name = home", "private-key = key", f"control = {self.socket}", site,
            "tap = nosuchtap", "[test]", test, "[peer b]", f"public-key = {public(key())}",
            *lines, ""]))

    def ask(self, status, *command):
        answer = json.dumps(status).encode() + b"\n" if isinstance(status, dict) else status
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(self.socket))
            listener.listen()
            listener.settimeout(20)
            server = threading.Thread(target=self.serve, args=(listener, answer))
            server.start()
            done = self.run("-c", self.conf, *command)
            server.join()
        self.socket.unlink()
        return done

    @staticmethod
    def serve(listener, answer):
        client, _ = listener.accept()
        with client:
            client.settimeout(20)
            assert b'"status"' in client.recv(4096)
            client.sendall(answer)

    def judge(self, status):
        done = self.ask(status, "doctor", "--json")
        assert done.returncode == 0 and done.stderr == "", done.stderr
        return Report(done.stdout)


def status_of(*paths, nat=None, **peer):
    """A status with one peer, b, and what was learnt of the NAT."""
    return {"name": "home", "nat": nat, "peers": [{"name": "b", "state": "up", "path": "direct4",
                                                   "paths": list(paths), **peer}]}


def path_of(mtu, family="ipv4", state="found", limit="path"):
    return {"family": family, "path_mtu": mtu, "state": state, "limit": limit, "proved_s": 3}
