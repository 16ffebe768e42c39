# SPDX-License-Identifier: MIT
"""Headless Chromium on a machine of the lab, driven by the DevTools protocol over two pipes."""
import base64
import contextlib
import fcntl
import json
import os
import subprocess
import threading
import time

from machine import wait_for

COMMAND = ["chromium", "--headless=new", "--no-sandbox", "--remote-debugging-pipe", "--disable-gpu",
           "--disable-dev-shm-usage", "--no-first-run", "--disable-background-networking",
           "--hide-scrollbars", "--force-color-profile=srgb", "--disable-component-update"]
READ_FD, WRITE_FD = 3, 4  # where Chromium looks for its pipes


def high(fd):
    """The descriptor again, above those that are to be overwritten."""
    copy = fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 10)
    os.close(fd)
    return copy


class Chromium:
    """The browser and its pages; errors are what a page's console and exceptions said."""

    def __init__(self, machine, folder):
        to_browser, self.commands = map(high, os.pipe())
        self.events, from_browser = map(high, os.pipe())

        def place():
            os.dup2(to_browser, READ_FD)
            os.dup2(from_browser, WRITE_FD)
        with open(folder / "chromium.log", "wb") as log:
            self.process = subprocess.Popen(
                machine.enter([*COMMAND, f"--user-data-dir={folder}/chromium", "about:blank"]),
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, preexec_fn=place,
                pass_fds=(READ_FD, WRITE_FD), env={**os.environ, "HOME": str(folder)})
        os.close(to_browser)
        os.close(from_browser)
        self.answers, self.errors, self.loaded = {}, [], False
        self.number = 0
        self.session = None
        threading.Thread(target=self.listen, daemon=True).start()
        target = self.ask("Target.createTarget", url="about:blank")["targetId"]
        attached = self.ask("Target.attachToTarget", targetId=target, flatten=True)
        self.session = attached["sessionId"]
        for domain in "Page", "Runtime", "Log":
            self.ask(f"{domain}.enable")

    def listen(self):
        rest = b""
        with contextlib.suppress(OSError):
            while chunk := os.read(self.events, 1 << 16):
                *messages, rest = (rest + chunk).split(b"\0")
                for message in messages:
                    self.take(json.loads(message))

    def take(self, message):
        if "id" in message:
            self.answers[message["id"]] = message
        elif message["method"] == "Page.loadEventFired":
            self.loaded = True
        elif message["method"] == "Runtime.exceptionThrown":
            details = message["params"]["exceptionDetails"]
            self.errors.append(details.get("exception", details).get("description", details))
        elif message["method"] == "Runtime.consoleAPICalled":
            if message["params"]["type"] in ("error", "warning", "assert"):
                self.errors.append(message["params"]["args"])
        elif message["method"] == "Log.entryAdded":
            if message["params"]["entry"]["level"] in ("error", "warning"):
                self.errors.append(message["params"]["entry"])

    def ask(self, method, **parameters):
        self.number += 1
        message = {"id": self.number, "method": method, "params": parameters}
        if self.session:
            message["sessionId"] = self.session
        os.write(self.commands, json.dumps(message).encode() + b"\0")
        wait_for(lambda: message["id"] in self.answers, 30, method)
        answer = self.answers.pop(message["id"])
        assert "error" not in answer, (method, answer["error"])
        return answer["result"]

    def open(self, url, width=1000, height=800):
        """Load a page in a window of that width; what was complained of before is forgotten."""
        self.ask("Emulation.setDeviceMetricsOverride", width=width, height=height,
                 deviceScaleFactor=1, mobile=width < 600)
        self.errors, self.loaded = [], False
        self.ask("Page.navigate", url=url)
        wait_for(lambda: self.loaded, 20, f"{url} to be loaded")

    def run(self, script):
        """The value of a JavaScript expression; of a promise, what it becomes."""
        done = self.ask("Runtime.evaluate", expression=script, returnByValue=True,
                        awaitPromise=True)
        assert "exceptionDetails" not in done, done["exceptionDetails"]
        return done["result"].get("value")

    def wait(self, script, seconds=15):
        try:
            return wait_for(lambda: self.run(f"!!({script})"), seconds, script)
        except AssertionError as error:
            raise AssertionError(f"{error}: the page says: {self.text()}") from None

    def text(self, selector="body"):
        return self.run(f"(document.querySelector({json.dumps(selector)}) || {{}}).innerText")

    def click(self, selector):
        self.run(f"document.querySelector({json.dumps(selector)}).click()")

    def type(self, selector, text):
        self.run(f"document.querySelector({json.dumps(selector)}).value = {json.dumps(text)}")

    def screenshot(self, path):
        """The whole page, however long."""
        size = self.ask("Page.getLayoutMetrics")["cssContentSize"]
        clip = {"x": 0, "y": 0, "width": size["width"], "height": size["height"], "scale": 1}
        shot = self.ask("Page.captureScreenshot", captureBeyondViewport=True, clip=clip)
        path.write_bytes(base64.b64decode(shot["data"]))
        return path

    def close(self):
        with contextlib.suppress(AssertionError, OSError):
            self.session = None
            self.ask("Browser.close")
        for _ in range(50):
            if self.process.poll() is not None:
                break
            time.sleep(0.1)
        self.process.kill()
        self.process.wait()
        os.close(self.commands)
