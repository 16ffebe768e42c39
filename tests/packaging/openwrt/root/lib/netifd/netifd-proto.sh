# SPDX-License-Identifier: MIT
# shellcheck shell=dash disable=SC1091,SC2034
#
# Stand-in for netifd's scripts/netifd-proto.sh (openwrt/netifd): each proto_ function sends netifd
# the message the real one sends, with the same action number; the ubus stand-in keeps them.

. /usr/share/libubox/jshn.sh

_config_add() {
	json_add_array ''
	json_add_string '' "$1"
	json_add_int '' "$2"
	json_close_array
}

proto_config_add_string() { _config_add "$1" 3; }
proto_config_add_int() { _config_add "$1" 5; }
proto_config_add_boolean() { _config_add "$1" 7; }

_notify() {
	local interface="$1"
	json_add_string interface "$interface"
	ubus call network.interface notify_proto "$(json_dump)"
}

_action() { # INTERFACE NUMBER
	json_init
	json_add_int action "$2"
	_notify "$1"
}

_strings() { # NAME STRING...
	json_add_array "$1"
	shift
	for _string in "$@"; do json_add_string '' "$_string"; done
	json_close_array
}

proto_init_update() {
	json_init
	json_add_int action 0
	[ -z "$1" ] || json_add_string ifname "$1"
	json_add_boolean link-up "$2"
}

proto_send_update() {
	json_add_boolean keep 0
	_notify "$1"
}

proto_run_command() {
	local interface="$1"
	shift
	json_init
	json_add_int action 1
	_strings command "$@"
	_notify "$interface"
}

proto_kill_command() {
	json_init
	json_add_int action 2
	[ -z "$2" ] || json_add_int signal "$2"
	_notify "$1"
}

proto_notify_error() {
	local interface="$1"
	shift
	json_init
	json_add_int action 3
	_strings error "$@"
	_notify "$interface"
}

proto_block_restart() { _action "$1" 4; }
proto_setup_failed() { _action "$1" 7; }

proto_add_host_dependency() {
	( # the caller's document stays as it is
		json_init
		json_add_int action 6
		json_add_string host "$2"
		[ -z "$3" ] || json_add_string ifname "$3"
		_notify "$1"
	)
}

init_proto() {
	proto=$1
	cmd=$2
	if [ "$cmd" = dump ]; then
		add_protocol() {
			no_device=0 no_proto_task=0 available=0 renew_handler=0
			json_init
			json_add_string name "$1"
			json_add_array config
			"proto_$1_init_config"
			json_close_array
			json_add_boolean no-device "$no_device"
			json_add_boolean no-proto-task "$no_proto_task"
			json_add_boolean available "$available"
			json_add_boolean renew-handler "$renew_handler"
			json_dump
		}
		return
	fi
	interface=$3
	data=$4
	add_protocol() {
		[ "$proto" = "$1" ] || return 0
		json_load "$data"
		"proto_$1_$cmd" "$interface" "$5"
	}
}
