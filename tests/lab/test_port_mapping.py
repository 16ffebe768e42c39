# SPDX-License-Identifier: MIT
"""Ports lent by the home's gateway, a real miniupnpd: by PCP, NAT-PMP and UPnP."""
import socket
import struct
import time
from collections import namedtuple

import pytest

from captures import IP, UDP, Ether
from links import TAP
from machine import wait_for
from miniupnpd import MiniUpnpd

NO_PCP = "udp dport 5351 @th,64,8 2"  # PCP's version: what is left is NAT-PMP
NO_PORT_MAPPING = "udp dport 5351"

Request = namedtuple("Request", "to_mac from_mac source port payload")

# A gateway that knows UPnP alone, and only ports that are lent for ever; and which writes down what
# it is asked.
UPNP = """
import re, socket, struct, sys, threading
from http.server import BaseHTTPRequestHandler, HTTPServer
inside, outside = sys.argv[1:3]
SERVICE = 'urn:schemas-upnp-org:service:WANIPConnection:1'
DEVICE = 'urn:schemas-upnp-org:device:InternetGatewayDevice:1'

def device(kind, more):
    return ('<device><deviceType>urn:schemas-upnp-org:device:%s:1</deviceType>%s</device>'
            % (kind, more))

def inner(kind, more):
    return '<deviceList>' + device(kind, more) + '</deviceList>'

DESCRIPTION = '<?xml version="1.0"?><root xmlns="urn:schemas-upnp-org:device-1-0">' + device(
    'InternetGatewayDevice', inner('WANDevice', inner('WANConnectionDevice',
    '<serviceList><service><serviceType>' + SERVICE + '</serviceType>'
    '<controlURL>/control</controlURL><SCPDURL>/scpd</SCPDURL></service></serviceList>')))
DESCRIPTION += '</root>'

class Gateway(BaseHTTPRequestHandler):
    def log_message(self, *words):
        pass
    def answer(self, status, text):
        self.send_response(status)
        self.send_header('Content-Length', str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())
    def do_GET(self):
        self.answer(200, DESCRIPTION)
    def do_POST(self):
        asked = self.rfile.read(int(self.headers['Content-Length'])).decode()
        action = self.headers['SOAPAction'].strip('"').split('#')[1]
        values = dict(re.findall('<(New[A-Za-z]+)>([^<]*)<', asked))
        print(action, values.get('NewLeaseDuration'), values.get('NewExternalPort'),
              values.get('NewInternalClient'), flush=True)
        envelope = ('<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body>%s'
                    '</s:Body></s:Envelope>')
        if values.get('NewLeaseDuration', '0') != '0':
            self.answer(500, envelope % ('<s:Fault><faultcode>s:Client</faultcode>'
                '<faultstring>UPnPError</faultstring><detail><UPnPError '
                'xmlns="urn:schemas-upnp-org:control-1-0"><errorCode>725</errorCode>'
                '<errorDescription>OnlyPermanentLeasesSupported</errorDescription></UPnPError>'
                '</detail></s:Fault>'))
        else:
            self.answer(200, envelope % ('<u:%sResponse xmlns:u="%s"><NewExternalIPAddress>%s'
                '</NewExternalIPAddress></u:%sResponse>' % (action, SERVICE, outside, action)))

web = HTTPServer((inside, 0), Gateway)
threading.Thread(target=web.serve_forever, daemon=True).start()
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
s.bind(('', 1900))
s.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP,
             struct.pack('4s4s', socket.inet_aton('239.255.255.250'), socket.inet_aton(inside)))
print('ready', flush=True)
while True:
    asked, where = s.recvfrom(2000)
    if asked.startswith(b'M-SEARCH') and DEVICE.encode() in asked:
        s.sendto(('HTTP/1.1 200 OK\\r\\nST: %s\\r\\nUSN: uuid:1::%s\\r\\nEXT:\\r\\n'
                  'LOCATION: http://%s:%d/root.xml\\r\\n\\r\\n'
                  % (DEVICE, DEVICE, inside, web.server_port)).encode(), where)
"""

# A gateway that knows NAT-PMP alone, and says so to who speaks PCP.
NAT_PMP = """
import socket, struct, sys, time
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind((sys.argv[1], 5351))
while True:
    asked, where = s.recvfrom(2000)
    epoch = int(time.monotonic())
    if asked[0] != 0:
        answer = struct.pack('>BBHI', 0, asked[1] | 128, 1, epoch)
    elif asked[1] == 0:
        answer = struct.pack('>BBHI', 0, 128, 0, epoch) + socket.inet_aton(sys.argv[2])
    else:
        answer = struct.pack('>BBHI', 0, 129, 0, epoch) + asked[4:12]
    s.sendto(answer, where)
"""


def state(home, family):
    """What the daemon says of that family."""
    rows = home.lansplice.status().get("nat", {}).get("port_mapping", [])
    return next((row for row in rows if row["family"] == family), {})


def wait_mapped(home, family="ipv4", protocol="pcp", seconds=5):
    return wait_for(lambda: state(home, family).get("state") == "mapped"
                    and state(home, family)["protocol"] == protocol and state(home, family),
                    seconds, f"a port by {protocol} for {family}")


def pcp_request(frame):
    """The IPv4 request in a frame to the gateway's port, as (MACs, source, port, payload)."""
    if frame[12:14] != b"\x08\x00" or frame[23] != 17 or frame[36:38] != b"\x14\xe7":
        return None
    return Request(frame[0:6], frame[6:12], socket.inet_ntoa(frame[26:30]),
                   int.from_bytes(frame[34:36], "big"), frame[42:])


def answer_to(request, payload, source):
    """A frame from the gateway's MAC and port to who sent the request."""
    return (Ether(src=request.to_mac, dst=request.from_mac) / IP(src=source, dst=request.source)
            / UDP(sport=5351, dport=request.port) / payload)


def start(lab, home):
    return lab.daemon(home).start()


def nat_pmp_request(home, address, port, lifetime_s=600):
    """Another machine of the home asks the gateway for a port; the one it gets."""
    with home.router.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        asking.bind((address, 0))
        asking.settimeout(5)
        asking.sendto(struct.pack(">BBHHHI", 0, 1, 0, port, port, lifetime_s),
                      (f"10.77.{home.number}.1", 5351))
        result, _, _, external = struct.unpack(">HIHH", asking.recv(16)[2:12])
    assert result == 0
    return external


@pytest.mark.parametrize("protocol, drop", [
    ("pcp", None), ("nat-pmp", NO_PCP), ("upnp", NO_PORT_MAPPING)])
def test_the_other_home_calls_through_the_gateway(lab, a, b, protocol, drop):
    """a calls nobody, and is reached at what its gateway lent it; at the end that is taken back."""
    gateway = MiniUpnpd(a)
    if drop:
        gateway.drop(f"meta nfproto ipv4 {drop}")
    one, other = lab.daemon(a), lab.daemon(b)
    one.add_peer(other)
    one.start()
    mapping = wait_mapped(a, protocol=protocol, seconds=15)
    assert mapping["external"] == f"{gateway.outside}:7788" and mapping["problem"] is None
    assert 0 < mapping["expires_s"] <= (3600 if protocol == "upnp" else 1200)
    other.add_peer(one, mapping["external"])
    other.start()
    one.wait_up()
    other.wait_up()
    one.stop()
    wait_for(lambda: not gateway.granted(), 3, "the gateway to have all ports back")


def test_ipv6_pinhole(lab, a, b):
    """PCP opens the firewall for IPv6, which lets in nobody unasked."""
    gateway = MiniUpnpd(a)
    one, other = lab.daemon(a), lab.daemon(b)
    one.add_peer(other)
    other.add_peer(one, a.endpoint(family=6))
    other.start()
    time.sleep(2)
    one.machine.run("ip -6 route del default")
    one.start()
    time.sleep(2)
    assert state(a, "ipv6")["state"] == "no gateway" and not other.is_up()
    one.machine.run(f"ip -6 route add default via 2001:db8:{a.number}::1")
    mapping = wait_mapped(a, "ipv6")
    assert mapping["external"] == a.endpoint(family=6)
    other.wait_up()
    one.stop()
    wait_for(lambda: not gateway.granted(), 3, "the gateway to have all ports back")


def test_a_public_address_needs_no_port(lab, a):
    start(lab, a)
    assert wait_for(lambda: state(a, "ipv4"))["state"] == "unneeded"


def test_a_gateway_that_speaks_nothing(lab, a):
    MiniUpnpd(a, upnp=False).drop(f"meta nfproto ipv4 {NO_PORT_MAPPING}")
    start(lab, a)
    wait_for(lambda: "UPnP" in (state(a, "ipv4").get("problem") or ""), 25,
             "the daemon to give up on all three")
    assert state(a, "ipv4")["state"] == "silent"
    assert state(a, "ipv4")["external"] is None


def test_a_gateway_that_refuses(lab, a):
    """PCP finds out when there is a NAT on the way to the gateway, and says so."""
    gateway = MiniUpnpd(a)
    a.router.run("""
        ip addr add 10.77.1.3/24 dev wan
        nft add table ip nat
        nft 'add chain ip nat post { type nat hook postrouting priority 100; }'
        nft add rule ip nat post oifname wan th dport != 1900 snat to 10.77.1.3""")
    start(lab, a)
    wait_for(lambda: state(a, "ipv4").get("state") == "refused", 10, "a refusal")
    assert "another NAT between" in state(a, "ipv4")["problem"]
    wait_for(lambda: "AddPortMapping" in gateway.process.log(), 10, "UPnP to be tried")
    time.sleep(0.5)
    assert state(a, "ipv4")["state"] == "refused"
    assert not any("10.77.1" in rule for rule in gateway.granted())


def test_behind_another_nat(lab, a):
    """What the gateway lends is on an address that means nothing outside."""
    gateway = MiniUpnpd(a, pcp=False)  # which itself lends nothing of such an address
    gateway.machine.start(["/usr/bin/python3", "-c", NAT_PMP, gateway.inside, "100.64.3.2"],
                          name="nat-pmp")
    time.sleep(0.5)
    start(lab, a)
    mapping = wait_mapped(a, protocol="nat-pmp", seconds=2)
    assert mapping["external"] == "100.64.3.2:7788"
    assert mapping["problem"] == "mapped, but behind another NAT"


def test_a_gateway_that_restarts(lab, a):
    """It forgets all ports and says that it restarted: asked anew at once, both families."""
    gateway = MiniUpnpd(a)
    start(lab, a)
    wait_mapped(a)
    wait_mapped(a, "ipv6")
    time.sleep(4)  # so that its new time is seen to be another
    gateway.kill()
    assert not gateway.granted()
    gateway.start()
    wait_for(lambda: len(gateway.granted()) == 3, 6, "the ports to be lent again")


def test_a_daemon_that_was_killed(lab, a):
    """PCP does not give a port to somebody else: after a crash the daemon is still the same."""
    gateway = MiniUpnpd(a)
    daemon = start(lab, a)
    wait_mapped(a)
    daemon.kill()
    a.router.run(f"ip link del {TAP}", check=False)
    assert gateway.granted()
    daemon.restart()
    assert wait_mapped(a)["external"] == f"{gateway.outside}:7788"


@pytest.mark.parametrize("protocol, drop", [("pcp", None), ("upnp", NO_PORT_MAPPING)])
def test_a_port_that_another_machine_has(lab, a, protocol, drop):
    """Then any other will do."""
    gateway = MiniUpnpd(a)
    a.router.run("ip addr add 10.77.1.3/24 dev wan")
    assert nat_pmp_request(a, "10.77.1.3", 7788) == 7788
    if drop:
        gateway.drop(f"meta nfproto ipv4 {drop}")
    start(lab, a)
    mapping = wait_mapped(a, protocol=protocol, seconds=15)
    address, port = mapping["external"].split(":")
    assert address == gateway.outside and port != "7788"


def test_a_new_address(lab, a):
    """Another address of ours: what was lent for the old one is of no use any more."""
    gateway = MiniUpnpd(a)
    start(lab, a)
    wait_mapped(a)
    a.router.run("""
        ip addr del 10.77.1.2/24 dev wan
        ip addr add 10.77.1.9/24 dev wan
        ip route replace default via 10.77.1.1""")
    wait_for(lambda: any("10.77.1.9:7788" in rule for rule in gateway.granted()), 6,
             "a port for the new address")
    wait_mapped(a)


def test_ports_are_renewed(lab, a):
    gateway = MiniUpnpd(a, lifetime_s=7)
    start(lab, a)
    assert wait_mapped(a)["expires_s"] <= 7
    for _ in range(12):
        time.sleep(1)
        assert state(a, "ipv4")["state"] == state(a, "ipv6")["state"] == "mapped"
        assert len(gateway.granted()) == 3


def test_a_gateway_that_lends_for_ever(lab, a):
    """Many lend ports by UPnP only until they are given back, and refuse a time."""
    gateway = MiniUpnpd(a, upnp=False)
    gateway.drop(f"meta nfproto ipv4 {NO_PORT_MAPPING}")
    igd = gateway.machine.start(["/usr/bin/python3", "-c", UPNP, gateway.inside, "9.9.9.9"],
                                name="upnp")
    wait_for(lambda: "ready" in igd.log(), 5, "the gateway to be ready")
    daemon = start(lab, a)
    assert wait_mapped(a, protocol="upnp", seconds=15)["external"] == "9.9.9.9:7788"
    daemon.stop()
    assert igd.log().splitlines()[1:] == [
        f"AddPortMapping 3600 7788 {gateway.home_ip}", f"AddPortMapping 0 7788 {gateway.home_ip}",
        "GetExternalIPAddress None None None", "DeletePortMapping None 7788 None"]


def test_a_gateway_that_is_gone_does_not_hold_up_the_end(lab, a):
    gateway = MiniUpnpd(a)
    gateway.drop(f"meta nfproto ipv4 {NO_PORT_MAPPING}")
    daemon = start(lab, a)
    wait_mapped(a, protocol="upnp", seconds=15)
    gateway.drop("meta l4proto tcp")
    began = time.monotonic()
    assert daemon.stop() == 0
    assert 1.5 < time.monotonic() - began < 3.5


def test_the_end_does_not_wait_for_a_search(lab, a):
    """Who ends while a gateway is looked for by UPnP ends at once, and has nothing lent to him."""
    gateway = MiniUpnpd(a)
    gateway.drop(NO_PORT_MAPPING)
    daemon = start(lab, a)
    wait_for(lambda: "M-SEARCH" in gateway.process.log(), 15, "the search")
    began = time.monotonic()
    assert daemon.stop() == 0
    assert time.monotonic() - began < 1.5
    time.sleep(2.5)  # the search lasts two seconds
    assert not gateway.granted()


def test_the_other_homes_gateway_is_left_alone(lab, a, b):
    """Beside the routers the search for UPnP crosses the tunnel, and the wrong gateway answers."""
    far, near = MiniUpnpd(a, beside=True), MiniUpnpd(b, upnp=False, beside=True)
    one, other = lab.daemon(a), lab.daemon(b)
    one.add_peer(other)
    one.site["guard"] = other.site["guard"] = "off"
    one.start()
    other.add_peer(one, wait_mapped(a)["external"])
    near.drop(f"meta nfproto ipv4 {NO_PORT_MAPPING}")
    other.start()
    other.wait_up()
    wait_for(lambda: "UPnP" in (state(b, "ipv4").get("problem") or ""), 25, "b to find no gateway")
    assert f"M-SEARCH from {b.router_ip}" in far.process.log(), "the search did not cross"
    assert b.router.ping(far.inside), "the answer could not cross"
    assert not any(f"{b.router_ip}:" in rule for rule in far.granted())


def test_forged_answers(lab, a):
    """Somebody else in the LAN, or one who has the gateway's address but not our nonce."""
    gateway = MiniUpnpd(a)
    gateway.drop(f"meta nfproto ipv4 {NO_PORT_MAPPING}")
    with gateway.machine.packet_socket("home") as wire:
        start(lab, a)
        request = wait_for(lambda: pcp_request(wire.recv(2000)), 5, "a request")
    forged = bytearray(request.payload)
    forged[1] |= 0x80
    forged[8:12] = bytes(4)
    forged[44:60] = bytes(10) + bytes.fromhex("ffff 09090909")
    stranger = answer_to(request, bytes(forged), source="10.77.1.7")
    forged[24] ^= 1
    nameless = answer_to(request, bytes(forged), source=gateway.inside)
    gateway.machine.send("home", stranger, nameless)
    time.sleep(0.5)
    assert state(a, "ipv4")["external"] is None
    forged[24] ^= 1
    gateway.machine.send("home", answer_to(request, bytes(forged), source=gateway.inside))
    assert wait_mapped(a)["external"].startswith("9.9.9.9:")  # but for that it was good
