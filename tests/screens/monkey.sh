#!/bin/bash
# Presses random keys and resizes at random while a program runs in a terminal; starts it again when it ends. It must
# not crash, must end with 0 or 1, and must give the terminal back.
# usage: [SEED=1] [PRESSES=2000] [AT=command every 200 presses] tests/screens/monkey.sh COMMAND...
set -u
RANDOM=${SEED:-$$}
presses=${PRESSES:-2000}
export LC_ALL=C.UTF-8
work=$(mktemp -d)
socket=conclave-monkey-$$ starts=0 bad=0
t() { tmux -L "$socket" "$@" 2>/dev/null; }
trap 't kill-server; rm -rf "$work"' EXIT
keys=(Up Down Left Right Enter Enter Escape Tab BTab PPage NPage Home End Space BSpace C-u C-l C-c F1 '?' q x y n s r g)
letters='abcdefghijklmnopqrstuvwxyz0123456789 -/<>'
sizes=(80x24 40x12 132x50 20x4 200x70 81x25 60x16)

start() {
    starts=$((starts + 1)) socket=conclave-monkey-$$-$starts
    rm -f "$work/status"
    cat >"$work/play" <<PLAY
stty -g >$work/before
ASAN_OPTIONS=detect_leaks=0:handle_segv=0:handle_abort=0:log_path=$work/asan UBSAN_OPTIONS=log_path=$work/ubsan:print_stacktrace=1 "\$@"
s=\$?
stty -g >$work/after
echo \$s >$work/status
exec sleep 1000
PLAY
    tmux -L "$socket" -f /dev/null new-session -d -s s -x 80 -y 24 \
        "exec env TERM=screen-256color sh $work/play $(printf '%q ' "$@")" \; set -g status off \; set -g escape-time 0
    sleep 0.3
}
judge() {
    local status
    status=$(cat "$work/status")
    case $status in 0 | 1) ;; *) echo "exit status $status"; bad=1 ;; esac
    cmp -s "$work/before" "$work/after" || { echo "the terminal was not restored"; bad=1; }
}
press() {
    local batch=() i
    for ((i = 0; i < 10; i++)); do
        if ((RANDOM % 3)); then
            batch+=("${keys[RANDOM % ${#keys[@]}]}")
        else
            batch+=("${letters:RANDOM % ${#letters}:1}")
        fi
    done
    t send-keys -t s -- "${batch[@]}"
}

start "$@"
for ((done = 0; done < presses && bad == 0; done += 10)); do
    if [ -s "$work/status" ]; then
        judge
        t kill-server
        start "$@"
    fi
    press
    if ((RANDOM % 5 == 0)); then
        s=${sizes[RANDOM % ${#sizes[@]}]}
        t resize-window -t s -x "${s%x*}" -y "${s#*x}"
    fi
    ((done % 200)) || [ -z "${AT-}" ] || eval "$AT"
    sleep 0.05
done
if ls "$work"/*san.* >/dev/null 2>&1; then cat "$work"/*san.*; bad=1; fi
echo "$presses keys, $starts starts"
echo "$((bad == 0)) passed, $bad failed"
[ $bad -eq 0 ]
