# bash completion for lansplice                                            -*- shell-script -*-
# SPDX-License-Identifier: MIT
#
# Commands and options as `lansplice --help` has them; a test compares the two. Names are completed
# where a command takes one that is there already: `invite NAME`, from the invites that nobody has
# used yet (state/invites beside the configuration, which root can read).

_lansplice_commands='init invite join accept run status doctor check-config genkey pubkey genpsk'

# What a command takes besides what all of them do.
_lansplice_options() {
    case $1 in
    init | join) echo --name ;;
    invite) echo --endpoint --cancel ;;
    status) echo --json --watch ;;
    doctor) echo --json ;;
    '') echo --version --help ;;
    esac
}

_lansplice_files() {
    compopt -o filenames 2>/dev/null
    mapfile -t COMPREPLY < <(compgen -f -- "$1")
}

_lansplice_words() {
    mapfile -t COMPREPLY < <(compgen -W "$1" -- "$2")
}

# Only names: the folder is not root's, and compgen -W would run what is in $(...).
_lansplice_invites() {
    local path

    for path in "$(dirname -- "$1")"/state/invites/*; do
        [[ ${path##*/} == *[!a-z0-9-]* ]] || printf '%s\n' "${path##*/}"
    done
}

_lansplice() {
    local word=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]}
    local command='' argument='' config=/etc/lansplice/lansplice.conf i

    for ((i = 1; i < COMP_CWORD; i++)); do
        case ${COMP_WORDS[i]} in
        -c | --config)
            ((++i < COMP_CWORD)) && config=${COMP_WORDS[i]/#\~/$HOME}
            ;;
        --name | --endpoint) ((++i)) ;;
        -?*) ;;
        *) if [[ $command ]]; then argument=1; else command=${COMP_WORDS[i]}; fi ;;
        esac
    done

    COMPREPLY=()
    case $previous in
    -c | --config)
        _lansplice_files "$word"
        return
        ;;
    --name | --endpoint) return ;;
    esac
    case $command$argument:$word in
    *:-*) _lansplice_words "-c --config -v --verbose $(_lansplice_options "$command")" "$word" ;;
    :*) _lansplice_words "$_lansplice_commands" "$word" ;;
    join:* | accept:*) _lansplice_files "$word" ;;
    invite:*) _lansplice_words "$(_lansplice_invites "$config")" "$word" ;;
    esac
} && complete -F _lansplice lansplice
