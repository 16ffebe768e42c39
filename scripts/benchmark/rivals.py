# SPDX-License-Identifier: MIT
"""Other people's Layer-2 tunnels, as Debian packages them and as their documentation has them fast.

Keys and certificates are made on the spot, in the network's folder. See peers.py for what a peer
is.
"""
import shutil
import subprocess
from pathlib import Path

from machine import wait_for
from peers import Peer, pairs, plug, write

BUFFER_BYTES = 1 << 20  # socket buffers, where a peer lets one say so

FASTD = """
log level warn;
mode tap;
interface "fastd0";
method "{method}";
mtu 1500;
bind any:7790;
secret "{secret}";
peer "other" {{ key "{key}"; remote {remote} port 7790; }}
"""


class Fastd(Peer):
    programs = ("fastd",)

    def __init__(self, method, title):
        self.method, self.name, self.title = method, f"fastd-{method}", f"fastd {title}"

    @staticmethod
    def keys():
        done = subprocess.run(["fastd", "--generate-key"], capture_output=True, text=True,
                              check=True)
        words = dict(line.split(": ", 1) for line in done.stdout.splitlines() if ": " in line)
        return words["Secret"].strip(), words["Public"].strip()

    def start(self, network):
        keys = {site.name: self.keys() for site in network.sites}
        for site, other in pairs(network):
            config = write(network, f"{site.name}-fastd.conf", FASTD.format(
                method=self.method, secret=keys[site.name][0], key=keys[other.name][1],
                remote=other.wan_ip))
            site.start(["fastd", "-c", config])
            plug(site, "fastd0")


TINC = """
Name = {me}
Mode = switch
Interface = tinc0
DeviceType = tap
ConnectTo = {other}
Cipher = aes-256-cbc
Digest = sha256
UDPRcvBuf = {buffer}
UDPSndBuf = {buffer}
"""


class Tinc(Peer):
    name, title, programs = "tinc", "tinc AES-256", ("tincd",)
    note = "1.0, AES-256-CBC with SHA-256"
    settle_seconds = 10  # until it knows the path MTU it sends by TCP what is large

    def start(self, network):
        for site, other in pairs(network):
            folder = write(network, f"{site.name}-tinc/tinc.conf", TINC.format(
                me=site.name, other=other.name, buffer=BUFFER_BYTES)).parent
            (folder / "hosts").mkdir()
            (folder / "hosts" / site.name).write_text(
                f"Address = {site.wan_ip}\nCipher = aes-256-cbc\nDigest = sha256\n")
            subprocess.run(["tincd", "-c", folder, "-K2048"], input="\n\n", text=True,
                           capture_output=True, check=True, timeout=60)
        for site, other in pairs(network):
            shutil.copy(network.folder / f"{other.name}-tinc/hosts/{other.name}",
                        network.folder / f"{site.name}-tinc/hosts/{other.name}")
        for site in network.sites:
            site.start(["tincd", "-c", network.folder / f"{site.name}-tinc", "-D",
                        "--pidfile=/run/tinc.pid"])
            plug(site, "tinc0")


class OpenVpn(Peer):
    """Two equal ends; each knows the other's self-signed certificate by its fingerprint."""
    name, title, programs = "openvpn-aes256gcm", "OpenVPN AES-256-GCM", ("openvpn", "openssl")
    note = "tap, fast-io"
    ready_seconds = 20

    @staticmethod
    def certificate(folder, name):
        """Make one; its fingerprint."""
        key, certificate = folder / f"{name}.key", folder / f"{name}.crt"
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                        "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj",
                        f"/CN={name}", "-keyout", key, "-out", certificate],
                       capture_output=True, check=True)
        shown = subprocess.run(["openssl", "x509", "-fingerprint", "-sha256", "-noout", "-in",
                                certificate], capture_output=True, text=True, check=True).stdout
        return shown.strip().split("=", 1)[1]

    def start(self, network):
        prints = {site.name: self.certificate(network.folder, site.name) for site in network.sites}
        for site, other in pairs(network):
            site.start([
                "openvpn", "--dev", "ovpn0", "--dev-type", "tap", "--proto", "udp",
                "--local", site.wan_ip, "--remote", other.wan_ip, "--port", "1194",
                "--tls-server" if site is network.a else "--tls-client", "--dh", "none",
                "--cert", network.folder / f"{site.name}.crt",
                "--key", network.folder / f"{site.name}.key",
                "--peer-fingerprint", prints[other.name],
                "--data-ciphers", "AES-256-GCM", "--cipher", "AES-256-GCM",
                "--fast-io", "--sndbuf", BUFFER_BYTES, "--rcvbuf", BUFFER_BYTES,
                "--txqueuelen", "1000", "--keepalive", "10", "60", "--verb", "1"])
            plug(site, "ovpn0")


class SoftEther(Peer):
    """Two servers; b's hub calls a's over 8 TCP connections, each hub has a TAP in its bridge."""
    name, title, programs = "softether", "SoftEther AES-256", ("vpnserver", "vpncmd")
    note = "TLS, AES-256-GCM, 8 TCP connections"
    ready_seconds = 40
    settle_seconds = 8  # one connection more each second
    program = "/usr/libexec/softether/vpnserver/vpnserver"
    hub = ["Hub DEFAULT"]
    bridge = ["BridgeCreate DEFAULT /DEVICE:se /TAP:yes"]
    user = ["UserCreate peer /GROUP:none /REALNAME:none /NOTE:none",
            "UserPasswordSet peer /PASSWORD:secret"]
    call = ["CascadeCreate c /SERVER:{a}:5555 /HUB:DEFAULT /USERNAME:peer",
            "CascadePasswordSet c /PASSWORD:secret /TYPE:standard",
            "CascadeEncryptEnable c", "CascadeCompressDisable c",
            "CascadeDetailSet c /MAXTCP:8 /INTERVAL:1 /TTL:0 /HALF:no /BRIDGE:yes /MONITOR:no "
            "/NOTRACK:no /NOQOS:yes",
            "CascadeOnline c"]

    def binary(self):
        """Debian's vpnserver is a shell script around it."""
        return self.program if Path(self.program).exists() else super().binary()

    def configure(self, network, site, lines):
        script = write(network, f"{site.name}-softether", "\n".join(lines) + "\n")
        command = ["vpncmd", "localhost:5555", "/SERVER", f"/IN:{script}"]
        wait_for(lambda: "LISTEN" in site.router.output("ss -ltn 'sport = 5555'"), 15,
                 "vpnserver to listen")
        done = site.router.run(command, check=False, seconds=40)
        if done.returncode:
            raise AssertionError(f"vpncmd: {done.stdout[-800:]}")

    def start(self, network):
        for site in network.sites:
            # Its log and its state go into the machine's own folders and vanish with it.
            site.router.run("""
                mount -t tmpfs tmpfs /var/log
                mkdir -p /run/softether /var/log/softether /var/lib/softether""")
            site.start(["vpnserver", "execsvc"])
        self.configure(network, network.a, self.bridge + self.hub + self.user)
        call = [line.format(a=network.a.wan_ip) for line in self.call]
        self.configure(network, network.b, self.bridge + self.hub + call)
        for site in network.sites:
            plug(site, "tap_se")


class N2n(Peer):
    """Two edges; a's router is the supernode, too, for there must be one."""
    name, programs = "n2n", ("edge", "supernode")
    note = "Debian's version 1; the supernode runs at a and counts"

    def start(self, network):
        supernode = network.a
        supernode.start(["supernode", "-l", "7654"])
        # An edge that registers too early tries again only after a minute.
        wait_for(lambda: ":7654" in supernode.router.output("ss -lun"), 5, "the supernode")
        for site in network.sites:
            site.start(["edge", "-d", "n2n0", "-a", f"10.9.0.{site.number}", "-c", "bench",
                        "-k", "a secret of sixteen", "-l", f"{supernode.wan_ip}:7654", "-r",
                        "-M", "1500"])
            plug(site, "n2n0")


class WireguardVxlan(Peer):
    """The kernel's VXLAN inside a userspace WireGuard."""
    name, title, programs = "wireguard-go+vxlan", "wireguard-go + VXLAN", ("wireguard-go", "wg")

    @staticmethod
    def keys():
        private = subprocess.run(["wg", "genkey"], capture_output=True, text=True,
                                 check=True).stdout
        public = subprocess.run(["wg", "pubkey"], input=private, capture_output=True, text=True,
                                check=True).stdout
        return private, public.strip()

    def start(self, network):
        keys = {site.name: self.keys() for site in network.sites}
        for site, other in pairs(network):
            private = write(network, f"{site.name}.wg", keys[site.name][0])
            site.start(["wireguard-go", "-f", "wg0"], env={"WG_PROCESS_FOREGROUND": "1",
                                                           "LOG_LEVEL": "error"})
            wait_for(lambda router=site.router: router.ok("wg show wg0"), 10, "wireguard-go")
            site.router.run(f"""
                wg set wg0 private-key {private} listen-port 51820 peer {keys[other.name][1]} \
                    allowed-ips 10.8.0.{other.number}/32 endpoint {other.wan_ip}:51820
                ip addr add 10.8.0.{site.number}/24 dev wg0
                ip link set wg0 mtu 1420 up
                ip link add vx0 type vxlan id 42 dstport 4789 local 10.8.0.{site.number} \
                    remote 10.8.0.{other.number}""")
            plug(site, "vx0")


def all_rivals():
    return [Fastd("aes128-ctr+umac", "AES-128 + UMAC"), Fastd("salsa2012+umac", "Salsa2012 + UMAC"),
            Tinc(), OpenVpn(), SoftEther(), N2n(), WireguardVxlan()]
