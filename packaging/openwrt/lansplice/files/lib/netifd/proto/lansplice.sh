#!/bin/sh
# SPDX-License-Identifier: MIT
#
# netifd's handler of interfaces with 'option proto lansplice' in /etc/config/network:
#
#	config interface 'tunnel'
#		option proto lansplice
#		option site home          # the section of /etc/config/lansplice
#		option network lan        # the interface whose bridge the TAP joins
#		option tunlink wan        # if given: only while that one is up
#
# netifd starts the daemon, whether the site is enabled for the init script or not, starts it again
# when it ends, and has the TAP as the interface's device. setup ends when the TAP is there.
#
# When the configuration is refused, the last one that passed is used, and netifd has the error.
# Without one, a refusal blocks further attempts, as netifd has it, until 'ifup tunnel'; or until
# /etc/config/lansplice is another one, for then the init script says 'up'. A site is run by one
# interface: the one that came first, which stands in a file as long as it has it. Another one that
# names the site is refused, and its teardown touches nothing.
#
# Our rule for the firewall is data of a service of procd's without a process, which comes and goes
# with the interface (functions.sh says why not of the interface).
# shellcheck disable=SC1091,SC2034,SC2154,SC3043 # netifd's own, and its variables

[ -n "$INCLUDE_ONLY" ] || {
	. /lib/functions.sh
	. ../netifd-proto.sh
	init_proto "$@"
}

. /usr/lib/lansplice/functions.sh

TAP_SECONDS=10

proto_lansplice_init_config() {
	no_device=1
	available=1
	renew_handler=1

	proto_config_add_string site
	proto_config_add_string network
	proto_config_add_string tunlink
}

# report INTERFACE CODE [TEXT] - to netifd; LuCI shows what the code means, the log has the text
report() {
	proto_notify_error "$@"
	logger -t lansplice -p daemon.err "interface $1: $2${3:+: $3}"
}

# refuse INTERFACE CODE [TEXT] - no further attempt by itself, and a mark for the init script
refuse() {
	report "$@"
	lansplice_note "$1.refused" "$2"
	proto_block_restart "$1"
}

# claim INTERFACE SITE - the site is this interface's from now on, unless another one has it that is
# still to be: then say which. What a netifd that was killed left behind does not count.
claim() (
	exec 9>"$LANSPLICE_LOCK" && flock 9
	owner=$(owner "$2")
	if [ "$owner" != "$1" ] && lansplice_interfaces | grep -Fqx "$owner:$2"; then
		echo "$owner"
		return 1
	fi
	lansplice_note "$2.interface" "$1"
)

# owner SITE - the interface that has it, if one does
owner() {
	lansplice_noted "$1.interface"
}

wait_tap() {
	local seconds=0

	until [ -d "/sys/class/net/$1" ]; do
		[ "$seconds" -lt "$TAP_SECONDS" ] || return 1
		sleep 1
		seconds=$((seconds + 1))
	done
}

# join INTERFACES add_device|remove_device TAP - as gre.sh does with a gretap
join() {
	local network

	[ -n "$3" ] || return 0
	json_init
	json_add_string name "$3"
	json_add_boolean link-ext 0
	for network in $1; do
		ubus call "network.interface.$network" "$2" "$(json_dump)"
	done
}

# The firewall looks again at what services and interfaces want of it.
firewall_changed() {
	json_init
	json_add_string type config.change
	json_add_object data
	json_add_string package firewall
	json_close_object
	ubus call service event "$(json_dump)"
}

firewall_open() {
	config_load lansplice
	lansplice_exempt "$2"
	json_init
	json_add_string name "lansplice-$1"
	json_add_object data
	lansplice_add_firewall "$2"
	json_close_object
	ubus call service set "$(json_dump)"
	firewall_changed
}

firewall_close() {
	rm -f "$LANSPLICE_NOTES/$2.srcnat.nft"
	json_init
	json_add_string name "lansplice-$1"
	ubus call service delete "$(json_dump)"
	firewall_changed
}

proto_lansplice_setup() {
	local interface="$1" site network tunlink tap message other

	rm -f "$LANSPLICE_NOTES/$interface.refused"
	json_get_vars site network tunlink
	if [ -z "$site" ]; then
		refuse "$interface" MISSING_SITE
		return 1
	fi
	if ! message=$(/usr/lib/lansplice/uci-config "$site" 2>&1); then
		if ! lansplice_last_good "$site"; then
			refuse "$interface" INVALID_CONFIG "$message"
			return 1
		fi
		report "$interface" INVALID_CONFIG "$message"
	fi
	if ! other=$(claim "$interface" "$site"); then
		refuse "$interface" SITE_TAKEN \
			"network.$interface.site: $site is that of network.$other: set another"
		return 1
	fi
	lansplice_is_fixed "$site"
	tap=$(lansplice_value "$site" tap)
	[ -z "$tunlink" ] || proto_add_host_dependency "$interface" '' "$tunlink"
	proto_run_command "$interface" /usr/sbin/lansplice -c "$(lansplice_conf "$site")" run
	if ! wait_tap "$tap"; then
		report "$interface" NO_DEVICE "$tap"
		proto_setup_failed "$interface"
		return 1
	fi
	proto_init_update "$tap" 1
	proto_send_update "$interface"
	join "$network" add_device "$tap"
	firewall_open "$interface" "$site"
}

# ERROR is the daemon's exit status, when it ended by itself: 2 says that it is misconfigured.
proto_lansplice_teardown() {
	local interface="$1" site network

	json_get_vars site network
	[ "$(owner "$site")" = "$interface" ] || return 0 # refused before it had anything
	[ "$ERROR" != 2 ] || refuse "$interface" INVALID_CONFIG "$(lansplice_conf "$site")"
	join "$network" remove_device "$(lansplice_value "$site" tap)"
	firewall_close "$interface" "$site"
	proto_kill_command "$interface"
	rm -f "$LANSPLICE_NOTES/$site.interface"
}

# The daemon reads its configuration again or, should that not do, ends, and netifd begins anew.
proto_lansplice_renew() {
	local interface="$1" site network tap message

	json_get_vars site network
	tap=$(lansplice_value "$site" tap)
	if ! message=$(/usr/lib/lansplice/uci-config "$site" 2>&1); then
		report "$interface" INVALID_CONFIG "$message"
	elif lansplice_is_fixed "$site"; then
		proto_kill_command "$interface" "$(kill -l HUP)"
		firewall_open "$interface" "$site"
	else
		join "$network" remove_device "$tap"
		proto_kill_command "$interface"
	fi
}

[ -n "$INCLUDE_ONLY" ] || add_protocol lansplice
