#!/bin/bash
# Keys in, expected screen out: plays scripts in a terminal of its own (tmux). The format: tests/screens/README.md.
# usage: tests/screens/run.sh [-v] [SCRIPT...]      default: all of tests/screens/*/*.scr
set -u
cd "$(dirname "$0")/../.." || exit 2
export OUT=${OUT:-build} LC_ALL=C.UTF-8
export DEMO=$OUT/tests/screens/demo
CAPTURE_QR=$OUT/tests/screens/capture_qr
verbose=0
if [ "${1-}" = -v ]; then verbose=1; shift; fi
whole=0
[ $# -gt 0 ] || { set -- tests/screens/*/*.scr; whole=1; }
command -v tmux >/dev/null || { echo "skipped: tmux is not installed"; echo "0 passed, 0 failed"; exit 0; }
socket=conclave-screens-$$ starts=0
work=$(mktemp -d)
passed=0 failed=0
seen=${SCREENS_SEEN:-$work/seen} # "80x24<tab>first line" of every screen that a step waited for
export TMP=$work/tmp
t() { tmux -L "$socket" "$@" 2>/dev/null; }
trap 't kill-server; rm -rf "$work"' EXIT
limit=${SCREENS_WAIT:-15} # seconds that a screen gets to appear

screen() { t capture-pane -p -t s; }
fail() { # message...
    printf '%s:%d: %s\n' "$script" "$number" "$*"
    screen | sed 's/^/    |/'
    bad=1
}

# Repeats a command until it succeeds or the time is over.
until_ok() {
    local end=$((SECONDS + limit))
    until "$@"; do
        [ $SECONDS -lt $end ] || return 1
        sleep 0.05
    done
}
title() { screen | sed -n '1{s/^ *//; s/ *\(REHEARSAL\|ENSAYO\) *$//; s/ *$//; p}'; }
is_titled() { local t; t=$(title); [ -n "$t" ] && [ "${t:0:14}" = "${1:0:14}" ]; }
# The page in another size: still that page, and again when the size is as it was.
also_at() { # size title
    local before end=$((SECONDS + 3))
    before=$(screen)
    t resize-window -t s -x "${1%x*}" -y "${1#*x}"
    sleep 0.15 # what is there at once is the terminal's own idea
    if until_ok is_titled "$2"; then
        printf '%s\t%s\n' "$1" "$(title)" >>"$seen"
    else
        fail "at $1 there is no page: $2"
    fi
    t resize-window -t s -x "${now%x*}" -y "${now#*x}"
    # as it was, but for pages that change by themselves
    until [ "$(screen)" = "$before" ] || [ $SECONDS -ge $end ]; do sleep 0.05; done
    until_ok is_titled "$2" || fail "back at $now there is no page: $2"
}
# What a step waited for is there. Each page is also looked at in the other size once, if the script says so.
note() {
    local t n
    t=$(title)
    if [ -n "$also" ] && [ "$now" != "$also" ]; then
        for n in 1 2 3 4 5 6 7 8 9; do # half drawn, its first line may be another's
            case $looked_at in *"|$t|"*) break ;; esac
            sleep 0.1
            [ "$(title)" != "$t" ] || break
            t=$(title)
        done
    fi
    printf '%s\t%s\n' "$now" "$t" >>"$seen"
    [ -n "$also" ] && [ "$now" != "$also" ] && [ ${#t} -gt 2 ] || return
    case $looked_at in *"|$t|"*) return ;; esac
    looked_at="$looked_at|$t|"
    also_at "$also" "$t"
}
sees() { screen | grep -qF -- "$1"; }
sees_not() { ! sees "$1"; }
ended() { [ -s "$work/status" ]; }

# Compares the screen with the lines of $work/expect: {*} is any text, {#} digits, a line "..." any lines.
matches() {
    screen | sed 's/ *$//' | awk -v want="$work/expect" '
        function pattern(s,   r, i, c) {
            r = ""
            for (i = 1; i <= length(s); i++) {
                c = substr(s, i, 1)
                if (substr(s, i, 3) == "{*}") { r = r ".*"; i += 2 }
                else if (substr(s, i, 3) == "{#}") { r = r "[0-9]+"; i += 2 }
                else if (c ~ /[][\\.^$*+?(){}|\/]/) r = r "\\" c
                else r = r c
            }
            return "^" r "$"
        }
        function fits(i, j,   k) {
            if (i > n) { for (; j <= m; j++) if (have[j] != "") return 0; return 1 }
            if (line[i] == "...") { for (k = j; k <= m + 1; k++) if (fits(i + 1, k)) return 1; return 0 }
            if (j > m) return line[i] == "" && fits(i + 1, j)
            return have[j] ~ pattern(line[i]) && fits(i + 1, j + 1)
        }
        BEGIN { while ((getline s < want) > 0) { sub(/ *$/, "", s); line[++n] = s } }
        { have[++m] = $0 }
        END { exit !fits(1, 1) }'
}

codes() { t capture-pane -p -e -N -t s | "$CAPTURE_QR" >"$work/codes" 2>/dev/null; }
shows_code() { codes && grep -qxF -- "$1" "$work/codes"; }
shows_code_like() { codes && grep -qE -- "$1" "$work/codes"; }

start() { # command as in a shell
    local environment=$1
    shift
    now=${width}x$height
    rm -f "$work"/{status,before,after,pid}
    cat >"$work/play" <<PLAY
stty -g >$work/before
$environment sh -c 'echo \$\$ >$work/pid; exec $*'
s=\$?
stty -g >$work/after
echo \$s >$work/status
exec sleep 1000
PLAY
    t kill-server
    starts=$((starts + 1)) socket=conclave-screens-$$-$starts # one that is ending takes no new session
    tmux -L "$socket" -f /dev/null new-session -d -s s -x "$width" -y "$height" \
        "exec env TERM=${term} sh $work/play" \; set -g status off \; set -g escape-time 0 \
        \; set -g remain-on-exit on 2>"$work/tmux" || fail "tmux: $(cat "$work/tmux")"
    t resize-window -t s -x "$width" -y "$height"
}

check_exit() { # status
    until_ok ended || { fail "did not end"; return; }
    local status
    status=$(cat "$work/status")
    [ "$1" = '*' ] || [ "$status" = "$1" ] || fail "exit status $status, expected $1"
    [ "$(t display -p -t s '#{alternate_on}#{cursor_flag}')" = 01 ] || fail "the screen or the cursor was not restored"
    cmp -s "$work/before" "$work/after" || restored_late || fail "the terminal was not restored"
}
# After SIGKILL it is the guardian that restores, a moment later.
restored_late() {
    for _ in 1 2 3 4 5 6 7 8 9 10; do
        sleep 0.1
        [ "$(stty -g <"$(t display -p -t s '#{pane_tty}')")" = "$(cat "$work/before")" ] && return 0
    done
    return 1
}

step() { # word rest
    local word=$1 rest=$2
    case $word in
        size) width=${rest%x*} height=${rest#*x} ;;
        also) also=${rest#-} ;;
        term) term=$rest ;;
        env) environment="$environment $rest" ;;
        start) start "$environment" "$rest" ;;
        keys) eval "t send-keys -t s $rest" ;;
        type) t send-keys -t s -l -- "$rest" ;;
        wait) if until_ok sees "$rest"; then note; else fail "not on the screen: $rest"; fi ;;
        gone) until_ok sees_not "$rest" || fail "still on the screen: $rest" ;;
        resize) now=$rest; t resize-window -t s -x "${rest%x*}" -y "${rest#*x}" ;;
        signal) kill -s "$rest" "$(cat "$work/pid")" || fail "no process" ;;
        qr) until_ok shows_code "$rest" || fail "no QR code with: $rest, but: $(cat "$work/codes")" ;;
        qr-like) until_ok shows_code_like "$rest" || fail "no QR code like: $rest, but: $(cat "$work/codes")" ;;
        no-qr) codes && fail "a QR code: $(cat "$work/codes")" ;;
        run) (eval "$rest") >"$work/log" 2>&1 || fail "run: $(cat "$work/log")" ;;
        needs) (eval "$rest") >"$work/log" 2>&1 || { left_out=1 && echo "skipped $script from line $number: needs $rest"; } ;;
        exit) check_exit "$rest" ;;
        *) fail "unknown word: $word" ;;
    esac
}

play() {
    width=80 height=24 term=screen-256color environment= also= looked_at= bad=0 number=0 left_out=0
    rm -rf "$TMP"
    mkdir -p "$TMP"
    while IFS= read -r l || [ -n "$l" ]; do
        number=$((number + 1))
        [ $bad = 0 ] && [ $left_out = 0 ] || return
        case $l in
            '' | '#'*) continue ;;
            expect)
                : >"$work/expect"
                while IFS= read -r l && [ "$l" != end ]; do
                    number=$((number + 1))
                    printf '%s\n' "${l#|}" >>"$work/expect"
                done
                number=$((number + 1))
                if until_ok matches; then
                    note
                else
                    fail "the screen is not as expected:"
                    sed 's/^/    >/' "$work/expect"
                fi
                ;;
            *)
                w=${l%% *} r=
                [ "$w" = "$l" ] || r=${l#* }
                [ $verbose = 0 ] || printf '%s:%d: %s\n' "$script" "$number" "$l"
                step "$w" "$r"
                ;;
        esac
    done <"$script"
}

# All of them: in two processes, each with a terminal of its own.
if [ $whole = 1 ] && [ "${SCREENS_JOBS:-2}" -gt 1 ]; then
    jobs=${SCREENS_JOBS:-2} scripts=("$@")
    for ((j = 0; j < jobs; j++)); do
        mine=()
        for ((i = j; i < ${#scripts[@]}; i += jobs)); do mine+=("${scripts[i]}"); done
        SCREENS_SEEN=$seen bash tests/screens/run.sh "${mine[@]}" >"$work/log-$j" 2>&1 &
    done
    wait
    for ((j = 0; j < jobs; j++)); do
        sed '$d' "$work/log-$j"
        line=$(tail -1 "$work/log-$j")
        case $line in
            *' passed, '*' failed') passed=$((passed + ${line%% *})) line=${line#*, } failed=$((failed + ${line%% *})) ;;
            *) echo "$line"; failed=$((failed + 1)) ;;
        esac
    done
    set --
fi
for script in "$@"; do
    play
    t kill-server
    if [ $bad = 0 ]; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
    fi
done
if [ $whole = 1 ] && [ $failed = 0 ] && ! bash tests/screens/coverage.sh "$seen"; then
    failed=$((failed + 1))
fi
echo "$passed passed, $failed failed"
[ $failed -eq 0 ]
