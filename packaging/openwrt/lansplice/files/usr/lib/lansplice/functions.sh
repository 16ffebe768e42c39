# SPDX-License-Identifier: MIT
# shellcheck shell=dash disable=SC2034
#
# What the init script, the protocol handler and uci-config share: where a site's things are, which
# sites are netifd's, and a site's rule for the firewall. To be sourced after OpenWrt's own
# /lib/functions.sh (and jshn.sh).

LANSPLICE_ETC=/etc/lansplice
LANSPLICE_RUN=/var/run/lansplice         # the daemons' sockets: one in a jail may write there
LANSPLICE_NOTES=/var/run/lansplice-notes # what scripts leave for each other: none may write there
LANSPLICE_LOCK=/var/lock/lansplice.lock
LANSPLICE_PORT=7788
LANSPLICE_TAP=lansplice0
LANSPLICE_ZONE=wan

lansplice_conf() {
	echo "$LANSPLICE_ETC/$1/lansplice.conf"
}

# lansplice_value SITE OPTION - what the generated configuration says in [site], if there is one
lansplice_value() {
	[ ! -f "$(lansplice_conf "$1")" ] ||
		sed -n "/^\[peer/q; s/^$2 = //p" "$(lansplice_conf "$1")"
}

# lansplice_readable - is all of /etc/config/lansplice what UCI takes? config_load reads over what is
# not, so that options and peers would be missing.
lansplice_readable() {
	uci -q export lansplice >/dev/null
}

# lansplice_has_site SITE - as far as the file can be read
lansplice_has_site() (
	config_load lansplice
	config_get type "$1" TYPE
	[ "$type" = site ]
)

# lansplice_last_good SITE - UCI was refused: does it have the site, and is a configuration there
# that passed before and still does?
lansplice_last_good() {
	local conf

	conf=$(lansplice_conf "$1")
	lansplice_has_site "$1" && [ -f "$conf" ] && [ ! -L "$conf" ] &&
		lansplice -c "$conf" check-config >/dev/null 2>&1
}

# lansplice_note FILE TEXT
lansplice_note() {
	mkdir -p "$LANSPLICE_NOTES"
	echo "$2" >"$LANSPLICE_NOTES/$1"
}

# lansplice_noted FILE - what was, if anything
lansplice_noted() {
	cat "$LANSPLICE_NOTES/$1" 2>/dev/null
}

lansplice_interface() {
	local proto site disabled

	config_get proto "$1" proto
	config_get site "$1" site
	config_get_bool disabled "$1" disabled 0
	[ "$proto" != lansplice ] || [ "$disabled" = 1 ] || echo "$1:$site"
}

# lansplice_interfaces - INTERFACE:SITE for each interface that netifd runs a site by. In a shell of
# its own: sections of two packages may have one name, and their options would mix.
lansplice_interfaces() (
	config_load network
	config_foreach lansplice_interface interface
)

# lansplice_is_fixed SITE - is what a reload cannot change (lansplice(8)) as at the last call? It
# is kept in a file that procd looks at, too.
lansplice_is_fixed() {
	local fixed

	fixed=$(sed -n '/^\[peer/q; /^\(name\|private-key\|port\|bridge\|tap\|control\|ciphers\) = /p' \
		"$(lansplice_conf "$1")")
	[ "$fixed" != "$(lansplice_noted "$1.fixed")" ] || return 0
	lansplice_note "$1.fixed" "$fixed"
	return 1
}

# lansplice_port SITE - where it listens; with 'auto' the daemon knows that once it runs
lansplice_port() {
	local port

	port=$(lansplice_value "$1" port)
	if [ "$port" = auto ]; then
		port=$(lansplice -c "$(lansplice_conf "$1")" status --json 2>/dev/null |
			jsonfilter -e '@.port')
	fi
	case $port in *[!0-9]*) port='' ;; esac
	echo "${port:-$LANSPLICE_PORT}"
}

# lansplice_exempt SITE - with 'port auto' the router's own NAT leaves our port as it is: it would,
# under MAP-E, show another one of the home's than that where we can be called.
lansplice_exempt() {
	if [ "$(lansplice_value "$1" port)" = auto ]; then
		lansplice_note "$1.srcnat.nft" \
			"fib saddr type local udp sport $(lansplice_port "$1") accept"
	else
		rm -f "$LANSPLICE_NOTES/$1.srcnat.nft"
	fi
}

# lansplice_rule SITE - what the firewall shall let in: ZONE:PORT
lansplice_rule() {
	local zone

	config_get zone "$1" firewall_zone "$LANSPLICE_ZONE"
	echo "$zone:$(lansplice_port "$1")"
}

# lansplice_add_firewall SITE - that rule, into an open JSON object; none for the zone -.
#
# As firewall4's fw4.uc reads it (read_ubus(), parse_rule()) from the data of procd's services. Not
# from the data of a netifd interface: there a rule without a device of its own gets that
# interface's, and no packet from the Internet comes in by the TAP.
lansplice_add_firewall() {
	local rule

	rule=$(lansplice_rule "$1")
	json_add_array firewall
	if [ "${rule%:*}" != - ]; then
		json_add_object ''
		json_add_string type rule
		json_add_string src "${rule%:*}"
		json_add_string proto udp
		json_add_string dest_port "${rule##*:}"
		json_add_string target ACCEPT
		json_close_object
	fi
	json_close_array
}
