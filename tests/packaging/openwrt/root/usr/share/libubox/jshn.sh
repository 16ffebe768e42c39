# SPDX-License-Identifier: MIT
# shellcheck shell=dash disable=SC2154
#
# Stand-in for libubox's sh/jshn.sh (openwrt/libubox): the functions our scripts and the other
# stand-ins use. A document is kept as a line for each call, per namespace, and json_dump makes
# JSON of it; json_load takes an object of strings, numbers, switches and lists of strings, as
# netifd hands to its handlers.

TAB='	'

json_set_namespace() {
	[ -z "$2" ] || eval "$2=\$JSON_PREFIX"
	JSON_PREFIX=$1
}

_json_put() { # KIND NAME VALUE
	eval "${JSON_PREFIX}JSON_TEXT=\"\${${JSON_PREFIX}JSON_TEXT}\$1\$TAB\$2\$TAB\$(_json_escape \"\$3\")
\""
}

_json_escape() {
	printf '%s' "$1" | awk -v ORS= '
		NR > 1 { print "\\n" }
		{ gsub(/\\/, "\\\\"); gsub(/"/, "\\\""); gsub(/\t/, "\\t"); print }'
}

json_init() { eval "${JSON_PREFIX}JSON_TEXT="; }
json_cleanup() { json_init; }
json_add_object() { _json_put '{' "$1" ''; }
json_add_array() { _json_put '[' "$1" ''; }
json_close_object() { _json_put '}' '' ''; }
json_close_array() { _json_put ']' '' ''; }
json_add_string() { _json_put s "$1" "$2"; }
json_add_int() { _json_put i "$1" "$2"; }
json_add_boolean() { _json_put b "$1" "$2"; }

json_dump() {
	eval "printf '%s' \"\${${JSON_PREFIX}JSON_TEXT}\"" | awk -F '\t' '
		function item(text) {
			if (count[depth]++) printf ", "
			if (!array[depth]) printf "\"%s\": ", $2
			printf "%s", text
		}
		BEGIN { depth = 0; printf "{ " }
		$1 == "s" { item("\"" $3 "\"") }
		$1 == "i" { item($3 + 0) }
		$1 == "b" { item($3 + 0 ? "true" : "false") }
		$1 == "{" || $1 == "[" { item($1 " "); depth++; count[depth] = 0; array[depth] = $1 == "[" }
		$1 == "}" || $1 == "]" { depth--; printf " %s", $1 }
		END { printf " }\n" }'
}

json_load() {
	eval "$(printf '%s' "$1" | awk -v RS='\001' '
		function quoted(text) { gsub(/\047/, "\047\\\047\047", text); return "\047" text "\047" }
		function string(  text) {
			text = ""
			while (substr(json, ++at, 1) != "\"") {
				c = substr(json, at, 1)
				if (c == "\\") { c = substr(json, ++at, 1); if (c == "n") c = "\n" }
				text = text c
			}
			return text
		}
		{
			json = $0; at = 0; name = ""; value = ""; list = 0
			while (++at <= length(json)) {
				c = substr(json, at, 1)
				if (c == "\"") {
					word = string()
					if (name == "") name = word
					else value = value (value == "" ? "" : " ") word
				} else if (c == "[") list = 1
				else if (c == "]") list = 0
				else if (c ~ /[a-z0-9-]/) {
					match(substr(json, at), /^[a-z0-9.-]+/)
					value = substr(json, at, RLENGTH)
					at += RLENGTH - 1
					if (value == "true") value = 1
					if (value == "false") value = 0
				} else if ((c == "," && !list) || c == "}") {
					if (name != "") print "JSON_VALUE_" name "=" quoted(value)
					name = ""; value = ""
				}
			}
		}')"
}

json_get_var() { eval "$1=\$JSON_VALUE_$2"; }

json_get_vars() {
	local name
	for name in "$@"; do json_get_var "$name" "$name"; done
}
