# SPDX-License-Identifier: MIT
"""The real programs of a home: Avahi, minidlna, dnsmasq, radvd, a web server, a DHCP client."""
import json
import os
import urllib.parse

from machine import wait_for

WEB_SERVER = """
import http.server, socket, socketserver, sys
class Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = sys.argv[2].encode()
        self.send_response(200)
        self.send_header('Content-Length', str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *words):
        pass
class Server(http.server.ThreadingHTTPServer):
    address_family = socket.AF_INET6
    request_queue_size = 64
    server_bind = socketserver.TCPServer.server_bind  # HTTPServer's asks the DNS for a name
    server_name, server_port = 'web', 0
Server(('::', int(sys.argv[1])), Answer).serve_forever()
"""


def serve_web(host, port, text):
    """An HTTP server for both families that answers everything with text."""
    host.start(["/usr/bin/python3", "-c", WEB_SERVER, port, text], name="web")
    wait_for(lambda: port in listening(host, "tcp"), 10, "the web server to listen")


def listening(host, protocol):
    """The ports something listens on, both families."""
    rows = host.output(f"cat /proc/net/{protocol} /proc/net/{protocol}6").splitlines()
    return {int(row.split()[1].rsplit(":", 1)[1], 16) for row in rows
            if row.split()[0].rstrip(":").isdigit() and row.split()[3] in ("0A", "07")}


def fetch(host, address, port, seconds=4, path="/"):
    """The body at an address, or None when it cannot be fetched."""
    literal = f"[{address}]" if ":" in address else address
    done = host.run(["curl", "-gsf", "--noproxy", "*", "-m", seconds,
                     f"http://{literal}:{port}{path}"], check=False, seconds=seconds + 5)
    return done.stdout if done.returncode == 0 else None


class Avahi:
    """avahi-daemon with a system bus of its own, in the host's private /run.

    Strict, as here by default, it takes only answers that came with TTL 255: it is the judge of
    what the TTL repair does.
    """

    def __init__(self, host, name, interface="eth0", strict=True):
        self.host = host
        conf = host.folder / f"{host.name}-avahi.conf"
        conf.write_text(f"""
[server]
host-name={name}
use-ipv4=yes
use-ipv6=yes
allow-interfaces={interface}
check-response-ttl={"yes" if strict else "no"}
ratelimit-interval-usec=1000000
ratelimit-burst=1000
[wide-area]
enable-wide-area=no
[publish]
publish-hinfo=no
publish-workstation=no
publish-aaaa-on-ipv4=yes
publish-a-on-ipv6=yes
""")
        host.run("mkdir -p /run/dbus && dbus-daemon --system --fork --nopidfile")
        self.process = host.start(["avahi-daemon", "-f", conf, "--no-rlimits", "--no-drop-root",
                                   "--no-chroot"], name="avahi")
        wait_for(lambda: "Server startup complete" in self.process.log(), 15,
                 f"Avahi on {host.name}")

    def publish(self, name, service, port, *texts):
        process = self.host.start(["avahi-publish", "-s", name, service, port, *texts],
                                  name="avahi-publish")
        wait_for(lambda: "Established" in process.log(), 10, f"{name} to be published")
        return process

    def browse(self, service, resolve=True):
        """Rows of avahi-browse: dicts of name, family, host, address, port, text."""
        flags = "-rpt" if resolve else "-pt"
        rows = []
        for line in self.host.output(["avahi-browse", flags, service], seconds=20).splitlines():
            words = line.split(";")
            row = {"family": 6 if words[2] == "IPv6" else 4, "name": words[3].replace("\\032", " ")}
            if words[0] == "=":
                row |= {"host": words[6], "address": words[7], "port": int(words[8]),
                        "text": words[9]}
                rows.append(row)
            elif not resolve and words[0] == "+":
                rows.append(row)
        return rows

    def find(self, name, service, seconds=10, families=(4, 6)):
        """Wait until the service is resolved by mDNS over each of families; its rows."""
        def found():
            rows = [row for row in self.browse(service) if row["name"] == name]
            return rows if {row["family"] for row in rows} >= set(families) else None
        return wait_for(found, seconds, f"{name} {service} to be found on {self.host.name}")

    def addresses(self, name):
        """Every address of a host name, A and AAAA."""
        found = set()
        for flag in "-4", "-6":
            done = self.host.run(["avahi-resolve", flag, "-n", name], check=False, seconds=20)
            found |= {line.split()[1] for line in done.stdout.splitlines() if "\t" in line}
        return found


class MiniDlna:
    """A DLNA server with one picture; found by SSDP."""

    def __init__(self, host, name, interface="eth0", port=8200):
        media = host.folder / f"{host.name}-media"
        media.mkdir()
        (media / "seaside.jpg").write_bytes(bytes.fromhex("ffd8ffe000104a46494600010100000100010000"
                                                          "ffd9"))
        conf = host.folder / f"{host.name}-minidlna.conf"
        conf.write_text(f"""
network_interface={interface}
port={port}
friendly_name={name}
media_dir={media}
db_dir=/run/minidlna
log_dir=/run/minidlna
inotify=no
notify_interval=30
""")
        host.run("mkdir -p /run/minidlna")
        self.process = host.start(["minidlnad", "-S", "-f", conf], name="minidlna")
        wait_for(lambda: port in listening(host, "tcp"), 20, "minidlna to listen")


def discover_ssdp(host, seconds=3, interface="eth0"):
    """The LOCATION of every device that answers a search, by its own USN."""
    done = host.run(["timeout", seconds + 2, "gssdp-discover", "-i", interface, "-n", seconds,
                     "--target=ssdp:all"], check=False, seconds=seconds + 10)
    found, usn = {}, None
    for line in done.stdout.splitlines():
        key, _, value = line.strip().partition(":")
        if key == "USN":
            usn = value.strip()
        elif key == "Location" and usn:
            found[usn] = value.strip()
    return found


def find_dlna(host, name, seconds=15):
    """Search until a device of that name describes itself at its LOCATION; that URL."""
    def found():
        for url in set(discover_ssdp(host).values()):
            parts = urllib.parse.urlsplit(url)
            if name in (fetch(host, parts.hostname, parts.port, path=parts.path) or ""):
                return url
        return None
    return wait_for(found, seconds, f"{name} to be found on {host.name}")


def serve_dhcp(home, first, last):
    """dnsmasq on the home's router, for IPv4."""
    process = home.router.start(
        ["dnsmasq", "-k", "-p0", "-C", "/dev/null", "--interface=br-lan", "--bind-interfaces",
         "--log-facility=-", "--dhcp-authoritative", "--no-ping", "--leasefile-ro",
         f"--dhcp-range=192.168.1.{first},192.168.1.{last},255.255.255.0,1h",
         f"--dhcp-option=3,{home.router_ip}", "--pid-file=/run/dnsmasq.pid", "--user=root"],
        name="dnsmasq")
    wait_for(lambda: 67 in listening(home.router, "udp"), 10, "dnsmasq to listen")
    return process


def advertise(home, prefix=None, interval_s=3):
    """radvd on the home's router: a default router and the home's own /64."""
    conf = home.router.folder / f"{home.router.name}-radvd.conf"
    conf.write_text(f"""
interface br-lan {{
    AdvSendAdvert on;
    MinRtrAdvInterval {interval_s};
    MaxRtrAdvInterval {interval_s + 1};
    prefix {prefix or home.prefix6}/64 {{ AdvOnLink on; AdvAutonomous on; }};
}};
""")
    os.chmod(conf, 0o600)
    return home.router.start(["radvd", "-n", "-m", "stderr", "-C", conf, "-p",
                              "/run/radvd.pid", "-u", "root"], name="radvd")


def addresses_of(machine, interface="eth0", family=6):
    """The global addresses an interface has."""
    rows = json.loads(machine.output(f"ip -j -{family} addr show dev {interface} scope global"))
    return [a["local"] for row in rows for a in row.get("addr_info", [])
            if "local" in a]


def lease(machine, interface="eth0"):
    """One address by a real DHCP client: (address, router, server)."""
    script = machine.folder / "udhcpc.sh"
    script.write_text("#!/bin/sh\n[ \"$1\" = bound ] && echo \"$ip $router $serverid\"\nexit 0\n")
    script.chmod(0o755)
    done = machine.run(["busybox", "udhcpc", "-f", "-n", "-q", "-t", 5, "-T", 1, "-i", interface,
                        "-s", script], check=False)
    rows = [line.split() for line in done.stdout.splitlines() if line.count(".") >= 9]
    return tuple(rows[-1]) if rows else None
