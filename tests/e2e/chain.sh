#!/bin/bash
# A voting chain from end to end: ballots from several files, doubled and bad ones, kill -9 at any moment, a shard split
# while it runs, closing, export, validators, pruning.
NAME=chain
. "$(dirname "$0")/lib.sh"

[ -n "$SOFTHSM" ] || { skip "voting chain" "SoftHSM2 is not here"; finish; }

# --- an election whose places p2 and p3 vote by chain ---

election "$D/board" 3
for k in chain envelope v1 v2 v3; do must "$TALLY" key new --out "$D/keys/$k" --no-passphrase; done
key() { "$TALLY" key show "$D/keys/$1"; }
sed -i "s|\"duplicate_ballots\": \"first\"|\"duplicate_ballots\": \"first\",\n  \"chains\": [{\"id\": \"home\", \"title\": \"From home\", \"places\": [\"p2\", \"p3\"],\n    \"key\": \"$(key chain)\", \"envelope\": \"$(key envelope)\",\n    \"validators\": [\"$(key v1)\", \"$(key v2)\", \"$(key v3)\"], \"quorum\": 2}]|" \
    "$D/board/manifest.json"
for i in $(seq 1 $N); do token_make $i; done
ceremony

C=$D/node
B=(--board "$D/board")
K=(--no-passphrase --key "$D/keys/chain")
EK=(--envelope-key "$D/keys/envelope")
make_votes() { # FILE PLACE COUNT SEED [OPTION...]
    must "$TALLY" ballot make "${B[@]}" --place "$2" --random "$3" --seed "$4" --envelope home --out "$1" "${@:5}"
    printf '%s\n' "$output" >"$1.totals"
}
append() { "$TALLY" chain append "${B[@]}" "${K[@]}" "${EK[@]}" "$C" "$@"; }
count() { grep -cE "^$1 " "$2"; }

fails "a place without a chain takes no envelopes" 1 ERR_RULE "$TALLY" ballot make "${B[@]}" --place p1 --random 1 \
    --envelope home --out "$D/x"
fails "no such chain" 1 ERR_UNKNOWN "$TALLY" ballot make "${B[@]}" --place p2 --random 1 --envelope away --out "$D/x"
fails "a chain that is not in the manifest" 1 ERR_UNKNOWN "$TALLY" chain open "${B[@]}" --chain away "$C"
check "chain open" "$TALLY" chain open "${B[@]}" --chain home --shard-bits 1 --block 20 "$C"
fails "it is not opened twice" 1 ERR_EXISTS "$TALLY" chain open "${B[@]}" --chain home "$C"

# --- several files, doubled and bad ones ---

make_votes "$D/a" p2 60 1
make_votes "$D/b" p3 50 2
must "$TALLY" ballot make "${B[@]}" --place p2 --random 2 --seed 3 --out "$D/plain"
append "$D/a" "$D/b" "$D/a" >"$D/out" 2>&1
[ $? -eq 0 ] && [ "$(count accepted "$D/out")" -eq 110 ] && [ "$(count again "$D/out")" -eq 60 ] &&
    ok "two files and one of them again" || bad "two files and one of them again" "$(tail -3 "$D/out")"
sort "$D/out" | grep ^accepted >"$D/acknowledged"
append "$D/plain" >"$D/out" 2>&1 && bad "ballots without envelopes are taken" || ok "ballots without envelopes are refused"
[ "$(count refused "$D/out")" -eq 2 ] && ok "each of them by number" || bad "each of them by number" "$(cat "$D/out")"
# One byte of a ciphertext; the envelope's form stays.
make_votes "$D/c" p2 20 4
size=$(wc -c <"$D/c")
{ head -c $((size - 40)) "$D/c"; printf 'XX'; tail -c 38 "$D/c"; } >"$D/c-bad"
append "$D/c-bad" >"$D/out" 2>&1 && bad "a changed envelope is taken" || ok "a changed envelope is refused"
grep -q '^refused 20 ERR_DECRYPT$' "$D/out" && [ "$(count accepted "$D/out")" -eq 19 ] && ok "by its error, the others are taken" ||
    bad "by its error, the others are taken" "$(tail -4 "$D/out")"
grep ^accepted "$D/out" >>"$D/acknowledged"
{ head -c $((size / 2 + 7)) "$D/c"; } | append >"$D/out" 2>&1 && bad "half a file is a file" || ok "half a file from standard input"
grep -q ERR_TRUNCATED "$D/out" && [ "$(count again "$D/out")" -ge 10 ] && ok "what was complete in it counts" ||
    bad "what was complete in it counts" "$(tail -4 "$D/out")"
append "$D/c" >"$D/out" 2>&1 && ok "the intact file" || bad "the intact file" "$(tail -3 "$D/out")"
grep ^accepted "$D/out" >>"$D/acknowledged"

# --- killed again and again, the front or all of it ---

make_votes "$D/many" p3 400 5
kills=0 hits=0
for round in $(seq 1 30); do
    setsid "$TALLY" chain append "${B[@]}" "${K[@]}" "${EK[@]}" "$C" "$D/many" >"$D/out" 2>&1 &
    pid=$!
    sleep "$(printf '0.%03d' $((RANDOM % 250 + 10)))"
    kills=$((kills + 1))
    kill -0 $pid 2>/dev/null && hits=$((hits + 1))
    if [ $((round % 3)) -eq 0 ]; then
        kill -9 -- -$pid 2>/dev/null || kill -9 $pid 2>/dev/null
    elif [ $((round % 3)) -eq 1 ]; then
        kill -9 $pid 2>/dev/null
    else # a shard alone: the front starts it again
        shard=$(pgrep -P $pid | shuf -n 1)
        [ -n "$shard" ] && kill -9 "$shard" 2>/dev/null
    fi
    wait $pid 2>/dev/null
    grep -E '^accepted [0-9a-f]{64}$' "$D/out" >>"$D/acknowledged"
done
[ $hits -gt 2 ] && ok "$hits of $kills kills hit" || bad "only $hits of $kills kills hit"
append "$D/many" >"$D/out" 2>&1 && ok "the whole file after that" || bad "the whole file after that" "$(tail -3 "$D/out")"
grep ^accepted "$D/out" >>"$D/acknowledged"
append "$D/a" "$D/b" "$D/c" "$D/many" >"$D/out" 2>&1
[ "$(count again "$D/out")" -eq 530 ] && [ "$(count accepted "$D/out")" -eq 0 ] && ok "every ballot is there" ||
    bad "every ballot is there" "$(tail -3 "$D/out")"
lost=$(comm -23 <(cut -d' ' -f2 "$D/acknowledged" | sort -u) <(grep ^again "$D/out" | cut -d' ' -f2 | sort -u) | wc -l)
[ "$lost" -eq 0 ] && ok "nothing that was acknowledged is lost" || bad "$lost acknowledged ballots are lost"
[ -z "$(sort "$D/acknowledged" | uniq -d)" ] && ok "none was accepted twice" || bad "accepted twice"

# --- split while it runs ---

make_votes "$D/live" p2 300 6
mkfifo "$D/pipe"
append <"$D/pipe" >"$D/live.out" 2>&1 &
pid=$!
exec 7>"$D/pipe"
head -c $(($(wc -c <"$D/live") / 3)) "$D/live" >&7
for try in $(seq 1 100); do
    [ "$(count accepted "$D/live.out")" -ge 50 ] && break
    sleep 0.1
done
check "split while it runs" "$TALLY" chain split "${B[@]}" --shard s0 "$C"
says "the front did it" "while it runs"
fails "a shard that is not there" 1 ERR_MISSING "$TALLY" chain split "${B[@]}" --shard s0 "$C"
fails "no second node" 1 ERR_BUSY "$TALLY" chain append "${B[@]}" "${K[@]}" "${EK[@]}" "$C" "$D/a"
check "an export while it runs" "$TALLY" chain export "${B[@]}" --out "$D/running" "$C"
says "it is not complete" "voting goes on"
tail -c +$(($(wc -c <"$D/live") / 3 + 1)) "$D/live" >&7
exec 7>&-
wait $pid && [ "$(count accepted "$D/live.out")" -eq 300 ] && ok "all of the stream is taken" ||
    bad "all of the stream is taken" "$(tail -3 "$D/live.out")"
check "split when nothing runs" "$TALLY" chain split "${B[@]}" "${K[@]}" --shard s1 "$C"
append "$D/a" "$D/live" >"$D/out" 2>&1
[ "$(count again "$D/out")" -eq 360 ] && ok "halves know what the whole had" || bad "halves know what the whole had" "$(tail -3 "$D/out")"
output=$("$TALLY" chain status "${B[@]}" "$C")
says "six shards" "^shards   6, of which 4 open"
says "830 ballots" "^ballots  830\$"
numbers=$(cat "$C"/metrics/*.prom)
output=$numbers
says "numbers of each shard and of the front" '^conclave_chain_size_ballots\{process="chain-s10",.*shard="s10"\} [0-9]'
says "how long a ballot took" '^conclave_chain_ballot_seconds_count\{process="chain-front",.*\} [1-9]'
output=$("$TALLY" chain status "${B[@]}" "$C")
anchor=$(grep -E '^anchor 00:' <<<"$output" | cut -d' ' -f2)

# --- a snapshot, then the end ---

check "an export while voting goes on" "$TALLY" chain export "${B[@]}" --out "$D/early" "$C"
says "it is not complete" "voting goes on"
make_votes "$D/last" p3 7 7
append "$D/last" >"$D/out" 2>&1 && ok "the last ballots" || bad "the last ballots" "$(tail -3 "$D/out")"
check "close" "$TALLY" chain close "${B[@]}" "${K[@]}" "$C"
says "closed" "^state    closed"
states=$(cat "$C"/metrics/*.prom | sed -n 's/^conclave_chain_state{.*shard="\(s[01]*\)"} \([0-9]\)$/\1:\2/p' | sort | tr '\n' ' ')
if [ "$states" = "s00:2 s01:2 s0:1 s10:2 s11:2 s1:1 " ]; then ok "its numbers say so"; else bad "its numbers say so" "$states"; fi
fails "no more ballots" 1 ERR_DONE "$TALLY" chain append "${B[@]}" "${K[@]}" "${EK[@]}" "$C" "$D/a"
check "export" "$TALLY" chain export "${B[@]}" --out "$D/export" "$C"
says "complete, with all ballots" "^snapshot +2, complete, 6 shards, 837 ballots"
fails "it is not overwritten" 1 ERR_EXISTS "$TALLY" chain export "${B[@]}" --out "$D/export" "$C"
fails "not final without validators" 1 ERR_QUORUM "$TALLY" chain verify "${B[@]}" "$D/export"
fails "nor pruned" 1 ERR_QUORUM "$TALLY" chain prune "${B[@]}" --export "$D/export" "$C"
fails "the chain's key is no validator" 1 ERR_SIGNATURE "$TALLY" chain sign "${B[@]}" "${K[@]}" "$D/export"
for v in v1 v2; do
    check "$v verifies and signs" "$TALLY" chain sign "${B[@]}" --no-passphrase --key "$D/keys/$v" "$D/export"
    says "all of it" "^verified +837 ballots"
done
says "the quorum" "^signatures 2 of 3, needed 2"
fails "an earlier snapshot is not signed any more" 1 ERR_CONFLICT "$TALLY" chain sign "${B[@]}" --no-passphrase --key "$D/keys/v1" "$D/early"
check "verify" "$TALLY" chain verify "${B[@]}" --anchor "$anchor" "$D/export"
says "every ballot" "proved 837"
check "a quick look" "$TALLY" chain verify "${B[@]}" --quick "$D/export"
must cp -r "$D/export" "$D/bad"
segment=$(find "$D/bad/segments" -name '*.zst' | head -1)
must rm "$segment"
fails "without a segment nothing is signed" 1 ERR_UNVERIFIED "$TALLY" chain sign "${B[@]}" --no-passphrase --key "$D/keys/v3" "$D/bad"

# --- pruned ---

check "prune" "$TALLY" chain prune "${B[@]}" --export "$D/export" "$C"
check "prune again" "$TALLY" chain prune "${B[@]}" --export "$D/export" "$C"
says "nothing was left" "^pruned 0 files"
check "export after pruning" "$TALLY" chain export "${B[@]}" --out "$D/pruned" "$C"
cmp -s "$D/export/snapshot.cbor" "$D/pruned/snapshot.cbor" && ok "the same snapshot" || bad "another snapshot"
must cp -r "$D/export/finality" "$D/pruned/"
fails "what is left verifies as far as it can" 1 ERR_UNVERIFIED "$TALLY" chain verify "${B[@]}" --anchor "$anchor" "$D/pruned"
says "trees" "^PASS +chain.trees"
says "the anchor" "^PASS +chain.anchor"
says "no ballots" "^NOT CHECKED +chain.ballots"
finish
