# SPDX-License-Identifier: MIT
"""A machine's links as `ip` tells of them, so that before and after can be compared."""
import json

TAP = "lansplice0"
# Timers of the bridge, counters, what depends on the order in which links were made; operstate
# and an address's "tentative" lag behind; a link's first "up" gives it a queue for ever.
VOLATILE = {"operstate", "qdisc", "hold_timer", "message_age_timer", "forward_delay_timer",
            "hello_timer", "tcn_timer", "topology_change_timer", "gc_timer", "stats", "stats64",
            "ifindex", "id", "port_id", "no", "designated_port", "topology_change",
            "topology_change_detected", "topology_change_ack", "tentative"}


def steady(value):
    if isinstance(value, dict):
        return {k: steady(v) for k, v in value.items() if k not in VOLATILE}
    return [steady(v) for v in value] if isinstance(value, list) else value


def links(machine):
    """Everything `ip -d link` and `ip addr` say, by name."""
    found = {link["ifname"]: link for link in json.loads(machine.output("ip -d -j link show"))}
    for link in json.loads(machine.output("ip -j addr show")):
        if link["ifname"] in found:  # else it came between the two commands
            found[link["ifname"]]["addr_info"] = link["addr_info"]
    return steady(found)


def flat(value, path=""):
    if isinstance(value, (dict, list)):
        pairs = value.items() if isinstance(value, dict) else enumerate(value)
        return {k: v for name, one in pairs for k, v in flat(one, f"{path}/{name}").items()}
    return {path: value}


def differences(before, after):
    """What became different, as path: (before, after)."""
    one, other = flat(before), flat(after)
    return {k: (one.get(k), other.get(k)) for k in one.keys() | other.keys()
            if one.get(k) != other.get(k)}


def link_of(machine, name=TAP):
    return links(machine).get(name, {})


def port(machine, name=TAP):
    return link_of(machine, name).get("linkinfo", {}).get("info_slave_data", {})


def is_in(machine, bridge, name=TAP):
    return link_of(machine, name).get("master") == bridge
