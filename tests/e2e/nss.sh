#!/bin/bash
# NSS softoken as a second PKCS#11 module passes the same ceremony, together with SoftHSM2: trustee 1 has a SoftHSM2 token,
# trustees 2 and 3 have NSS databases. The module wants a string in C_Initialize, x-init-reserved in the URI.
NAME=nss
. "$(dirname "$0")/lib.sh"
if [ -z "$NSS" ] || ! command -v certutil >/dev/null; then
    skip "NSS softoken" "libsoftokn3.so or certutil is not installed"
    finish
fi
is_nss() { [ "$1" -gt 1 ]; }
nss_uri() { # I
    printf "pkcs11:token=NSS%%20Certificate%%20DB?module-path=%s&pin-source=file:%s&x-init-reserved=%s" "$NSS" \
        "$D/tokens/$1/pin" "configdir%3D'sql%3A$D/tokens/$1/db'%20certPrefix%3D''%20keyPrefix%3D''%20secmod%3D''%20flags%3D"
}
soft_uri() { printf 'pkcs11:token=trustee-%s?module-path=%s&pin-source=file:%s/tokens/%s/pin' "$1" "$SOFTHSM" "$D" "$1"; }
token_uri() { if is_nss "$1"; then nss_uri "$1"; else soft_uri "$1"; fi; }
token_env() { if is_nss "$1"; then printf 'SOFTHSM2_CONF=/nonexistent'; else printf 'SOFTHSM2_CONF=%s' "$(token_conf "$1")"; fi; }

token_make 1
mkdir -p "$D"/tokens/{2,3}/db
for i in 2 3; do printf 'nss pin %s%s\n' $i $i >"$D/tokens/$i/pin"; done
# One made by NSS's own tool, one by token init.
check "NSS database made with certutil" certutil -N -d "sql:$D/tokens/2/db" -f "$D/tokens/2/pin"
check "NSS database made with token init" "$CONCLAVE" token init --token "$(nss_uri 3)" --label "NSS Certificate DB" \
    --so-pin-file "$D/tokens/3/pin" --pin-file "$D/tokens/3/pin"
for i in 2 3; do
    check "probe of NSS token $i" "$CONCLAVE" token probe --token "$(nss_uri $i)"
    says "it can do all" 'can do all that a ceremony needs'
done
check "token list" "$CONCLAVE" token list --token "$(nss_uri 2)"
says "NSS is listed" 'NSS'

election "$D/board" 1
for v in enroll; do
    for i in 1 2 3; do
        check "$v, trustee $i" trustee $i enroll --name "Trustee $i" --organisation "Organisation $i"
        check "$v again, trustee $i" trustee $i enroll --name "Trustee $i" --organisation "Organisation $i"
    done
done
[ "$(ls "$D"/board/entries/enroll.* | wc -l)" -eq 3 ] && ok "three enrolments" || bad "enrolments" "$(ls "$D/board/entries")"
w=$(words Roster "$D/board")
for i in 1 2 3; do check "roster, trustee $i" typing "$w" trustee $i roster; done
says "two models are in the roster" 'NSS'
for v in deal complain; do
    for i in 3 1 2; do check "$v, trustee $i" trustee $i $v; done
done
check "cut" trustee 2 cut
for i in 2 3 1; do
    check "confirm, trustee $i" trustee $i confirm
    check "confirm again, trustee $i" trustee $i confirm
done
check "status" "$CONCLAVE" status --board "$D/board"
says "released" released
check "drill, NSS" trustee 3 drill --challenge "a beacon"
printf 'not the pin\n' >"$D/wrong-pin"
cp "$D/tokens/3/pin" "$D/right-pin"
cp "$D/wrong-pin" "$D/tokens/3/pin"
fails "wrong PIN, NSS" 1 'ERR_TOKEN_PIN' trustee 3 drill --challenge "another"
cp "$D/right-pin" "$D/tokens/3/pin"
vote 1 11
must "$TALLY" aggregate --board "$D/board" --exports "$D/exports" --work "$D/work"
must "$TALLY" plan --board "$D/board" --work "$D/work"
w=$(words "Decryption plan" "$D/board" --plan "$D/work/plan.cbor")
for i in 2 3; do # both NSS
    check "decrypt, trustee $i" typing "$w" trustee $i decrypt --plan "$D/work/plan.cbor" --exports "$D/exports" \
        --work "$D/own-$i"
done
check "combine" "$TALLY" combine --board "$D/board" --work "$D/work"
[ "$("$TALLY" show --board "$D/board" "$D/work/result.cbor" >/dev/null 2>&1; echo $?)" -eq 0 ] && ok "result" || bad "result"
w=$(anchor_words "$D/board")
check "retire, NSS" typing "$w" trustee 2 retire
fails "no share after retiring" 1 'ERR_(TOKEN_KEY|MISSING)' trustee 2 drill --challenge late
finish
