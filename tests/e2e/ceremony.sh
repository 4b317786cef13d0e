#!/bin/bash
# The key ceremony by verbs, each trustee with a board directory of its own, carried between them by couriers in an odd
# order; every verb twice; then decryption, drills and retirement. And what a person gets wrong at the keyboard.
NAME=ceremony
. "$(dirname "$0")/lib.sh"

# --- help and wrong use ---

for v in token election enroll roster deal complain reveal cut confirm status fingerprint merge drill decrypt retire \
    exception selftest show rehearse; do
    check "conclave $v --help" "$CONCLAVE" $v --help
    [ "$(grep -ciE "usage|^conclave" <<<"$output")" -gt 0 ] || bad "conclave $v --help shows no usage" "$output"
done
while read -r v; do
    check "conclave-tally $v --help" "$TALLY" $v --help
done < <("$TALLY" --help | awk 'NR > 4 && /^  / {v = substr($0, 3, 19); sub(/ +$/, "", v); print v}')
check "conclave --help" "$CONCLAVE" --help
check "conclave-tally --help" "$TALLY" --help
fails "no verb" 2 usage "$CONCLAVE"
fails "unknown verb" 2 usage "$CONCLAVE" vote
fails "unknown verb of conclave-tally" 2 ERR_USAGE "$TALLY" vote
fails "no verb of conclave-tally" 2 usage "$TALLY"
for v in enroll roster deal complain reveal cut confirm status fingerprint merge drill decrypt retire; do
    fails "$v without arguments" 2 'ERR_USAGE' "$CONCLAVE" $v
    fails "$v with an unknown option" 2 'ERR_USAGE' "$CONCLAVE" $v --no-such-option
done
fails "token without a word" 2 ERR_USAGE "$CONCLAVE" token
fails "token with an unknown word" 2 ERR_USAGE "$CONCLAVE" token melt
fails "an option twice" 2 'twice.*ERR_USAGE' "$CONCLAVE" status --board a --board b
fails "an argument too many" 2 ERR_USAGE "$CONCLAVE" status --board a b
fails "a PIN on the command line" 2 ERR_USAGE "$CONCLAVE" token probe --token "pkcs11:token=a?pin-value=471123"
grep -q 471123 <<<"$output" && bad "the refused PIN is printed" "$output" || ok "and the PIN is not repeated"

# --- boards of their own ---

board_of() { printf '%s/board-%s' "$D" "$1"; }
for i in 1 2 3; do token_make $i; done
election "$D/board-1" 2
for i in 2 3; do mkdir "$D/board-$i"; cp "$D"/board-1/{manifest.json,jurisdictions.csv} "$D/board-$i/"; done

merge() { must "$CONCLAVE" merge --board "$D/board-$1" "$D/board-$2"; }

# Odd order, some ways twice; in the end everybody has everything.
carry() {
    merge 3 1; merge 3 1; merge 1 2; merge 2 3; merge 3 2; merge 1 3; merge 2 1; merge 2 1; merge 3 2
    check "all boards hold the same entries" same_boards
}
same_boards() {
    diff <(cd "$D/board-1/entries" && ls) <(cd "$D/board-2/entries" && ls) &&
        diff <(cd "$D/board-1/entries" && ls) <(cd "$D/board-3/entries" && ls)
}
entries() { (cd "$D/board-$1/entries" && sha256sum *.cose); }

# Everybody runs the verb, and once more: entries stay the same.
twice() {
    local i before
    for i in 1 2 3; do
        check "$1, trustee $i" trustee $i "$@"
        before=$(entries $i)
        check "$1 again, trustee $i" trustee $i "$@"
        [ "$before" = "$(entries $i)" ] && ok "$1 again changes no entry" || bad "$1 again changed entries of $i"
    done
}

check "election check" "$CONCLAVE" election check --board "$D/board-1"
says "it shows the election's words" '17 '
check "status of an empty board" "$CONCLAVE" status --board "$D/board-1"
fails "roster before enrolment" 1 ERR_MISSING trustee 1 roster
for i in 1 2 3; do
    check "enroll, trustee $i" trustee $i enroll --name "Trustee $i" --organisation "Organisation $i"
    before=$(entries $i)
    check "enroll again, trustee $i" trustee $i enroll --name "Trustee $i" --organisation "Organisation $i"
    [ "$before" = "$(entries $i)" ] && ok "the same entries" || bad "enroll again changed the entries"
done
fails "roster with one enrolment" 1 ERR_QUORUM trustee 1 roster
carry

w=$(words Roster "$D/board-1")
[ "$(wc -w <<<"$w")" -eq 17 ] && ok "17 words" || bad "words of the roster: $w"
fails "deal before the roster is signed" 1 ERR_EARLY trustee 1 deal
fails "nobody types the words" 1 ERR_REFUSED trustee 1 roster
# Wrong words: asked again; then the end of the input refuses.
output=$(typing "$(sed 's/^[a-z]* //' <<<"$w") $(cut -d' ' -f1 <<<"$w")" trustee 1 roster 2>&1)
status=$?
[ $status -eq 1 ] && grep -q 'Not accepted' <<<"$output" && grep -q ERR_REFUSED <<<"$output" &&
    ok "wrong words are asked for again, the end of input refuses" || bad "wrong words: exit $status" "$output"
output=$(printf 'nonsense\n\n%s\n' "$w" | trustee 1 roster 2>&1)
status=$?
[ $status -eq 0 ] && grep -q 'Not accepted' <<<"$output" && ok "wrong words, then the right ones" ||
    bad "wrong, then right words: exit $status" "$output"
output=$(tr ' a-z' '\nA-Z' <<<"$w" | trustee 2 roster 2>&1)
status=$?
[ $status -eq 0 ] && ok "the words on lines of their own, in capitals" || bad "words on lines: exit $status" "$output"
must typing "$w" trustee 3 roster
check "roster again needs no words" trustee 3 roster
says "and says so" 'signed this roster before'
carry
twice deal
fails "cut before all have dealt, on one's own board" 1 ERR_EARLY trustee 1 cut
fails "confirm before the cut" 1 ERR_EARLY trustee 1 confirm
carry
twice complain
twice reveal
check "cut" trustee 2 cut
before=$(entries 2)
check "cut again" trustee 2 cut
[ "$before" = "$(entries 2)" ] && ok "the same entries" || bad "cut again changed the entries"
carry
twice confirm
check "status before the couriers" "$CONCLAVE" status --board "$D/board-1"
says "not released yet" 'confirm'
[ ! -e "$D/board-1/record.cbor" ] && ok "no record yet" || bad "a record before all have confirmed"
carry
for i in 3 1 2; do
    check "status, trustee $i" "$CONCLAVE" status --board "$D/board-$i"
    says "released" 'released'
done
cmp -s "$D/board-1/record.cbor" "$D/board-2/record.cbor" && cmp -s "$D/board-1/record.cbor" "$D/board-3/record.cbor" &&
    ok "all make the same record" || bad "records differ"
check "status again" "$CONCLAVE" status --board "$D/board-1"
says "the record is checked" 'record checked'
[ "$(anchor_words "$D/board-1" | wc -w)" -eq 17 ] &&
    [ "$(anchor_words "$D/board-1")" = "$(anchor_words "$D/board-3")" ] && ok "the same words of the key" ||
    bad "words differ"
check "fingerprint as QR" "$CONCLAVE" fingerprint --board "$D/board-1" --qr
says "QR text is there" '^CV1:|CONCLAVE|:'
check "show an entry" "$CONCLAVE" show "$(ls "$D"/board-1/entries/*.cose | head -1)"

# --- drill ---

check "drill" trustee 1 drill --challenge "dice: 3 1 4 1 5"
before=$(entries 1)
check "drill again" trustee 1 drill --challenge "dice: 3 1 4 1 5"
[ "$before" = "$(entries 1)" ] && ok "the same entries" || bad "drill again changed the entries"
check "drill of another" trustee 2 drill --challenge "dice: 3 1 4 1 5"
carry
check "drill --check needs no token" "$CONCLAVE" drill --check --board "$D/board-3" --challenge "dice: 3 1 4 1 5"
says "two seats" 'challenge: [123], [123]$'
check "drill --check on another challenge" "$CONCLAVE" drill --check --board "$D/board-3" --challenge "dice: 1"
says "nobody" 'challenge: -$'

# --- decryption night ---

ln -s board-1 "$D/board"
vote 1 9
vote 2 7
check "aggregate" "$TALLY" aggregate --board "$D/board" --exports "$D/exports" --work "$D/work"
check "aggregate again" "$TALLY" aggregate --board "$D/board" --exports "$D/exports" --work "$D/work"
check "plan" "$TALLY" plan --board "$D/board" --work "$D/work"
cp "$D/work/plan.cbor" "$D/plan-before"
check "plan again" "$TALLY" plan --board "$D/board" --work "$D/work"
check "the same plan" cmp "$D/work/plan.cbor" "$D/plan-before"
w=$(words "Decryption plan" "$D/board" --plan "$D/work/plan.cbor")
decrypt=(decrypt --plan "$D/work/plan.cbor" --exports "$D/exports")
mkdir -p "$D/own-set"
printf '{"settings":1,"threads":1,"batch_points":1}' >"$D/own-set/settings.json"
fails "settings out of their limits" 1 'ERR_LIMIT' trustee 1 "${decrypt[@]}" --work "$D/own-set"
printf '{"settings":1,"threads":1,"batch_points":1024,"window":5}' >"$D/own-set/settings.json"
fails "with settings it comes as far as the plan's words" 1 ERR_REFUSED trustee 1 "${decrypt[@]}" --work "$D/own-set"
fails "nobody types the plan's words" 1 ERR_REFUSED trustee 1 "${decrypt[@]}" --work "$D/own-1"
fails "the roster's words are not the plan's" 1 ERR_REFUSED typing "$(words Roster "$D/board")" \
    trustee 1 "${decrypt[@]}" --work "$D/own-1"
ls "$D"/board-1/entries | grep -q partial && bad "a partial without the words" || ok "no partial without the words"
fails "combine without partials" 1 ERR_QUORUM "$TALLY" combine --board "$D/board" --work "$D/work"
for i in 1 3; do
    check "decrypt, trustee $i" typing "$w" trustee $i "${decrypt[@]}" --work "$D/own-$i"
    before=$(entries $i)
    check "decrypt again, trustee $i" typing "$w" trustee $i "${decrypt[@]}" --work "$D/own-$i"
    [ "$before" = "$(entries $i)" ] && ok "the same entries" || bad "decrypt again changed the entries"
done
fails "combine before the courier" 1 ERR_QUORUM "$TALLY" combine --board "$D/board" --work "$D/work"
carry
check "combine" "$TALLY" combine --board "$D/board" --work "$D/work"
check "publish" "$TALLY" publish --board "$D/board" --exports "$D/exports" --work "$D/work" --out "$D/bundle"
check "publish again" "$TALLY" publish --board "$D/board" --exports "$D/exports" --work "$D/work" --out "$D/bundle"
says "unchanged" '^unchanged'
if [ -x "$VERIFY" ]; then
    key=$(anchor_hex "$D/board")
    check "verified" "$VERIFY" "$D/bundle" --election "$key"
else
    skip "conclave-verify" "not built"
fi

# --- self-test ---

check "self-test" "$CONCLAVE" selftest
says "every test has a result" 'tests passed'
check "self-test with the token" env "$(token_env 2)" "$CONCLAVE" selftest --token "$(token_uri 2)"
says "the token's generator" 'random-token.*PASS'
says "and its probe" 'checks passed'

# --- exceptions ---

check "an exception is noted" trustee 2 exception --text "The seal of the room was broken"
check "exceptions are shown" "$CONCLAVE" exception --board "$(board_of 2)"
says "with who noted it" 'exception, .* UTC, .*: The seal of the room was broken$'
check "status shows exceptions" "$CONCLAVE" status --board "$(board_of 2)"
says "that one too" 'The seal of the room was broken'
fails "an exception of control characters" 1 ERR_TEXT trustee 2 exception --text $'bell\a'
fails "an exception without a token" 2 ERR_USAGE "$CONCLAVE" exception --board "$(board_of 2)" --text x

# --- retire ---

fails "nobody types the words of the key" 1 ERR_REFUSED trustee 2 retire
w=$(anchor_words "$D/board")
check "retire" typing "$w" trustee 2 retire
before=$(entries 2)
check "retire again" typing "$w" trustee 2 retire
says "and says so" 'retired before'
[ "$before" = "$(entries 2)" ] && ok "the same entries" || bad "retire again changed the entries"
fails "no drill after retiring" 1 'ERR_(TOKEN_KEY|MISSING)' trustee 2 drill --challenge late
finish
