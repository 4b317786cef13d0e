#!/bin/bash
# What the kernel says of the processes of the screens.
#   tests/screens/confined.sh PID WHAT...    the process PID and all below it: seccomp holds, no new privileges, no core
#                                            dumps; and there is a process of each WHAT: launcher, keeper, token,
#                                            child (of the face), decoder (child of a child)
#   tests/screens/confined.sh --watch DIR    until DIR/stop is there: every process of screens, whichever there are, twice
#                                            within a second; writes what is not confined to DIR/loose, what was seen to
#                                            DIR/seen
set -u
OUT=${OUT:-build}
ldd "$OUT/conclave" | grep -q libasan && exit 0 # there the mechanisms are left out
self=$(readlink -f "$OUT/conclave")

value() { sed -n "s/^$2:[[:space:]]*//p" "/proc/$1/status" 2>/dev/null; }
words() { cat "/proc/$1/cmdline" 2>/dev/null | tr '\0' ' '; }
below() { # all descendants
    local p
    for p in $(cat /proc/"$1"/task/*/children 2>/dev/null); do
        echo "$p"
        below "$p"
    done
}
kind() {
    case "$(value "$1" Name) $(words "$1")" in
        *' keeper-process'*) echo keeper ;;
        *' token-process'*) echo token ;;
        *' camera-process'*) echo camera ;;
        conclave-launch*) echo launcher ;;
        conclave-guard*) echo guard ;;
        *)
            if [ "$1" = "${root-}" ]; then
                echo face
            elif [ "$(value "$1" PPid)" = "${root-$(value "$1" PPid)}" ]; then
                echo child # or any, where there is no root
            else
                echo decoder
            fi
            ;;
    esac
}
is_loose() { # PID: 0 if it is there and something is missing
    local seccomp privileges
    seccomp=$(value "$1" Seccomp) privileges=$(value "$1" NoNewPrivs)
    [ -n "$seccomp" ] && { [ "$seccomp" != 2 ] || [ "$privileges" != 1 ]; }
}

if [ "$1" = --watch ]; then
    : >"$2/loose" >"$2/seen"
    before=" "
    until [ -e "$2/stop" ]; do
        now=" "
        for exe in /proc/[0-9]*/exe; do
            [ "$(readlink "$exe" 2>/dev/null)" = "$self" ] || continue
            p=${exe#/proc/} p=${p%/exe}
            command=$(words "$p")
            case $command in
                *--rehearsal* | *-process*) ;; # verbs have tests of their own
                *) continue ;;
            esac
            echo "$(kind "$p")" >>"$2/seen"
            is_loose "$p" || continue
            now="$now$p "
            case $before in *" $p "*) echo "$p $(kind "$p") $command" >>"$2/loose" ;; esac
        done
        before=$now
        sort -u -o "$2/seen" "$2/seen"
        sleep 0.3
    done
    exit 0
fi

root=$1
shift
bad=0
found=" "
for p in $root $(below "$root"); do
    found="$found$(kind "$p") "
    if is_loose "$p"; then
        echo "process $p ($(kind "$p")): Seccomp $(value "$p" Seccomp), NoNewPrivs $(value "$p" NoNewPrivs)"
        bad=1
    fi
    limit=$(sed -n 's/^Max core file size *\([^ ]*\) .*/\1/p' "/proc/$p/limits" 2>/dev/null)
    [ -z "$limit" ] || [ "$limit" = 0 ] || { echo "process $p ($(kind "$p")): core dumps of $limit"; bad=1; }
done
for what; do
    case $found in
        *" $what "*) ;;
        *) echo "no process of the kind $what; there are:$found"; bad=1 ;;
    esac
done
exit $bad
