#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Man pages and completions of every program: all commands and options that --help shows are in them, the
# man pages are without a warning, and the completions complete in a real bash, zsh and fish.
set -u
failed=0
check() { # NAME COMMAND…
    local name=$1 out
    shift
    out=$("$@" 2>&1) || { echo "FAIL $name: $out"; failed=$((failed + 1)); }
}
equal() { [ "$1" = "$2" ] || { echo "\"$1\" is not \"$2\""; return 1; }; }
lacks() { # FILE WORD…: none of them is missing
    local file=$1 w missing=
    shift
    for w in "$@"; do
        sed 's/\\-/-/g' "$file" | grep -qF -e "$w" || missing="$missing $w"
    done
    [ -z "$missing" ] || { echo "lacks$missing"; return 1; }
}
fish_lacks() { # FILE OPTION…
    local file=$1
    shift
    lacks "$file" "${@/#--/-l }"
}
[ -e deploy/man/rookery.8 ] || make -s all || exit 1

helps() { # PROGRAM: all that --help says, of it and its commands
    local c
    "./$1" --help
    for c in $("./$1" --help | sed -n '/^Commands:/,/^$/s/^  \([a-z-]*\) .*/\1/p'); do
        case $c in version) ;; *) "./$1" "$c" --help ;; esac
    done
}

for p in rookery rookery-management rookery-signal rookery-relay rook; do
    mapfile -t options < <(helps $p | sed -nE 's/^ +(-[A-Za-z], )?(--[a-z0-9-]+).*/\2/p' | grep -v -x -e --version -e --help | sort -u)
    check "$p has options" [ ${#options[@]} -gt 4 ]
    check "$p.8" lacks deploy/man/$p.8 "${options[@]}"
    check "$p for bash" lacks deploy/man/bash/$p "${options[@]}"
    check "$p for zsh" lacks deploy/man/zsh/_$p "${options[@]}"
    check "$p for fish" fish_lacks deploy/man/fish/$p.fish "${options[@]}"
    check "bash reads it" bash -n deploy/man/bash/$p
    if command -v mandoc >/dev/null; then
        check "$p.8 is sound" equal "$(mandoc -T lint -W warning deploy/man/$p.8 | grep -v 'missing date')" ""
    fi
done
check "a word too many is found" equal "$(lacks deploy/man/rookery.8 --no-such-option)" "lacks --no-such-option"

in_bash() { # WORD…: what may stand in place of the last
    # shellcheck disable=SC1090
    bash -c '. "deploy/man/bash/$1"; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); "_$1"; echo "${COMPREPLY[*]}"' x "$@"
}
check "a verb" equal "$(in_bash rookery ad)" admin
check "a verb behind a verb" equal "$(in_bash rookery admin use)" user
check "behind an option" equal "$(in_bash rookery admin --json pe)" peer
check "a choice" equal "$(in_bash rookery admin setup-key create --type '')" "reusable one-off"
check "an option" equal "$(in_bash rook up --management-)" "--management-url"
check "an option without verbs" equal "$(in_bash rook status --det)" "--detail"
check "a word behind a word" equal "$(in_bash rookery config proxy tr)" traefik
check "with its options" equal "$(in_bash rookery config proxy --ce)" "--cert"
check "a word beside one with more behind" equal "$(in_bash rookery config sh)" show
check "a word of a verb" equal "$(in_bash rook service unin)" uninstall

if command -v fish >/dev/null; then
    in_fish() { fish --no-config -c "source deploy/man/fish/$1.fish; complete -C '$2'" | cut -f1 | sort | tr '\n' ' '; }
    check "fish: a verb" equal "$(in_fish rookery 'rookery adm')" "admin "
    check "fish: a verb behind a verb" equal "$(in_fish rookery 'rookery admin use')" "user "
    check "fish: a choice" equal "$(in_fish rookery 'rookery admin setup-key create --type ')" "one-off reusable "
    check "fish: an option" equal "$(in_fish rook 'rook up --management-')" "--management-url "
fi
if command -v zsh >/dev/null; then
    in_zsh() { # WORD…
        # shellcheck disable=SC2016
        zsh -fc 'compadd() { print -- ${@:#--}; }; _message() { :; }; _files() { :; }
            _describe() { local v=${@[-1]}; print -l -- ${(P)v%%:*}; }
            words=("$@") CURRENT=$#; source deploy/man/zsh/_$1' zsh "$@" | tr '\n' ' '
    }
    check "zsh: verbs" grep -qw admin <<<"$(in_zsh rookery '')"
    check "zsh: a verb behind a verb" grep -qw user <<<"$(in_zsh rookery admin '')"
    check "zsh: no verb that is not there" equal "$(in_zsh rook service '' | grep -cw admin)" 0
    check "zsh: a choice" equal "$(in_zsh rookery admin setup-key create --type '')" "reusable one-off "
    check "zsh: an option" grep -q -e --management-url <<<"$(in_zsh rook up -)"
fi
[ $failed = 0 ]
