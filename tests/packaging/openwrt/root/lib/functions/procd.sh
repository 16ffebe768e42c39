# SPDX-License-Identifier: MIT
# shellcheck shell=dash disable=SC1091
#
# Stand-in for procd's shell functions (openwrt/openwrt package/system/procd/files/procd.sh): the
# same document goes to the same ubus method. Only that an instance's jail is written when the
# instance is closed, as the jshn stand-in cannot go back into what it has written.

. /usr/share/libubox/jshn.sh

_procd() {
	local former="$JSON_PREFIX"
	JSON_PREFIX=procd
	"$@"
	JSON_PREFIX=$former
}

_ubus() {
	ubus call service "$1" "$(json_dump)"
	json_cleanup
}

_open_service() {
	json_init
	json_add_string name "$1"
	json_add_string script "$2"
	json_add_object instances
}

_close_service() {
	json_close_object
	json_add_array triggers
	JSON_PREFIX='' service_triggers
	json_close_array
	_ubus set
}

_open_instance() {
	json_add_object "$1"
	jail_name=''
	jail_flags=''
	jail_mounts=''
}

_close_instance() {
	local word
	if [ -n "$jail_name" ]; then
		json_add_object jail
		json_add_string name "$jail_name"
		for word in $jail_flags; do json_add_boolean "$word" 1; done
		json_add_object mount
		for word in $jail_mounts; do json_add_string "${word%=*}" "${word##*=}"; done
		json_close_object
		json_close_object
	fi
	json_close_object
}

_set_param() {
	local type="$1" word
	shift
	case "$type" in
	command | file | respawn | netdev)
		json_add_array "$type"
		for word in "$@"; do json_add_string '' "$word"; done
		json_close_array
		;;
	stdout | stderr) json_add_boolean "$type" "$1" ;;
	*) json_add_string "$type" "$1" ;;
	esac
}

_trigger() { # EVENT NAME VALUE COMMAND...
	local word
	json_add_array ''
	json_add_string '' "$1"
	json_add_string '' "$2"
	json_add_string '' "$3"
	shift 3
	for word in "$@"; do json_add_string '' "$word"; done
	json_close_array
}

_signal() {
	local number="$3"
	json_init
	json_add_string name "$1"
	[ -z "$2" ] || json_add_string instance "$2"
	case "$number" in
	[A-Z]*) number=$(kill -l "$number") ;;
	esac
	[ -z "$number" ] || json_add_int signal "$number"
	_ubus signal
}

_kill() {
	json_init
	json_add_string name "$1"
	_ubus delete
}

procd_open_service() { _procd _open_service "$@"; }
procd_close_service() { _procd _close_service; }
procd_open_instance() { _procd _open_instance "$@"; }
procd_close_instance() { _procd _close_instance; }
procd_set_param() { _procd _set_param "$@"; }
procd_send_signal() { _procd _signal "$@"; }
procd_kill() { _procd _kill "$@"; }
procd_add_reload_trigger() { _procd _trigger config.change package "$1" "$initscript" reload; }
procd_add_reload_interface_trigger() {
	_procd _trigger 'interface.*' interface "$1" "$initscript" reload
}

procd_open_data() {
	_former=$JSON_PREFIX
	JSON_PREFIX=procd
	json_add_object data
}

procd_close_data() {
	json_close_object
	JSON_PREFIX=$_former
}

procd_add_jail() {
	jail_name=$1
	shift
	jail_flags=$*
}

procd_add_jail_mount() {
	local word
	for word in "$@"; do jail_mounts="$jail_mounts $word=0"; done
}

procd_add_jail_mount_rw() {
	local word
	for word in "$@"; do jail_mounts="$jail_mounts $word=1"; done
}

procd_set_config_changed() {
	json_init
	json_add_string type config.change
	json_add_object data
	json_add_string package "$1"
	json_close_object
	ubus call service event "$(json_dump)"
}
