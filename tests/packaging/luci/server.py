# SPDX-License-Identifier: MIT
"""A router's web server: the package's pages, LuCI's runtime as a stand-in, and /ubus.

/ubus is the JSON-RPC of uhttpd's ubus.c: a session, an object, a method, arguments; the answer is
[status, object], or an error where access is denied. A session may do what the package's own acl.d
file grants: all of it, or what is under `read` only (rpcd: session.c). Calls of `lansplice` run the
package's own rpcd script by busybox ash on the router, and are answered as rpcd's plugin.c does;
those of `uci` work on the router's /etc/config by way of a staged copy (rpcd: uci.c).
"""
import contextlib
import http.server
import json
import re
import threading
from pathlib import Path

import po_file
import uci_file

HERE = Path(__file__).resolve().parent
PACKAGE = HERE.parents[2] / "packaging/openwrt/luci-proto-lansplice"
SCRIPT = "/usr/libexec/rpcd/lansplice"
ACL = PACKAGE / "root/usr/share/rpcd/acl.d/luci-proto-lansplice.json"
OK, INVALID_ARGUMENT, NO_DATA = 0, 2, 5
ACCESS_DENIED = {"code": -32002, "message": "Access denied"}
READER, WRITER = "0" * 31 + "1", "0" * 31 + "2"

PAGE = """<!DOCTYPE html>
<html lang="{language}"><head><meta charset="utf-8"><title>lansplice</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="icon" href="data:,"><link rel="stylesheet" href="/luci-static/resources/theme.css">
<script>window.LUCI_ENV = {environment};</script>
<script src="/luci-static/resources/luci.js"></script></head>
<body><header>OpenWrt</header><div id="maincontent"><div id="view"></div></div>
<script>L.require('view.{view}').catch(L.error);</script></body></html>
"""


class Router:
    """The ubus of a machine.

    said has what its lansplice answered last; answers, where set, stand for what it would say.
    """

    def __init__(self, machine):
        self.machine = machine
        self.answers, self.said = {}, {}
        self.staged = {}
        granted = json.loads(ACL.read_text())["luci-proto-lansplice"]
        self.granted = {READER: [granted["read"]], WRITER: [granted["read"], granted["write"]]}

    def may(self, session, name, method):
        return any(method in rights.get("ubus", {}).get(name, [])
                   for rights in self.granted.get(session, []))

    def call(self, session, name, method, arguments):
        if name == "uci":
            return self.call_uci(session, method, arguments)
        if not self.may(session, name, method):
            raise PermissionError(f"{name}.{method}")
        if method in self.answers:
            return [OK, self.answers[method]]
        done = self.machine.run(["busybox", "ash", SCRIPT, "call", method], check=False,
                                input=json.dumps({**arguments, "ubus_rpc_session": session}))
        if not done.stdout.strip():
            return [NO_DATA]
        with contextlib.suppress(ValueError):
            answer = json.loads(done.stdout)
            if isinstance(answer, dict):
                self.said[method, arguments.get("site")] = answer
                return [OK, answer]
        return [INVALID_ARGUMENT]

    def sections(self, package):
        if package not in self.staged:
            text = self.machine.output(f"cat /etc/config/{package}")
            self.staged[package] = uci_file.parse(text)
        return self.staged[package]

    def call_uci(self, session, method, arguments):
        package = arguments.get("config", "lansplice")
        rights = self.granted.get(session, [])
        writes = method != "get"
        if not any(package in one.get("uci", []) for one in rights[writes:]):
            raise PermissionError(f"uci.{method} {package}")
        return getattr(self, f"uci_{method}")(package, arguments)

    def uci_get(self, package, _arguments):
        self.staged.pop(package, None)
        return [OK, {"values": self.sections(package)}]

    def uci_set(self, package, arguments):
        self.sections(package)[arguments["section"]].update(arguments["values"])
        return [OK]

    def uci_delete(self, package, arguments):
        for option in arguments.get("options") or []:
            del self.sections(package)[arguments["section"]][option]
        if not arguments.get("options"):
            del self.sections(package)[arguments["section"]]
        return [OK]

    def uci_apply(self, package, _arguments):
        self.machine.run(f"cat >/etc/config/{package}",
                         input=uci_file.render(self.sections(package)))
        return [OK]

    def uci_confirm(self, _package, _arguments):
        return [OK]


class Handler(http.server.BaseHTTPRequestHandler):
    """One request; the server has the router."""

    def log_message(self, *_words):
        pass

    def answer(self, body, kind, status=200):
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        path, _, query = self.path.partition("?")
        if path.startswith("/view/"):
            return self.answer(self.page(path, dict(re.findall(r"(\w+)=(\w+)", query))).encode(),
                               "text/html; charset=utf-8")
        name = path.removeprefix("/luci-static/resources/")
        for folder in HERE, PACKAGE / "htdocs/luci-static/resources":
            file = folder / name
            if file.is_file() and folder in file.resolve().parents:
                kind = {".js": "text/javascript", ".css": "text/css"}.get(file.suffix, "text/plain")
                return self.answer(file.read_bytes(), kind + "; charset=utf-8")
        return self.answer(b"not found", "text/plain", 404)

    def page(self, path, options):
        language = options.get("lang", "en")
        session = options.get("session", WRITER)
        environment = {
            "sessionid": session, "ubus": "/ubus", "resources": "/luci-static/resources",
            "writable": session == WRITER,
            "translations": po_file.translations(PACKAGE, language),
        }
        return PAGE.format(language=language, view=path.removeprefix("/view/").replace("/", "."),
                           environment=json.dumps(environment))

    def do_POST(self):
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        body = {"jsonrpc": "2.0", "id": request["id"]}
        try:
            body["result"] = self.server.router.call(*request["params"])
        except PermissionError:
            body["error"] = ACCESS_DENIED
        self.answer(json.dumps(body).encode(), "application/json")


@contextlib.contextmanager
def serving(machine, port=80):
    """Serve in that machine's network; yields its Router."""
    with machine.network():
        server = http.server.ThreadingHTTPServer(("", port), Handler)
    server.router = Router(machine)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server.router
    finally:
        server.shutdown()
        server.server_close()
        thread.join(10)
