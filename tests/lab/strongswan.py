# SPDX-License-Identifier: MIT
"""strongSwan: an IKEv2 daemon on a machine, with certificates so large that IKE_AUTH is fragmented.

Only the IKE_SA is of interest: connections are childless, so the kernel needs no ESP. What charon
and swanctl read and write has its usual name, for AppArmor's profiles go by names, but is the
machine's own: a tmpfs hides the host's /etc/swanctl, and another file its /etc/strongswan.conf.
"""
import subprocess

from machine import wait_for

PLUGINS = ("random nonce drbg aes sha1 sha2 hmac kdf gmp pem pkcs1 pkcs8 x509 pubkey constraints "
           "socket-default kernel-netlink vici")

# IKE_SA_INIT is far below every MTU here: modp2048 makes it about 450 bytes.
CONNECTION = """
    {name} {{
        version = 2
        local_addrs = {local}
        remote_addrs = {remote}
        proposals = aes256-sha256-modp2048
        fragmentation = no
        mobike = no
        childless = force
        send_cert = always
        local {{
            auth = pubkey
            certs = {id}.pem
            id = {id}
        }}
        remote {{
            auth = pubkey
            id = {other_id}
        }}
    }}
"""

SETTINGS = """
charon-systemd {{
    load = {plugins}
    retransmit_timeout = {retransmit_s}
    retransmit_base = 1.0
    retransmit_tries = {tries}
    install_routes = no
    journal {{
        default = -1
    }}
    filelog {{
        stderr {{
            default = 1
            flush_line = yes
        }}
    }}
}}
"""


class Authority:
    """A CA in a folder: it and all it certifies have RSA keys of 4096 bits, as text."""

    def __init__(self, folder):
        self.folder = folder
        self.certificate, self._key = self._make("authority", "-addext", "keyUsage=keyCertSign")

    def _make(self, name, *options):
        certificate, key = self.folder / f"{name}.pem", self.folder / f"{name}.key"
        subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:4096", "-nodes", "-days", "30",
                        "-keyout", key, "-out", certificate, "-subj", f"/O=lab/CN={name}",
                        *options], check=True, capture_output=True)
        return certificate.read_text(), key.read_text()

    def certify(self, name):
        """(certificate, private key) for that DNS name."""
        return self._make(name, "-CA", self.folder / "authority.pem",
                          "-CAkey", self.folder / "authority.key",
                          "-addext", "basicConstraints=critical,CA:FALSE",
                          "-addext", f"subjectAltName=DNS:{name}")


class StrongSwan:
    """charon on a machine, ready to initiate and to answer.

    id is its name in a certificate, (certificate, private key) in credentials. An exchange that is
    not answered is repeated after retransmit_s, so often as tries says, and then given up.
    """

    def __init__(self, machine, id, credentials, authority, retransmit_s=4.0, tries=1):
        self.machine, self.id = machine, id
        self.connections = ""
        machine.run("""
            mount -t tmpfs tmpfs /etc/swanctl
            mkdir /etc/swanctl/x509 /etc/swanctl/x509ca /etc/swanctl/private""")
        self._write("/etc/swanctl/strongswan.conf", SETTINGS.format(
            plugins=PLUGINS, retransmit_s=retransmit_s, tries=tries))
        machine.run("mount --bind /etc/swanctl/strongswan.conf /etc/strongswan.conf")
        self._write("/etc/swanctl/x509ca/authority.pem", authority.certificate)
        self._write(f"/etc/swanctl/x509/{id}.pem", credentials[0])
        self._write(f"/etc/swanctl/private/{id}.key", credentials[1])
        self.process = machine.start(["charon-systemd"], name="charon")
        wait_for(lambda: machine.ok("test -S /run/charon.vici") or not self.process.running, 10,
                 f"charon on {machine.name}")
        assert self.process.running, self.log()

    def _write(self, path, text):
        self.machine.run(f"umask 077; cat >{path}", input=text)

    def _swanctl(self, *words, **how):
        return self.machine.run(["swanctl", *words], **how)

    def connect(self, name, other_id, local, remote):
        """Know a connection of that name to another machine's address; nothing is sent yet."""
        self.connections += CONNECTION.format(name=name, id=self.id, other_id=other_id,
                                              local=local, remote=remote)
        self._write("/etc/swanctl/swanctl.conf", f"connections {{{self.connections}}}\n")
        self._swanctl("--load-all")

    def initiate(self, name):
        """Ask for the IKE_SA; True when swanctl says that it is up."""
        return self._swanctl("--initiate", "--ike", name, check=False).returncode == 0

    def established(self):
        """The names of the connections whose IKE_SA is up."""
        rows = self._swanctl("--list-sas").stdout.splitlines()
        return {row.partition(":")[0] for row in rows if ", ESTABLISHED," in row}

    def terminate(self, name):
        self._swanctl("--terminate", "--ike", name)

    def log(self):
        return self.process.log()
