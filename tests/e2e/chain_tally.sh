#!/bin/bash
# A precinct and a voting chain under one decryption plan: aggregated, decrypted by two trustees on their own machines,
# published, verified by anybody. And what is refused on the way: a chain whose ballots are not all there.
NAME=chain_tally
. "$(dirname "$0")/lib.sh"

[ -n "$SOFTHSM" ] || { skip "precinct and chain" "SoftHSM2 is not here"; finish; }

election "$D/board" 3
for k in chain envelope v1 v2 v3; do must "$TALLY" key new --out "$D/keys/$k" --no-passphrase; done
key() { "$TALLY" key show "$D/keys/$1"; }
sed -i "s|\"duplicate_ballots\": \"first\"|\"duplicate_ballots\": \"first\",\n  \"chains\": [{\"id\": \"home\", \"title\": \"From home\", \"places\": [\"p2\", \"p3\"],\n    \"key\": \"$(key chain)\", \"envelope\": \"$(key envelope)\",\n    \"validators\": [\"$(key v1)\", \"$(key v2)\", \"$(key v3)\"], \"quorum\": 2}]|" \
    "$D/board/manifest.json"
for i in $(seq 1 $N); do token_make $i; done
ceremony
B=(--board "$D/board")
W=(--work "$D/work")
E=(--exports "$D/exports")

# --- the voting ---

vote 1 8
mkdir -p "$D/precincts/home"
must "$TALLY" chain open "${B[@]}" --chain home --shard-bits 1 --block 4 "$D/node"
for p in 2 3; do
    must "$TALLY" ballot make "${B[@]}" --place p$p --random $((4 * p + 5)) --seed $p --envelope home --out "$D/votes-p$p"
    printf '%s\n' "$output" >>"$D/precincts/home/totals"
done
must "$TALLY" chain append "${B[@]}" --no-passphrase --key "$D/keys/chain" --envelope-key "$D/keys/envelope" "$D/node" "$D/votes-p2" "$D/votes-p3"
must "$TALLY" chain close "${B[@]}" --no-passphrase --key "$D/keys/chain" "$D/node"
must "$TALLY" chain export "${B[@]}" --out "$D/exports/from home" "$D/node"
fails "nobody made it final: its places are missing" 1 ERR_QUORUM "$TALLY" aggregate "${B[@]}" "${E[@]}" "${W[@]}"
says "both of them" "missing 2"
for v in v1 v3; do must "$TALLY" chain sign "${B[@]}" --no-passphrase --key "$D/keys/$v" "$D/exports/from home"; done

# --- one tally ---

check "aggregate" "$TALLY" aggregate "${B[@]}" "${E[@]}" "${W[@]}" --verbose
says "the chain was verified" "^verified home 30 items"
says "nothing is missing" "missing 0"
says "all ballots" "^ballots +38,"
check "aggregate again" "$TALLY" aggregate "${B[@]}" "${E[@]}" "${W[@]}" --verbose
says "the chain is known" "^known home 30 items"
check "plan" "$TALLY" plan "${B[@]}" "${W[@]}"
w=$(words "Decryption plan" "$D/board" --plan "$D/work/plan.cbor")

must cp -r "$D/exports" "$D/quick"
must rm -r "$D/quick/from home/segments"
fails "headers and snapshot alone are never enough to decrypt" 1 ERR_UNVERIFIED \
    typing "$w" trustee 1 decrypt --plan "$D/work/plan.cbor" --exports "$D/quick" --work "$D/own-quick"
for i in 1 2; do
    check "trustee $i verifies all of it and decrypts" typing "$w" trustee $i decrypt --plan "$D/work/plan.cbor" "${E[@]}" --work "$D/own-$i"
done
check "combine" "$TALLY" combine "${B[@]}" "${W[@]}"
check "publish" "$TALLY" publish "${B[@]}" "${E[@]}" "${W[@]}" --out "$D/bundle"
says "with the chain" "1 chains"
[ -e "$D/bundle/chains/home/snapshot.cbor" ] && ok "it is in the bundle" || bad "it is not in the bundle"

# --- anybody ---

anchor=$(anchor_hex "$D/board")
root=$("$TALLY" chain status "${B[@]}" "$D/node" | awk '$1 == "anchor" {print $2; exit}')
check "the bundle is good" "$VERIFY" "$D/bundle" --election "$anchor" --chain-anchor "home:$root"
says "ballots of the chain" "30 ballots of 1 voting chains"
says "the root that was printed" "chain.anchor +│? *PASS|chain.anchor.*PASS"
id=$(sed -n 's/^accepted //p' "$D/precincts/p1/cast" | head -1)
must "$TALLY" precinct receipt "${B[@]}" --place p1 --journal "$D/precincts/p1/journal" --ballot "$id" --out "$D/one.receipt"
check "a receipt's file" "$VERIFY" "$D/one.receipt" "$D/bundle" --election "$anchor"
says "its ballot is under the root of the export" "qr.root +PASS"
head -c 60 "$D/one.receipt" >"$D/cut.receipt"
fails "a receipt that is cut off" 1 "FAIL qr.form" "$VERIFY" "$D/cut.receipt"
X="$D/exports/from home"
check "a snapshot is shown" "$TALLY" show "${B[@]}" "$X/snapshot.cbor"
says "with its anchors" "^anchor +$root\$"
says "and ballots" "^place +p3: 17 ballots\$"
check "headers are shown" "$TALLY" show "${B[@]}" --full "$X/headers/s0.cbor"
says "with the size, and the signature is checked" "closed, header [0-9]+, $(cut -d: -f2 <<<"$root") ballots \(signature good\)"
for file in "$X"/finality/*; do
    check "a finality is shown" "$TALLY" show "${B[@]}" "$file"
    says "with its validator" "^signed by +validator [13] of 3 \(signature good\)\$"
done
check "a running tally is shown" "$TALLY" show "${B[@]}" "$X/tallies/s1.cbor"
check "envelopes are shown" "$TALLY" show "${B[@]}" "$D/votes-p2"
says "as many as there are" "^13 items\$"
size=$(stat -c %s "$file")
head -c $((size - 1)) "$file" >"$D/forged.cose" && printf 'x' >>"$D/forged.cose"
fails "a finality with another signature" 1 ERR_SIGNATURE "$TALLY" show "${B[@]}" "$D/forged.cose"
check "a signed message without the election" "$TALLY" show "$D/forged.cose"
says "is not said to be good" "the signature was not checked"
check "without that root too" "$VERIFY" "$D/bundle" --election "$anchor" --json
printf '%s' "$output" >"$D/plain.json"
fails "another root was printed" 1 'FAIL chain.anchor' "$VERIFY" "$D/bundle" --election "$anchor" --chain-anchor "home:${root%????}0000"
for round in first second; do
    output=$("$VERIFY" "$D/bundle" --election "$anchor" --json --resume "$D/resume" 2>/dev/null)
    [ "$output" = "$(cat "$D/plain.json")" ] && ok "the same report, going on ($round)" || bad "another report ($round)" "$output"
done
decrypted=$("$TALLY" show "$D/bundle/result.cbor" --board "$D/board" 2>/dev/null)
[ -n "$decrypted" ] && ok "the result can be shown" || bad "the result can be shown"
output=$("$TALLY" combine "${B[@]}" "${W[@]}")
want=$(voted | awk '$1 == "mayor" {print $3}' | sort -n | tr '\n' ' ')
have=$(awk '/^Mayor/ {on = 1; next} /^[A-Z][a-z]+ \(/ {on = 0} on && match($0, /(Ann|Bob) +[0-9]+/) {split(substr($0, RSTART, RLENGTH), a, / +/); print a[2]}' <<<"$output" | sort -n | tr '\n' ' ')
[ -n "$want" ] && [ "$want" = "$have" ] && ok "what was voted is what was counted: $have" || bad "voted $want, counted $have" "$output"

# --- every file of the export, damaged in every way: exit 1, the file named, never a crash ---

hostile() { # NAME: what was done to $D/hostile/FILE
    output=$("$TALLY" chain verify "${B[@]}" "$D/hostile" 2>&1 </dev/null)
    local status=$?
    [ $status -eq 1 ] && grep -q 'ERR_' <<<"$output" && return
    bad "$1: exit $status" "$output"
    wrong=$((wrong + 1))
}
wrong=0 damages=0
while read -r file; do
    for kind in truncated empty oversized random flipped trailing directory fifo absent; do
        rm -rf "$D/hostile"
        must cp -r "$D/exports/from home" "$D/hostile"
        f=$D/hostile/$file size=$(stat -c %s "$D/exports/from home/$file")
        case $kind in
            truncated) truncate -s $((size * 2 / 3)) "$f" ;;
            empty) : >"$f" ;;
            oversized) truncate -s 600M "$f" ;;
            random) head -c "$size" /dev/urandom >"$f" ;;
            flipped)
                # Within a segment a bit can be one that nothing depends on; the others all matter.
                [[ $file == segments/* ]] && continue
                printf "$(printf '\\x%02x' $((0x$(xxd -s $((size / 2)) -l 1 -p "$f") ^ 4)))" | dd of="$f" bs=1 seek=$((size / 2)) conv=notrunc status=none ;;
            trailing) printf 'x' >>"$f" ;;
            directory) rm "$f" && mkdir "$f" ;;
            fifo) rm "$f" && mkfifo "$f" ;;
            absent) rm "$f" ;;
        esac
        hostile "$file $kind"
        damages=$((damages + 1))
    done
done < <(cd "$D/exports/from home" && find . -type f -printf '%P\n' | sort | grep -vE '^(ids|leaves)/')
[ $wrong -eq 0 ] && ok "$damages damages of the export are refused"
rm -rf "$D/hostile"

# --- somebody changes the bundle ---

damaged() { # NAME PATTERN COMMAND...: a copy of the bundle, changed by the command with sums made again
    rm -rf "$D/bad"
    must cp -r "$D/bundle" "$D/bad"
    (cd "$D/bad" && "${@:3}" && find . -type f ! -name SHA256SUMS -printf '%P\n' | LC_ALL=C sort | xargs -d '\n' sha256sum >"$D/sums" && cp "$D/sums" SHA256SUMS)
    fails "$1" 1 "$2" "$VERIFY" "$D/bad" --election "$anchor"
}
swap() { mv "$1" "$1.x" && mv "$2" "$1" && mv "$1.x" "$2"; }
one=$(cd "$D/bundle/chains/home/segments" && ls -d s0/*.zst | head -1)
two=$(cd "$D/bundle/chains/home/segments" && ls -d s1/*.zst | head -1)
damaged "a segment is cut off" 'FAIL chain.form' truncate -s 1000 "chains/home/segments/$one"
damaged "a segment is gone" 'segments/.*ERR_MISSING' rm "chains/home/segments/$one"
damaged "segments of two shards are exchanged" 'FAIL chain.(trees|order)' swap "chains/home/segments/$one" "chains/home/segments/$two"
damaged "headers of two shards are exchanged" 'FAIL chain.headers' swap chains/home/headers/s0.cbor chains/home/headers/s1.cbor
damaged "the chain is gone" 'FAIL records.missing' rm -r chains
finish
