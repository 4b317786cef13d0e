#!/bin/bash
# What a token, its owner and a clumsy hand can do: wrong PIN, last try, locked, absent, another token, full, removed between
# and within operations. A sentence that names the trouble, and afterwards the verb can be repeated.
NAME=tokens
. "$(dirname "$0")/lib.sh"
MOCK=$PWD/$OUT/tests/mock_p11.so
[ -e "$MOCK" ] || { case $OUT in *san*) set -- SAN=1 ;; *) set -- ;; esac; must env -u MAKEFLAGS make -s "$@" "${MOCK#"$PWD/"}"; }

for i in 1 2 3; do token_make $i; done
election "$D/board" 1
enroll() { trustee "$1" enroll --name "Trustee $1" --organisation "Organisation $1"; }

# with_uri URI VERB...: trustee 1's token store, another URI.
with_uri() {
    local uri=$1
    shift
    env "$(token_env 1)" "$CONCLAVE" "$@" --board "$D/board" --token "$uri"
}
named="Trustee 1"
uri() { printf 'pkcs11:token=%s?module-path=%s&pin-source=file:%s' "$1" "$2" "$3"; }
pin1=$D/tokens/1/pin
printf '99999999\n' >"$D/wrong-pin"
try() { with_uri "$1" enroll --name "$named" --organisation "Organisation 1"; }

# --- PIN ---

fails "wrong PIN" 1 'trustee-1.*PIN is wrong.*ERR_TOKEN_PIN' try "$(uri trustee-1 "$SOFTHSM" "$D/wrong-pin")"
grep -qE "99999999|$(cat "$pin1")" <<<"$output" && bad "a PIN is printed" "$output" || ok "no PIN is printed"
fails "PIN file absent" 1 "no-such-pin.*ERR_MISSING" try "$(uri trustee-1 "$SOFTHSM" "$D/no-such-pin")"
fails "PIN file is a directory" 1 "tokens.*ERR_FORMAT" try "$(uri trustee-1 "$SOFTHSM" "$D/tokens")"
mkfifo "$D/fifo"
fails "PIN file is a FIFO" 1 "fifo.*ERR_FORMAT" timeout 20 env "$(token_env 1)" "$CONCLAVE" enroll --name A --organisation B \
    --board "$D/board" --token "$(uri trustee-1 "$SOFTHSM" "$D/fifo")"
fails "PIN from a program" 2 ERR_USAGE try "pkcs11:token=trustee-1?module-path=$SOFTHSM&pin-source=|cat%20$pin1"
fails "no PIN source and no terminal" 1 'no terminal.*ERR_IO' setsid -w env "$(token_env 1)" "$CONCLAVE" enroll --name A \
    --organisation B --board "$D/board" --token "pkcs11:token=trustee-1?module-path=$SOFTHSM"

# --- which token ---

fails "another token is there" 1 'trustee-1.*ERR_TOKEN_WRONG' try "$(uri trustee-9 "$SOFTHSM" "$pin1")"
fails "module absent" 1 'ERR_TOKEN_FAILED' try "$(uri trustee-1 /no/such/module.so "$pin1")"
fails "module is not a module" 1 'ERR_TOKEN_FAILED' try "$(uri trustee-1 "$D/board/manifest.json" "$pin1")"
fails "not a URI" 2 ERR_USAGE try "trustee-1"
ls "$D/board/entries" 2>/dev/null | grep -q . && bad "entries by failures" "$(ls "$D/board/entries")" ||
    ok "none of this left an entry"

# --- a mock in front of SoftHSM2 for what SoftHSM2 cannot do ---

mock() { # ENVIRONMENT... -- OPTIONS of enroll
    local vars=()
    while [ "$1" != -- ]; do vars+=("$1"); shift; done
    shift
    env "$(token_env 1)" MOCK_P11_MODULE="$SOFTHSM" "${vars[@]}" "$CONCLAVE" enroll --name "$named" \
        --organisation "Organisation 1" --board "$D/board" --token "$(uri trustee-1 "$MOCK" "$pin1")" "$@"
}
fails "last try is not spent" 1 'ERR_TOKEN_LAST_TRY' mock MOCK_P11_TOKEN=final MOCK_P11_LOG="$D/log" MOCK_P11=C_Login:0=CKR_OK --
[ -e "$D/log" ] && bad "the PIN was sent on the last try" "$(cat "$D/log")" || ok "C_Login was not called"
fails "locked" 1 'unlock.*ERR_TOKEN_LOCKED' mock MOCK_P11_TOKEN=locked --
fails "locked by a wrong PIN elsewhere" 1 'ERR_TOKEN_LOCKED' mock MOCK_P11=C_Login:1=CKR_PIN_LOCKED --
fails "full" 1 'full.*ERR_TOKEN_FULL' mock MOCK_P11=C_GenerateKeyPair:1=CKR_DEVICE_MEMORY --
for call in C_GenerateKeyPair C_Sign C_DeriveKey C_GenerateRandom C_FindObjectsInit; do
    fails "removed at $call" 1 'removed.*ERR_TOKEN_REMOVED' mock MOCK_P11=$call:1=CKR_DEVICE_REMOVED --
done
fails "the module crashes" 1 'crashed.*ERR_TOKEN_FAILED' mock MOCK_P11=C_Sign:1=crash --
check "with --last-try it is spent, and right" mock MOCK_P11_TOKEN=final -- --last-try
check "enroll again, now with SoftHSM2 itself" enroll 1
[ "$(ls "$D"/board/entries/enroll.* | wc -l)" -eq 1 ] && ok "one enrolment after all these attempts" ||
    bad "enrolments" "$(ls "$D/board/entries")"

# --- removed between and within operations ---

away() { mv "$D/tokens/$1/store" "$D/tokens/$1/away"; }
back() { mkdir -p "$D/tokens/$1/store"; cp -r "$D/tokens/$1/store/." "$D/tokens/$1/away/"; rm -rf "$D/tokens/$1/store"
    mv "$D/tokens/$1/away" "$D/tokens/$1/store"; }

# gone I VERB...: without the token a sentence, with it the verb works.
gone() {
    local i=$1
    shift
    away "$i"
    mkdir "$D/tokens/$i/store" # the reader is there, the token is not
    fails "$1 without the token" 1 'ERR_TOKEN_(ABSENT|WRONG|REMOVED|FAILED)' "${feed[@]}" trustee "$i" "$@"
    rmdir "$D/tokens/$i/store"
    back "$i"
}

# SoftHSM2 does not say that its store is gone: it shows fewer and fewer objects, so that "has not enrolled, or was removed" and
# "has not signed this plan" are what there is to say.
# pulled I VERB...: the token goes away at some moment; whatever happened, the verb can be repeated.
pulled() {
    local i=$1 n codes=
    shift
    for n in 5 25 45 65 90 120; do
        "${feed[@]}" trustee "$i" "$@" >"$D/out" 2>&1 </dev/null &
        local pid=$!
        sleep 0.0$((n / 10))$((n % 10))
        [ $n -lt 100 ] || sleep 0.05
        away "$i"
        wait $pid
        local status=$?
        codes="$codes $status"
        back "$i"
        if [ $status -gt 1 ] || { [ $status -eq 1 ] && ! grep -qE 'was removed|has not signed this plan|\[ERR_(TOKEN_|REFUSED)' "$D/out"; }; then
            bad "$1, the token pulled after $n ms: exit $status" "$(cat "$D/out")"
        fi
    done
    check "$1 after the token was pulled six times (exits$codes)" "${feed[@]}" trustee "$i" "$@"
}
feed=()
for i in 2 3; do
    gone $i enroll --name "Trustee $i" --organisation "Organisation $i"
    pulled $i enroll --name "Trustee $i" --organisation "Organisation $i"
done
[ "$(ls "$D"/board/entries/enroll.* | wc -l)" -eq 3 ] && ok "three enrolments" || bad "enrolments" "$(ls "$D/board/entries")"
feed=(typing "$(words Roster "$D/board")")
gone 1 roster
pulled 1 roster
for i in 2 3; do must "${feed[@]}" trustee $i roster; done
feed=()
for v in deal complain; do
    gone 1 $v
    pulled 1 $v
    for i in 2 3; do must trustee $i $v; done
done
must trustee 2 cut
gone 1 confirm
pulled 1 confirm
for i in 2 3; do must trustee $i confirm; done
check "the key is released all the same" "$CONCLAVE" status --board "$D/board"
says "released" released
vote 1 8
must "$TALLY" aggregate --board "$D/board" --exports "$D/exports" --work "$D/work"
must "$TALLY" plan --board "$D/board" --work "$D/work"
feed=(typing "$(words "Decryption plan" "$D/board" --plan "$D/work/plan.cbor")")
gone 1 decrypt --plan "$D/work/plan.cbor" --exports "$D/exports" --work "$D/own-1"
pulled 1 decrypt --plan "$D/work/plan.cbor" --exports "$D/exports" --work "$D/own-1"
must "${feed[@]}" trustee 2 decrypt --plan "$D/work/plan.cbor" --exports "$D/exports" --work "$D/own-2"
check "combine" "$TALLY" combine --board "$D/board" --work "$D/work"
output=$("$CONCLAVE" status --board "$D/board" 2>&1)
grep -qi 'left out' <<<"$output" && bad "entries left out" "$output" || ok "nothing on the board is left out"
finish
