# SPDX-License-Identifier: MIT
"""netifd as far as a protocol handler sees it: openwrt/netifd, proto-shell.c.

It calls the handler's script as netifd does (dump, setup, teardown, renew), takes the messages of
network.interface notify_proto while it runs, checks them against proto-shell.c's policy
(notify_attr) and goes through the same states. What it is told to run is for a test to run, and to
say when that ends.
"""
import json
import subprocess
import time

IDLE, SETUP, TEARDOWN = "S_IDLE", "S_SETUP", "S_TEARDOWN"

# notify_attr: the attributes that these handlers may send, and their types.
POLICY = {"action": int, "error": list, "command": list, "env": list, "signal": int,
          "available": bool, "link-up": bool, "ifname": str, "data": dict, "keep": bool,
          "host": str, "interface": str}
SCRIPT = "cd /lib/netifd/proto && exec ./lansplice.sh \"$@\""


class Netifd:
    """One interface. state is as in proto-shell.c, before the first setup as after a teardown."""

    def __init__(self, router, interface, **config):
        self.router, self.interface = router, interface
        self.config = {"proto": "lansplice", **config}
        self.state, self.autostart, self.last_error = IDLE, True, None
        self.task = self.device = self.left_running = None
        self.errors, self.signals, self.needs, self.others = [], [], [], []
        self.handler = json.loads(router.run("sh", "-c", SCRIPT, "sh", "lansplice", "dump").stdout)

    def on_run(self, command):
        """For a test that runs what the handler has run."""

    def on_signal(self, signal):
        """The same, when it is sent one."""

    def on_other(self, where, method, message):
        """For a test that does what else of ubus is called."""

    def _call(self, action, **environment):
        self.others, done = [], 0
        script = subprocess.Popen(
            self.router.words("sh", "-c", SCRIPT, "sh", "lansplice", action, self.interface,
                              json.dumps(self.config), **environment),
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        running = True
        while running:
            time.sleep(0.02)
            running = script.poll() is None
            calls = self.router.calls(forget=False)
            for call in calls[done:]:
                self._take(*call)
            done = len(calls)
        said = "".join(script.communicate())
        assert said == "", said
        self.router.calls()

    def _take(self, where, method, message):
        if (where, method) == ("network.interface", "notify_proto"):
            self._notify(message)
        else:
            self.others.append((where, method, message))
            self.on_other(where, method, message)

    def _notify(self, message):
        for name, value in message.items():
            assert name in POLICY, f"netifd knows no {name}"
            assert type(value) is POLICY[name], f"{name} must be a {POLICY[name]}"
        assert message["interface"] == self.interface
        action = [self._update, self._run, self._kill, self._error, self._block, None,
                  self._depend, self._failed][message["action"]]
        action(message)

    def _update(self, message):
        assert self.state != TEARDOWN and "link-up" in message
        assert message["link-up"] and message["ifname"]
        self.device, self.state = message["ifname"], IDLE

    def _run(self, message):
        assert self.state == SETUP and all(type(word) is str for word in message["command"])
        self.task = message["command"]
        self.on_run(self.task)

    def _kill(self, message):
        signal = message.get("signal", 15)
        assert 0 < signal < 32
        if self.task:
            self.signals.append(signal)
            self.on_signal(signal)
            if signal in (9, 15):
                self.task = None

    def _error(self, message):
        assert 0 < len(message["error"]) < 16
        self.errors.append(message["error"])

    def _block(self, _message):
        self.autostart = False

    def _depend(self, message):
        assert self.state == SETUP
        assert message["host"] or message["ifname"]
        self.needs.append((message["host"], message.get("ifname")))

    def _failed(self, _message):
        assert self.state in (IDLE, SETUP)
        self.state = TEARDOWN

    # What makes netifd call the script.

    def setup(self):
        assert self.state == IDLE and not self.device
        self.state, self.last_error, self.needs = SETUP, None, []
        self._call("setup")
        # proto_shell_task_finish(): a handler with a task that has none when its script ends
        if self.state == TEARDOWN or (self.state == SETUP and not self.task):
            self.teardown()

    def teardown(self):
        self.state = TEARDOWN
        how = {} if self.last_error is None else {"ERROR": str(self.last_error)}
        self._call("teardown", **how)
        self.left_running = bool(self.task)
        if self.task:  # netifd ends what the script has left
            self.on_signal(15)
        self.task = self.device = None
        self.state = IDLE

    def renew(self):
        assert self.handler["renew-handler"]
        had_task = bool(self.task)
        self._call("renew")
        if had_task and not self.task:
            self.task_ends(0)

    def task_ends(self, status):
        """The daemon ended by itself: teardown, and setup again unless that is blocked."""
        self.task, self.last_error = None, status
        self.teardown()
        if self.autostart:
            self.setup()
