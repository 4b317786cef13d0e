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
# Settings: of a file, of the directory; options go before them; out of their limits they are named.
settings() { printf '{"settings":1,"threads":1,"batch_points":0,%s}' "$1" >"$2"; }
settings '"chain_block":65536' "$D/settings.json"
fails "settings out of their limits" 1 ERR_LIMIT "$TALLY" chain open "${B[@]}" --chain home --settings "$D/settings.json" "$D/x"
settings '"chain_block":777,"chain_seconds":3' "$D/settings.json"
must "$TALLY" chain open "${B[@]}" --chain home --settings "$D/settings.json" "$D/set"
must "$TALLY" chain open "${B[@]}" --chain home --block 777 --seconds 3 "$D/said"
must "$TALLY" chain open "${B[@]}" --chain home --settings "$D/settings.json" --block 778 "$D/both"
must "$TALLY" chain open "${B[@]}" --chain home --block 778 --seconds 3 "$D/both-said"
if cmp -s "$D/set/chain.cbor" "$D/said/chain.cbor" && cmp -s "$D/both/chain.cbor" "$D/both-said/chain.cbor" &&
    ! cmp -s "$D/set/chain.cbor" "$D/both/chain.cbor"; then
    ok "chain open takes block and seconds from settings, options go before them"
else
    bad "chain open takes block and seconds from settings, options go before them"
fi
mkdir "$C" && settings '"chain_block":9' "$C/settings.json"
check "chain open" "$TALLY" chain open "${B[@]}" --chain home --shard-bits 1 --block 20 "$C"
settings '"chain_batch":1.5' "$C/settings.json"
fails "chain append reads settings" 1 ERR_FORMAT append /dev/null
settings '"chain_threads":65' "$C/settings.json"
fails "and knows their limits" 1 ERR_LIMIT append /dev/null
settings '"chain_batch":7,"chain_queue":5,"chain_threads":2,"window":5' "$C/settings.json"
fails "a batch that cannot be" 2 ERR_USAGE append --batch 5000 /dev/null
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

# --- a disk that is full: a node in 3 MB of memory, which are 40 later ---

cat >"$D/full.sh" <<'END'
mount -t tmpfs -o size=3m tmpfs "$D/small" || exit 9
"$TALLY" chain open --board "$D/board" --chain home --block 20 "$D/small/node" || exit 8
append() { "$TALLY" chain append --board "$D/board" --no-passphrase --key "$D/keys/chain" --envelope-key "$D/keys/envelope" "$D/small/node" "$@"; }
append "$D/wide" "$D/many" >"$D/full.out" 2>&1
[ $? -eq 1 ] || exit 7
append "$D/wide" "$D/many" >"$D/full.again" 2>&1 && exit 6
mount -o remount,size=40m "$D/small" || exit 9
append "$D/wide" "$D/many" >"$D/full.later" 2>&1 || exit 5
END
mkdir "$D/small"
make_votes "$D/wide" p2 1500 8
if unshare -rm true 2>/dev/null; then
    D=$D TALLY=$TALLY unshare -rm bash "$D/full.sh" >"$D/full.sh.out" 2>&1
else
    (exit 9)
fi
case $? in
9) skip "a full disk" "no tmpfs can be mounted" ;;
0)
    [ "$(count accepted "$D/full.out")" -gt 50 ] && grep -q ERR_IO "$D/full.out" && ok "a full disk is said, after $(count accepted "$D/full.out") ballots" ||
        bad "a full disk is said" "$(tail -3 "$D/full.out")"
    grep -q ERR_IO "$D/full.again" && ok "and as long as it is full" || bad "and as long as it is full" "$(tail -3 "$D/full.again")"
    lost=$(comm -23 <(grep -h ^accepted "$D/full.out" "$D/full.again" | cut -d' ' -f2 | sort -u) <(grep ^again "$D/full.later" | cut -d' ' -f2 | sort -u) | wc -l)
    [ "$lost" -eq 0 ] && [ $(($(count again "$D/full.later") + $(count accepted "$D/full.later"))) -eq 1900 ] &&
        ok "with room it goes on, and nothing is lost" || bad "with room it goes on, and nothing is lost" "$lost lost; $(tail -3 "$D/full.later")"
    ;;
*) bad "a full disk" "$(cat "$D/full.sh.out"; tail -3 "$D"/full.out "$D"/full.again "$D"/full.later)" ;;
esac

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
fails "a node that runs is not closed by another program" 1 ERR_BUSY "$TALLY" chain close "${B[@]}" "${K[@]}" "$C"
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
written=$(sed -n 's/^conclave_chain_written_bytes_total{.*shard="s0"} \([0-9]*\)$/\1/p' <<<"$numbers")
[ "${written:-0}" -gt 0 ] && ok "bytes written" || bad "bytes written" "$written"
says "numbers of each shard and of the front" '^conclave_chain_size_ballots\{process="chain-s10",.*shard="s10"\} [0-9]'
says "how long a ballot took" '^conclave_chain_ballot_seconds_count\{process="chain-front",.*\} [1-9]'
output=$("$TALLY" chain status "${B[@]}" "$C")
anchor=$(grep -E '^anchor 00:' <<<"$output" | cut -d' ' -f2)

# --- killed while a running shard is split ---

S=$D/splits
must "$TALLY" chain open "${B[@]}" --chain home --block 20 "$S"
mkfifo "$D/pipe2"
shard=s lost=0 split=0
: >"$D/told"
for round in 1 2 3 4 5 6; do
    setsid "$TALLY" chain append "${B[@]}" "${K[@]}" "${EK[@]}" "$S" <"$D/pipe2" >"$D/out" 2>&1 &
    pid=$!
    exec 7>"$D/pipe2"
    cat "$D/a" "$D/b" >&7
    for try in $(seq 1 100); do
        [ "$(($(count accepted "$D/out") + $(count again "$D/out")))" -ge 30 ] && break
        sleep 0.05
    done
    timeout 20 "$TALLY" chain split "${B[@]}" --shard "$shard" "$S" >/dev/null 2>&1 &
    asker=$!
    sleep "$(printf '0.%03d' $((RANDOM % 40)))"
    kill -9 -- -$pid 2>/dev/null # the front and all shards
    exec 7>&-
    wait $pid $asker 2>/dev/null
    grep ^accepted "$D/out" | cut -d' ' -f2 >>"$D/told"
    "$TALLY" chain append "${B[@]}" "${K[@]}" "${EK[@]}" "$S" "$D/a" "$D/b" >"$D/out" 2>&1 || lost=$((lost + 1))
    grep ^accepted "$D/out" | cut -d' ' -f2 >>"$D/told"
    [ $(($(count accepted "$D/out") + $(count again "$D/out"))) -eq 110 ] || lost=$((lost + 1))
    if ! "$TALLY" chain status "${B[@]}" "$S" | grep -q "^shard $shard  open"; then
        split=$((split + 1))
        shard=${shard}0
    fi
done
[ $lost -eq 0 ] && [ -z "$(sort "$D/told" | uniq -d)" ] && [ "$(wc -l <"$D/told")" -le 110 ] &&
    ok "killed while it is split: $split splits in 6 rounds, nothing lost or taken twice" ||
    bad "killed while it is split" "$lost wrong; $(tail -3 "$D/out")"
output=$("$TALLY" chain status "${B[@]}" "$S")
says "110 ballots, once each" "^ballots  110\$"
check "what they made can be exported" "$TALLY" chain export "${B[@]}" --out "$D/splits-export" "$S"
fails "and is good but for the validators" 1 ERR_QUORUM "$TALLY" chain verify "${B[@]}" "$D/splits-export"
says "every ballot" "proved 110"

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
settings '"window":6' "$D/settings.json"
check "verify" "$TALLY" chain verify "${B[@]}" --anchor "$anchor" --metrics "$D/verify.prom" --settings "$D/settings.json" "$D/export"
says "every ballot" "proved 837"
bytes=$(cat "$D"/export/headers/*.cbor $(find "$D/export/segments" -name '*.zst') | wc -c)
output=$(cat "$D/verify.prom")
says "its bytes are counted" "^conclave_verify_read_bytes_total[{].* $bytes\$"
says "and were expected" "^conclave_verify_expected_bytes[{].* $bytes\$"
says "as its ballots" "^conclave_verify_ballots_total[{].* 837\$"
says "and its segments" "^conclave_verify_exports_total[{].* $(find "$D/export/segments" -name '*.zst' | wc -l)\$"
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
