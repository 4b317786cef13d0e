#!/bin/bash
# Five visits: a courier loses the ciphertexts of one dealer, the trustee complains, the dealer reveals that one share, and
# the ceremony goes on. What was not revealed stays secret, also in the memory of the dealer's process.
NAME=complaint
. "$(dirname "$0")/lib.sh"
TOOLS=$OUT/tests/e2e
san=()
case $OUT in *san*) san=(SAN=1) ;; esac
[ -x "$TOOLS/image_tool" ] && [ -x "$TOOLS/secrets_tool" ] ||
    must env -u MAKEFLAGS -u MAKELEVEL make -s "${san[@]}" "$TOOLS/image_tool" "$TOOLS/secrets_tool"
export ASAN_OPTIONS=${ASAN_OPTIONS:-}:detect_leaks=0 # does not go together with ptrace

for i in 1 2 3; do token_make $i "Pin-$i-$(od -An -tx8 -N8 /dev/urandom | tr -d ' ')"; done
election "$D/board" 1
for i in 1 2 3; do must trustee $i enroll --name "Trustee $i" --organisation "Organisation $i"; done
w=$(words Roster "$D/board")
for i in 1 2 3; do must typing "$w" trustee $i roster; done
seat() { "$CONCLAVE" status --board "$D/board" | awk -v n="Trustee $1" 'index($0, n) {print $1}'; }
dealer=$(seat 1) loser=$(seat 2)

# Trustee 2's board gets the deal of trustee 1 without its ciphertexts.
must trustee 2 deal
must trustee 3 deal
cp -r "$D/board" "$D/board-2"
must trustee 1 deal
for e in "$D"/board/entries/deal.*; do cp -n "$e" "$D/board-2/entries/"; done
board_of() { if [ "$1" = 2 ]; then printf '%s/board-2' "$D"; else printf '%s/board' "$D"; fi; }

check "complain without --missing complains about nobody" trustee 2 complain
says "but names what is missing" "shares from seats? *$dealer "
ls "$D/board-2/entries" | grep -q complaint && bad "a complaint" || ok "no complaint is signed"
check "the others open their shares" trustee 3 complain
check "reveal without a complaint" trustee 1 reveal
says "there is nothing to answer" 'no complaint'
check "complain --missing" trustee 2 complain --missing
says "the seat is named" "complained about seats $dealer\$"
check "complain --missing again" trustee 2 complain --missing
[ "$(ls "$D"/board-2/entries/complaint.* | wc -l)" -eq 1 ] && ok "one complaint" || bad "complaints" "$(ls "$D/board-2/entries")"
must "$CONCLAVE" merge --board "$D/board" "$D/board-2"
check "status" "$CONCLAVE" status --board "$D/board"
says "the dealer is asked to reveal" 'run reveal'

reveal=(reveal --board "$D/board" --token "$(token_uri 1)")
traced=
if [ ${#san[@]} -eq 0 ] && env "$(token_env 1)" "$TOOLS/image_tool" trace "$D/image" "$CONCLAVE" "${reveal[@]}" >"$D/out" 2>&1; then
    traced=1
    ok "reveal"
else
    check "reveal" trustee 1 reveal
fi
before=$(ls "$D/board/entries")
check "reveal again" trustee 1 reveal
[ "$before" = "$(ls "$D/board/entries")" ] && ok "the same entries" || bad "reveal again changed the entries"
must "$CONCLAVE" merge --board "$D/board-2" "$D/board"
check "cut by the trustee who complained" trustee 2 cut
says "all dealers count" 'dealers that count: 1, 2, 3'
must "$CONCLAVE" merge --board "$D/board" "$D/board-2"
for i in 1 2 3; do check "confirm, trustee $i" trustee $i confirm; done
must "$CONCLAVE" merge --board "$D/board" "$D/board-2"
check "status" "$CONCLAVE" status --board "$D/board"
says "released" released
must "$CONCLAVE" merge --board "$D/board-2" "$D/board"
must "$CONCLAVE" status --board "$D/board-2"
check "drill of the trustee who complained" trustee 2 drill --challenge x

# --- what was not revealed ---

vote 1 8
must "$TALLY" aggregate --board "$D/board" --exports "$D/exports" --work "$D/work"
must "$TALLY" plan --board "$D/board" --work "$D/work"
triples=()
for i in 1 2 3; do triples+=("$(token_conf $i)" "$(token_uri $i)" "$D/tokens/$i/pin"); done
(umask 077; : >"$D/secrets")
check "all secrets are recomputed" "$TOOLS/secrets_tool" "$D/board" "$D/work/plan.cbor" "$D/secrets" "${triples[@]}"
public="^$dealer:(share-for-$loser|encapsulation-$loser|conclave/encapsulation-$loser-wide|share-$loser-[a-z]+) "
(umask 077; grep -E "$public" "$D/secrets" >"$D/public"; grep -vE "$public" "$D/secrets" >"$D/still-secret")
mapfile -t files < <(find "$D" -type f -not -path "$D/tokens/*" -not -path "$D/image/*" -not -path "$D/secrets" \
    -not -path "$D/public" -not -path "$D/still-secret")
fails "control: the revealed key is on the board" 1 "$dealer:encapsulation-$loser \(raw\)" "$TOOLS/image_tool" search "$D/public" "${files[@]}"
check "nothing else in any of ${#files[@]} files" "$TOOLS/image_tool" search "$D/still-secret" "${files[@]}"
if [ -n "$traced" ]; then
    for when in held exit; do
        check "nothing else in the process of reveal, image \"$when\"" "$TOOLS/image_tool" search "$D/still-secret" "$D/image/$when"
    done
else
    skip "core image of reveal" "no ptrace here, or a sanitizer"
fi
rm -rf "$D/image" "$D/secrets" "$D/public" "$D/still-secret"
finish
