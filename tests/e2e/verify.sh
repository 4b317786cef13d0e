#!/bin/bash
# conclave-verify as a person calls it: a bundle with the right anchor, another one and none; a mutant; QR messages as texts,
# text files and pictures; exit statuses; JSON.
NAME=verify
. "$(dirname "$0")/lib.sh"
MUTATE=$PWD/$OUT/tests/mutants/mutate
[ -x "$MUTATE" ] || { case $OUT in *san*) set -- SAN=1 ;; *) set -- ;; esac; env -u MAKEFLAGS make -s "$@" "${MUTATE#"$PWD/"}"; }

check "a good bundle and mutants are made" "$MUTATE" "$D" votes-moved forged-batch other-election
anchor=$(awk '$1 == "good" {print $2}' "$D/expected")
other=$(awk '$1 == "votes-moved" {print $2}' "$D/expected")

# exits STATUS PATTERN TEXT COMMAND...
exits() {
    local want=$1 pattern=$2 text=$3
    shift 3
    fails "$text" "$want" "$pattern" "$@"
}

exits 0 'VERDICT: PASS' "the good bundle against its anchor" "$VERIFY" "$D/good" --election "$anchor"
words=$(grep -oE 'Its anchor: .*' <<<"$output" | cut -d' ' -f3-)
exits 0 'VERDICT: PASS' "the anchor as words" "$VERIFY" "$D/good" --election "$words"
exits 0 'VERDICT: PASS' "with one thread" "$VERIFY" "$D/good" --election "$words" --threads 1
printf '{"settings":1,"threads":2,"batch_points":1024}' > "$D/settings.json"
exits 0 'VERDICT: PASS' "with settings, and numbers of the run" "$VERIFY" "$D/good" --election "$words" --settings "$D/settings.json" --metrics "$D/run.prom"
if grep -q '^conclave_verify_threads{process="run",program="verify"} 2$' "$D/run.prom" && grep -q '^conclave_process_running{.*} 0$' "$D/run.prom" &&
    [ "$(sed -n 's/^conclave_verify_read_bytes_total{.*} //p' "$D/run.prom")" = "$(sed -n 's/^conclave_verify_expected_bytes{.*} //p' "$D/run.prom")" ]; then
    ok "the numbers say what was read"
else
    bad "the numbers say what was read" "$(cat "$D/run.prom")"
fi
exits 0 'VERDICT: PASS' "numbers that cannot be written are no verdict" "$VERIFY" "$D/good" --election "$words" --metrics "$D/nowhere/run.prom"
printf '{"settings":1,"threads":2,"batch_points":1}' > "$D/settings.json"
exits 1 'ERR_LIMIT' "settings out of bounds" "$VERIFY" "$D/good" --settings "$D/settings.json"
plain=$("$VERIFY" "$D/good" --election "$anchor" --json)
for text in "the first run with --resume" "and one that goes on" ; do
    exits 0 '"verdict": "PASS"' "$text" "$VERIFY" "$D/good" --election "$anchor" --json --resume "$D/state"
    if [ "$output" = "$plain" ]; then ok "$text: the same report"; else bad "$text: the same report" "$output"; fi
done
exits 1 'ballot 0: contest mayor' "with --resume, a bad ballot" "$VERIFY" "$D/votes-moved" --election "$other" --resume "$D/state-moved"
exits 1 'ERR_ELECTION' "with --resume, the directory of another election" "$VERIFY" "$D/other-election" --resume "$D/state"
exits 3 'anchor.match +NOT CHECKED' "without an anchor" "$VERIFY" "$D/good"
exits 1 'FAIL anchor.match' "against another anchor" "$VERIFY" "$D/good" --election "$other"
exits 1 'FAIL anchor.match' "all of another election" "$VERIFY" "$D/other-election" --election "$anchor"
exits 1 'ballot 0: contest mayor' "votes moved: the ballot is named" "$VERIFY" "$D/votes-moved" --election "$other"
exits 1 'seat 2' "forged batch: the seat is named" "$VERIFY" "$D/forged-batch" --quiet
exits 2 'ERR_USAGE' "no argument" "$VERIFY"
exits 2 'ERR_USAGE' "unknown option" "$VERIFY" "$D/good" --elect "$anchor"
exits 1 'ERR_MISSING' "no such bundle" "$VERIFY" "$D/nowhere"
exits 0 'usage' "help" "$VERIFY" --help

exits 0 '"verdict": "PASS"' "JSON" "$VERIFY" "$D/good" --election "$anchor" --json
if command -v python3 >/dev/null; then
    if python3 -c 'import json,sys; j=json.load(sys.stdin); assert j["exit"] == 0 and j["reports"][0]["anchor"] == sys.argv[1] and all(c["result"] == "PASS" or c["id"] == "chain.anchor" for c in j["reports"][0]["checks"])' "$anchor" <<<"$output"; then
        ok "JSON is JSON"
    else
        bad "JSON is JSON" "$output"
    fi
else
    skip "JSON is JSON" "no python3"
fi

# --- QR messages ---

exits 0 'VERDICT: PASS' "anchor as text" "$VERIFY" "$(cat "$D/anchor.txt")" --election "$anchor"
exits 3 'Does not prove' "anchor as picture, with nothing to compare" "$VERIFY" "$D/anchor-1.png"
exits 3 'Does not prove' "result proof as text file" "$VERIFY" "$D/result.txt" --election "$anchor"
key=$(grep -oE 'words of the key: .*' <<<"$output" | cut -d' ' -f5-)
exits 0 'VERDICT: PASS' "with the words of the key" "$VERIFY" "$D/result.txt" --key "$key"
exits 1 'FAIL qr.real' "with other words" "$VERIFY" "$D/result.txt" --key "$words"
exits 0 'qr.decrypts +PASS' "result proof as pictures, with the bundle" "$VERIFY" "$D"/result-*.png "$D/good" --election "$anchor"
exits 1 'FAIL qr.real' "result proof and the bundle of another election" "$VERIFY" "$D/result.txt" "$D/other-election" --election "$anchor"
head -1 "$D/result.txt" >"$D/part.txt"
if [ "$(wc -l <"$D/result.txt")" -gt 1 ]; then
    exits 1 'ERR_MISSING' "a part is missing" "$VERIFY" "$D/part.txt" --election "$anchor"
fi
sed 's/^\(.*\):\(.\)/\1:Z/' "$D/anchor.txt" >"$D/bad.txt"
exits 1 'FAIL qr.form' "a damaged text" "$VERIFY" "$D/bad.txt"
printf 'hello\n' >"$D/hello.txt"
exits 1 'FAIL qr.form' "something else" "$VERIFY" "$D/hello.txt"
head -c 300 "$D/anchor-1.png" >"$D/cut.png"
exits 1 'ERR_' "a cut picture" "$VERIFY" "$D/cut.png"
printf 'P5 16 16 255\n' >"$D/blank.pgm"
head -c 256 /dev/zero >>"$D/blank.pgm"
exits 1 'ERR_MISSING' "a picture without a code" "$VERIFY" "$D/blank.pgm"
finish
