#!/bin/bash
# No secret outlives its use: a whole election by real processes, then a search for every secret (seed, coefficients,
# encapsulation keys, shares, share of the key, HPKE keys, nonces of proofs, joint key, PIN) in every file that was
# written, and in core images of the trustee's process and of its keeper after each verb; in the former at no time.
NAME=secrets
. "$(dirname "$0")/lib.sh"
TOOLS=$OUT/tests/e2e
san=()
case $OUT in *san*) san=(SAN=1) ;; esac
[ -x "$TOOLS/image_tool" ] && [ -x "$TOOLS/secrets_tool" ] ||
    must env -u MAKEFLAGS -u MAKELEVEL make -s "${san[@]}" "$TOOLS/image_tool" "$TOOLS/secrets_tool"
export ASAN_OPTIONS=${ASAN_OPTIONS:-}:detect_leaks=0 # does not go together with ptrace
images=$D/images secrets=$D/secrets
mkdir -p "$images" "$D/log"

# Not a word that could stand in a file by chance.
for i in 1 2 3; do token_make $i "Pin-$i-$(od -An -tx8 -N8 /dev/urandom | tr -d ' ')"; done
election "$D/board" 2

# Under a sanitizer memory images hold its own copies: only files are searched.
traced=1
[ ${#san[@]} -eq 0 ] || traced=
unprivileged=
[ "$(id -u)" = 0 ] || { traced= unprivileged=1; }
if [ -n "$traced" ]; then
    "$TOOLS/image_tool" trace "$images/control" env PLANTED=planted-in-the-environment true
    if [ $? -eq 77 ]; then
        traced=
        skip "core images" "ptrace is not allowed here"
    fi
elif [ -n "$unprivileged" ]; then
    skip "core images" "the processes cannot be read by their user, only by root"
else
    skip "core images" "a sanitizer keeps copies of its own"
fi

# Trustee 1 is traced, all output is kept.
party() { # I VERB...
    local i=$1 verb=$2
    shift
    if [ "$i" = 1 ] && [ -n "$traced" ]; then
        env "$(token_env "$i")" "$TOOLS/image_tool" trace "$images/$verb" "$CONCLAVE" "$@" --board "$D/board" \
            --token "$(token_uri "$i")" >>"$D/log/$i" 2>&1
    else
        trustee "$i" "$@" >>"$D/log/$i" 2>&1
    fi
    local status=$?
    [ $status -eq 0 ] || { tail -3 "$D/log/$i"; return $status; }
}

check "control: token probe" party 1 token probe
for i in 1 2 3; do must party $i enroll --name "Trustee $i" --organisation "Organisation $i"; done
w=$(words Roster "$D/board")
for i in 1 2 3; do must typing "$w" party $i roster; done
for v in deal complain; do for i in 1 2 3; do must party $i $v; done; done
must party 1 cut
for i in 1 2 3; do must party $i confirm; done
check "the key is released" "$CONCLAVE" status --board "$D/board"
must party 1 drill --challenge "a beacon of that day"
vote 1 10
vote 2 8
must "$TALLY" aggregate --board "$D/board" --exports "$D/exports" --work "$D/work"
must "$TALLY" plan --board "$D/board" --work "$D/work"
w=$(words "Decryption plan" "$D/board" --plan "$D/work/plan.cbor")
for i in 1 3; do
    must typing "$w" party $i decrypt --plan "$D/work/plan.cbor" --exports "$D/exports" --work "$D/own-$i"
done
must "$TALLY" combine --board "$D/board" --work "$D/work"
check "published" "$TALLY" publish --board "$D/board" --exports "$D/exports" --work "$D/work" --out "$D/bundle"

triples=()
for i in 1 2 3; do triples+=("$(token_conf $i)" "$(token_uri $i)" "$D/tokens/$i/pin"); done
(umask 077; : >"$secrets")
check "all secrets are recomputed from board and tokens" "$TOOLS/secrets_tool" "$D/board" "$D/work/plan.cbor" \
    "$secrets" "${triples[@]}"
echo "        $(wc -l <"$secrets") secrets"
must typing "$(anchor_words "$D/board")" party 1 retire

search() { "$TOOLS/image_tool" search "$secrets" "$@"; }

# Controls: what is planted is found.
mkdir "$D/control"
sed -n 's/^1:seed //p' "$secrets" >"$D/control/hex"
sed -n 's/^1:seed //p' "$secrets" | xxd -r -p >"$D/control/raw"
{ printf 'x'; cat "$D/control/raw"; } | base64 >"$D/control/base64"
xxd -p -c1 "$D/control/raw" | tac | xxd -r -p >"$D/control/limbs"
for c in hex raw base64 limbs; do
    fails "control: a seed in a file, $c, is found" 1 "1:seed \($c\)" search "$D/control/$c"
done
if [ -n "$traced" ]; then
    printf 'planted %s\n' "$(printf 'planted-in-the-environment' | xxd -p -c 99)" >"$D/planted"
    fails "control: what a process holds is in its image" 1 '^planted \(raw\)' "$TOOLS/image_tool" search "$D/planted" \
        "$images/control/exit"
    fails "control: while confirm uses the share, it is in the keeper's image" 1 '^[123]:share-of-key \(raw\)' \
        search "$images/confirm/keeper-use"
    says "and there once, with nothing else" ' 2 found$' # two halves
fi

mapfile -t files < <(find "$D" -type f -not -path "$D/tokens/*" -not -path "$images/*" -not -path "$D/control/*" \
    -not -path "$secrets" -not -path "$D/planted")
check "no secret in any of ${#files[@]} files (board, logs, journals, exports, work, bundle)" search "${files[@]}"
[ -z "$traced" ] || for v in token enroll roster deal complain cut confirm drill decrypt retire; do
    for when in held exit keeper-held keeper-exit; do
        case $v-$when in token-keeper*) continue ;; esac # the probe needs no keeper
        if [ -e "$images/$v/$when" ]; then
            check "no secret in the process of $v, image \"$when\"" search "$images/$v/$when"
        else
            bad "there is no image of $v, \"$when\""
        fi
    done
done
[ -z "$traced" ] || for v in enroll deal confirm decrypt; do
    check "who reads the board has no secret while $v is at work" search "$images/$v/link"
done

# --- PINs, where they are set and where they are wrong ---

if [ -n "$traced" ]; then
    t=$D/tokens/new
    mkdir -p "$t/store"
    printf 'directories.tokendir = %s/store\nobjectstore.backend = file\nlog.level = ERROR\n' "$t" >"$t/softhsm2.conf"
    for p in so-pin pin wrong-pin; do
        printf '%s-%s\n' $p "$(od -An -tx8 -N8 /dev/urandom | tr -d ' ')" >"$t/$p"
        printf '%s %s\n' $p "$(head -1 "$t/$p" | tr -d '\n' | xxd -p -c 99)" >>"$D/pins"
    done
    check "token init" env SOFTHSM2_CONF="$t/softhsm2.conf" "$TOOLS/image_tool" trace "$images/init" "$CONCLAVE" token init \
        --token "pkcs11:?module-path=$SOFTHSM" --label new --so-pin-file "$t/so-pin" --pin-file "$t/pin"
    fails "wrong PIN" 1 ERR_TOKEN_PIN env SOFTHSM2_CONF="$t/softhsm2.conf" "$TOOLS/image_tool" trace "$images/wrong" \
        "$CONCLAVE" enroll --board "$D/board" --name A --organisation B \
        --token "pkcs11:token=new?module-path=$SOFTHSM&pin-source=file:$t/wrong-pin"
    for v in init wrong; do
        for when in held exit; do
            check "no PIN in the process, token $v, image \"$when\"" "$TOOLS/image_tool" search "$D/pins" "$images/$v/$when"
        done
    done
fi
rm -rf "$images" "$secrets" "$D/pins"
finish
