# SPDX-License-Identifier: MIT
"""A machine of the lab: a process in namespaces of its own, and links between machines.

A machine has its own network, mounts, host name, processes and IPC. Nothing of it has a name on
the host, so labs that run at the same time cannot collide, and all of it goes when its first
process is killed: programs, links, files in its /run and /var/lib. The kernel does that even when
pytest itself is killed (PR_SET_PDEATHSIG, unshare --kill-child).
"""
import contextlib
import ctypes
import os
import re
import shlex
import signal
import socket
import subprocess
import time

LIBC = ctypes.CDLL(None, use_errno=True)
PR_SET_PDEATHSIG = 1
CLONE_NEWNET = 0x40000000
RUN_SECONDS = 30

# bridge-nf would send bridged frames through the IP rules; a home's router has it off, and the lab
# says so. IPv6 addresses are usable at once (no DAD): the lab gives out no address twice unless a
# test does it on purpose, and then turns DAD on.
PREPARE = """
mount --make-rprivate /
mount -t tmpfs tmpfs /run
mount -t tmpfs tmpfs /var/lib
mount -t sysfs sysfs /sys
hostname {name}
for key in arptables ip6tables iptables; do
    [ ! -e /proc/sys/net/bridge/bridge-nf-call-$key ] ||
        echo 0 >/proc/sys/net/bridge/bridge-nf-call-$key
done
echo 0 >/proc/sys/net/ipv6/conf/default/accept_dad
echo 0 >/proc/sys/net/ipv6/conf/default/router_solicitations
echo 0 2147483647 >/proc/sys/net/ipv4/ping_group_range
ip link set lo up
echo ready
exec sleep infinity
"""


def _die_with_parent():
    LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def wait_for(condition, seconds=10, what=None, every=0.05):
    """Call condition until it returns something true, and return that; fail when time is up."""
    end = time.monotonic() + seconds
    while True:
        result = condition()
        if result:
            return result
        if time.monotonic() > end:
            name = what or getattr(condition, "__name__", "condition")
            raise AssertionError(f"waited {seconds} s for: {name}: last result {result!r}")
        time.sleep(every)


class Process:
    """A program running in a machine; its output is kept in a file."""

    def __init__(self, machine, command, log_path, env=None):
        self.machine = machine
        self.command = command
        self.log_path = log_path
        with open(log_path, "ab") as log:
            self.popen = subprocess.Popen(
                machine.enter(command), stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                env={**os.environ, **(env or {})}, preexec_fn=_die_with_parent)

    @property
    def pid(self):
        """The program's pid on the host: nsenter's only child, for nsenter waits for it."""
        path = f"/proc/{self.popen.pid}/task/{self.popen.pid}/children"

        def child():
            with contextlib.suppress(OSError):
                with open(path) as children:
                    return int((children.read().split() or [0])[0])
            return None
        return wait_for(child, 10, f"{self.command} to begin")

    @property
    def running(self):
        return self.popen.poll() is None

    def log(self):
        with open(self.log_path, errors="replace") as log:
            return log.read()

    def kill(self, sig=signal.SIGKILL, seconds=10):
        """Send a signal and wait for the end; the exit status, negative for a signal."""
        if self.running:
            with contextlib.suppress(ProcessLookupError, AssertionError):
                os.kill(self.pid, sig)
            self.popen.send_signal(signal.SIGCONT)  # nsenter stops when its child is stopped
        return self.popen.wait(seconds)

    def stop(self):
        """SIGTERM, and SIGKILL when that is not obeyed."""
        try:
            return self.kill(signal.SIGTERM, 5)
        except subprocess.TimeoutExpired:
            return self.kill()

    def signal(self, sig):
        os.kill(self.pid, sig)

    def rss_kib(self, part="VmRSS"):
        """What it has in memory; or of that a part, such as RssAnon, which is nobody else's."""
        with open(f"/proc/{self.pid}/status") as status:
            return int(next(line for line in status if line.startswith(f"{part}:")).split()[1])


class Machine:
    """Namespaces held by one process; programs run inside by nsenter."""

    def __init__(self, name, folder):
        self.name = name
        self.folder = folder
        self.processes = []
        self.holder = subprocess.Popen(
            ["unshare", "-n", "-m", "-u", "-i", "-p", "--fork", "--kill-child", "--mount-proc",
             "sh", "-ec", PREPARE.format(name=name)],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, preexec_fn=_die_with_parent)
        if self.holder.stdout.readline() != b"ready\n":
            raise RuntimeError(f"machine {name} did not start: the lab needs root")
        with open(f"/proc/{self.holder.pid}/task/{self.holder.pid}/children") as children:
            self.pid = int(children.read().split()[0])

    def enter(self, command):
        words = ["sh", "-ec", command] if isinstance(command, str) else [str(w) for w in command]
        return ["nsenter", "-t", str(self.pid), "-n", "-m", "-u", "-i", "-p", "--", *words]

    def run(self, command, check=True, seconds=RUN_SECONDS, input=None, env=None):
        """Run to the end; text output. A string goes through sh, a list does not."""
        done = subprocess.run(self.enter(command), input=input, capture_output=True, text=True,
                              timeout=seconds, errors="replace",
                              stdin=subprocess.DEVNULL if input is None else None,
                              env={**os.environ, **(env or {})})
        if check and done.returncode:
            shown = command if isinstance(command, str) else shlex.join(map(str, command))
            raise AssertionError(f"{self.name}: {shown}: exit {done.returncode}\n"
                                 f"{done.stdout}{done.stderr}")
        return done

    def output(self, command, **how):
        return self.run(command, **how).stdout

    def ok(self, command, **how):
        return self.run(command, check=False, **how).returncode == 0

    def start(self, command, name=None, env=None):
        """Start a program that stays."""
        name = name or (command.split() if isinstance(command, str) else command)[0]
        path = self.folder / f"{self.name}-{os.path.basename(str(name))}-{len(self.processes)}.log"
        process = Process(self, command, path, env)
        self.processes.append(process)
        return process

    def ping(self, address, count=1, seconds=1, options=""):
        """True when every one of count pings is answered."""
        done = self.run(f"ping -n -i 0.2 -c {count} -W {seconds} {options} {address}", check=False,
                        seconds=count * (seconds + 1) + 10)
        return done.returncode == 0 and f"{count} received" in done.stdout

    def be(self, *addresses):
        """Have further addresses, of any network: usable when this returns.

        The kernel takes in an IPv6 address by a work queue of its own, which may be a while behind.
        """
        for address in addresses:
            family = "-6" if ":" in address else "-4"
            self.run(f"ip addr replace {address} dev lo {'nodad' if family == '-6' else ''}")
            shown = f"ip {family} route show table local {address}"
            wait_for(lambda shown=shown: self.output(shown), 10, f"{self.name} to be {address}")

    def sysctl(self, key, value):
        self.run(f"echo {value} >/proc/sys/{key.replace('.', '/')}")

    @contextlib.contextmanager
    def network(self):
        """This thread is in the machine's network meanwhile: sockets opened here stay there."""
        home = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
        there = os.open(f"/proc/{self.pid}/ns/net", os.O_RDONLY)
        try:
            if LIBC.setns(there, CLONE_NEWNET):
                raise OSError(ctypes.get_errno(), "setns")
            yield
        finally:
            LIBC.setns(home, CLONE_NEWNET)
            os.close(there)
            os.close(home)

    def socket(self, *arguments):
        with self.network():
            return socket.socket(*arguments)

    def packet_socket(self, interface):
        """Raw frames of an interface."""
        with self.network():
            raw = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
            raw.bind((interface, 0))
            return raw

    def send(self, interface, *frames):
        """Put frames (bytes, or anything bytes() takes, such as scapy's) on an interface."""
        with contextlib.closing(self.packet_socket(interface)) as raw:
            for frame in frames:
                raw.send(bytes(frame))

    def mac(self, interface="eth0"):
        return self.output(f"cat /sys/class/net/{interface}/address").strip()

    def shape(self):
        """Lines about links, ports, addresses and routes, without what changes by itself."""
        text = self.output("ip -d -o link; bridge -d link; ip -o addr; ip route; ip -6 route")
        text = re.sub(r"^\d+: ", "", text, flags=re.M)
        text = re.sub(r"(hello|tcn|topology_change|gc)_timer +\S+", "", text)
        return re.sub(r"(\w+_lft|expires) \S+", "", text).splitlines()

    def close(self):
        self.holder.kill()
        self.holder.wait()
        self.holder.stdout.close()
        for process in self.processes:
            process.popen.wait()


def link(one, one_name, other, other_name, mtu=1500):
    """A cable between two machines, up at both ends."""
    subprocess.run(["ip", "link", "add", one_name, "mtu", str(mtu), "netns", str(one.pid),
                    "type", "veth", "peer", "name", other_name, "mtu", str(mtu),
                    "netns", str(other.pid)], check=True)
    for machine, name in ((one, one_name), (other, other_name)):
        machine.run(f"ip link set {name} up")
