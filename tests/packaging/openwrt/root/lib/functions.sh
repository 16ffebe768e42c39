# SPDX-License-Identifier: MIT
# shellcheck shell=dash
#
# Stand-in for OpenWrt's /lib/functions.sh (openwrt/openwrt
# package/base-files/files/lib/functions.sh) and /lib/config/uci.sh: as much of it as our scripts
# use, with the same results. Sections and their values are variables CONFIG_<section>_<option>; a
# list is all its values in one, blanks between, and a variable for each; callbacks run while a
# package is loaded.

N='
'
LIST_SEP=' '

append() {
	local sep="${3:- }"
	eval "$1=\"\${$1:+\${$1}\$sep}\$2\""
}

list_contains() {
	local words
	eval "words=\" \$$1 \""
	case "$words" in
	*" $2 "*) return 0 ;;
	*) return 1 ;;
	esac
}

reset_cb() {
	config_cb() { return 0; }
	option_cb() { return 0; }
	list_cb() { return 0; }
}
reset_cb

config_set() {
	eval "CONFIG_$1_$2=\$3"
}

config() {
	CONFIG_SECTIONS="$CONFIG_SECTIONS${CONFIG_SECTIONS:+ }$2"
	CONFIG_SECTION=$2
	config_set "$2" TYPE "$1"
	config_cb "$1" "$2"
}

option() {
	config_set "$CONFIG_SECTION" "$1" "$2"
	option_cb "$1" "$2"
}

list() {
	local length
	config_get length "$CONFIG_SECTION" "$1_LENGTH" 0
	[ "$length" != 0 ] || append CONFIG_LIST_STATE "${CONFIG_SECTION}_$1"
	length=$((length + 1))
	config_set "$CONFIG_SECTION" "$1_ITEM$length" "$2"
	config_set "$CONFIG_SECTION" "$1_LENGTH" "$length"
	append "CONFIG_${CONFIG_SECTION}_$1" "$2" "$LIST_SEP"
	list_cb "$1" "$2"
}

package() {
	return 0
}

# Values of a package that was loaded before stay, but those of lists. What cannot be read is read
# over (uci -S).
config_load() {
	local name text
	for name in $CONFIG_LIST_STATE; do eval "CONFIG_$name='' CONFIG_${name}_LENGTH=''"; done
	CONFIG_LIST_STATE=''
	CONFIG_SECTIONS=''
	CONFIG_SECTION=''
	text=$(uci -q -S -n export "$1") || return 1
	eval "$text"
	[ -z "$CONFIG_SECTION" ] || config_cb
}

# config_get VARIABLE SECTION OPTION [DEFAULT]
config_get() {
	case "$2$3" in
	*[!A-Za-z0-9_]*) return 0 ;;
	esac
	eval "$1=\${CONFIG_$2_$3:-\$4}"
}

config_get_bool() {
	local ___value
	config_get ___value "$2" "$3" "$4"
	case "$___value" in
	1 | on | true | yes | enabled) eval "$1=1" ;;
	0 | off | false | no | disabled) eval "$1=0" ;;
	*) eval "$1=\$4" ;;
	esac
}

config_foreach() {
	local ___function="$1" ___wanted="$2" ___section ___type
	shift
	[ $# -eq 0 ] || shift
	for ___section in $CONFIG_SECTIONS; do
		config_get ___type "$___section" TYPE
		[ -z "$___wanted" ] || [ "$___type" = "$___wanted" ] || continue
		"$___function" "$___section" "$@"
	done
}
