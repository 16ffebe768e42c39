# SPDX-License-Identifier: MIT
"""A unit's [Service] lines turned into what a program here can be run under.

There is no systemd as PID 1 where the tests run. What it would do before ExecStart is done by hand:
the user, its capabilities and no_new_privs by setpriv, the system calls and address families by a
seccomp filter, and the file system by mounts. Left out are the limits of a cgroup (DevicePolicy:
/dev has only what the unit allows instead) and what is of no consequence to the daemon.
"""
import functools
import re
import socket
import struct
import subprocess

ALLOW, ERRNO = 0x7fff0000, 0x00050000
EPERM, EAFNOSUPPORT = 1, 97
LOAD, JUMP_IF_EQUAL, RETURN = 0x20, 0x15, 0x06
NUMBER_OFFSET, FIRST_ARGUMENT_OFFSET = 0, 16


def read_unit(path):
    """[Service] of a unit: each name with the list of its values, in their order."""
    service, section = {}, None
    for line in path.read_text().splitlines():
        if line.startswith("["):
            section = line
        elif section == "[Service]" and "=" in line and not line.startswith("#"):
            name, value = line.split("=", 1)
            service.setdefault(name, []).append(value)
    return service


@functools.cache
def calls_of(name):
    """The system calls of a set such as @system-service, or the one call."""
    if not name.startswith("@"):
        return {name}
    listed = subprocess.run(["systemd-analyze", "--no-pager", "syscall-filter", name], check=True,
                            capture_output=True, text=True).stdout
    words = [line.strip() for line in listed.splitlines() if line.startswith("    ")]
    return set().union(*(calls_of(word) for word in words if not word.startswith("#")))


def allowed_calls(service):
    allowed = set(calls_of("@default"))
    for line in service["SystemCallFilter"]:
        calls = set().union(*(calls_of(word) for word in line.lstrip("~").split()))
        allowed = allowed - calls if line.startswith("~") else allowed | calls
    return allowed


@functools.cache
def call_numbers():
    defines = subprocess.run(["gcc", "-E", "-dM", "-include", "sys/syscall.h", "-xc", "/dev/null"],
                             check=True, capture_output=True, text=True).stdout
    return {name: int(number) for name, number
            in re.findall(r"^#define __NR_(\w+) (\d+)$", defines, re.M)}


def seccomp_filter(service):
    """struct sock_filter[]: the unit's calls, socket() only in its families, else EPERM."""
    def one(code, k, if_true=0, if_false=0):
        return struct.pack("=HBBI", code, if_true, if_false, k)

    numbers = call_numbers()
    families = [getattr(socket, name) for line in service["RestrictAddressFamilies"]
                for name in line.split()]
    checks = [one(LOAD, FIRST_ARGUMENT_OFFSET)]
    for family in families:
        checks += [one(JUMP_IF_EQUAL, family, 0, 1), one(RETURN, ALLOW)]
    checks += [one(RETURN, ERRNO | EAFNOSUPPORT)]
    program = [one(LOAD, NUMBER_OFFSET),
               one(JUMP_IF_EQUAL, numbers["socket"], 0, len(checks)), *checks]
    for name in sorted(allowed_calls(service)):
        if name in numbers:
            program += [one(JUMP_IF_EQUAL, numbers[name], 0, 1), one(RETURN, ALLOW)]
    return b"".join([*program, one(RETURN, ERRNO | EPERM)])


def setpriv_words(service):
    """setpriv's arguments for the unit's user and capabilities."""
    def capabilities(name):
        words = [f"+{word.lower().removeprefix('cap_')}" for line in service[name]
                 for word in line.split()]
        return ",".join(["-all", *words])

    user = service["User"][0]
    return ["--reuid", user, "--regid", service.get("Group", [user])[0], "--clear-groups",
            "--inh-caps", capabilities("AmbientCapabilities"),
            "--ambient-caps", capabilities("AmbientCapabilities"),
            "--bounding-set", capabilities("CapabilityBoundingSet"),
            *(["--no-new-privs"] if service["NoNewPrivileges"] == ["yes"] else [])]


def mounts(service, root):
    """A script for a mount namespace of its own: the root as the unit shows it to the service."""
    assert service["ProtectSystem"] == ["strict"] and service["ProtectHome"] == ["yes"]
    run = f"{root}/run/{service['RuntimeDirectory'][0]}"
    lines = [f"install -d -m {service['RuntimeDirectoryMode'][0]} {run}",
             f"chown --reference={root}/etc/lansplice {run}"]
    written = [root + word for line in service["ReadWritePaths"] for word in line.split()]
    lines += [f"mount --bind {path} {path}" for path in [run, *written]]
    lines += [f"mount -t tmpfs -o mode=0 tmpfs {root}{path}" for path in ("/home", "/root")]
    lines += [f"mount -t tmpfs tmpfs {root}{path}" for path in ("/tmp", "/var/tmp")]
    lines += [f"mount -o remount,ro,bind {root}{path}" for path in ("", "/run", "/dev")]
    return "\n".join(lines)
