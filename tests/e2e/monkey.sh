#!/bin/bash
# Random keys, resizes and media that are pulled while the screens run, in every stage of an election: nothing
# crashes, and the terminal is always given back. The screens are the sanitizer build where there is one.
NAME=monkey
. "$(dirname "$0")/lib.sh"
ROOT=$PWD
SCREENS=$CONCLAVE
[ ! -x "$ROOT/$OUT/san/conclave" ] || SCREENS=$ROOT/$OUT/san/conclave
if ! command -v tmux >/dev/null; then
    skip "random keys" "tmux is not installed"
    finish
fi

# What is typed as a path is a name in here. Each letter is one of the medium, so that it is often found.
scratch() { # STAGE COMMAND...: DIR
    local dir=$D/$1 c
    shift
    must "$@" "$dir"
    mkdir -p "$dir/home" "$dir/medium"
    for c in {a..z}; do ln -s medium "$dir/$c"; done
}

pull_or_restore='if [ -e medium ]; then mv medium pulled; else mv pulled medium; fi'

# monkey TEXT STAGE SEED PRESSES TOKEN-DIR URI OPTION...
monkey() {
    local text=$1 dir=$D/$2 seed=$3 presses=$4 token=$5 uri=$6
    shift 6
    cd "$dir" || exit 1
    check "$text" env HOME="$dir/home" SOFTHSM2_CONF="$dir/tokens/$token/softhsm2.conf" SEED="$seed" \
        PRESSES="$presses" AT="$pull_or_restore" bash "$ROOT/tests/screens/monkey.sh" "$SCREENS" \
        --board "$dir/board" --token "$uri?pin-source=file:$dir/tokens/$token/pin" --rehearsal "$@"
    says "$text: to the end" "^$presses keys, [0-9]+ starts"
    cd "$ROOT" || exit 1
}

election_at() { OUT=$OUT bash tests/screens/election.sh "$2" "$1"; }
night() { OUT=$OUT bash tests/screens/night.sh "$1"; }

scratch enrolled election_at enrolled
scratch released election_at released
scratch night night
monkey "roster" enrolled 11 2000 1 pkcs11:token=trustee-1 --language en
monkey "after the ceremony" released 12 2000 2 pkcs11:token=trustee-2 --language en
monkey "decryption night" night 13 2500 trustee-1 pkcs11:token=trustee-1 --language en
monkey "decryption night, Spanish" night 14 1000 trustee-2 pkcs11:token=trustee-2 --language es
finish
