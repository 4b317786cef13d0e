#!/bin/bash
# What came with voting chains, resuming, settings and numbers, damaged in ways that badinput.sh, chain.sh and chain_tally.sh do
# not try: holes of a terabyte, FIFOs, symbolic links, directories, older and foreign files, for the directory of a node,
# envelopes, exports, what a validator has signed, work directories, settings, the folder of numbers and its server. Wanted: no crash, no
# waiting, the file and the error named, nothing written through a link, no other file destroyed, no other verdict.
NAME=hostile
. "$(dirname "$0")/lib.sh"
export ASAN_OPTIONS=${ASAN_OPTIONS:-}:exitcode=99:allocator_may_return_null=1 UBSAN_OPTIONS=${UBSAN_OPTIONS:-}:exitcode=99
SEED=${SEED:-$(($(date +%s) % 32768))}
RANDOM=$SEED
echo "SEED=$SEED"
[ -n "$SOFTHSM" ] || { skip "hostile input" "SoftHSM2 is not here"; finish; }

# --- an election with a precinct and a chain; a node in the middle of voting, a closed one, its export, a bundle ---

build() { # TITLE
    local p i w
    election "$D/board" 2 "$1"
    for k in chain envelope v1 v2; do must "$TALLY" key new --out "$D/keys/$k" --no-passphrase; done
    key() { "$TALLY" key show "$D/keys/$1"; }
    sed -i "s|\"duplicate_ballots\": \"first\"|\"duplicate_ballots\": \"first\",\n  \"chains\": [{\"id\": \"home\", \"title\": \"From home\", \"places\": [\"p2\"],\n    \"key\": \"$(key chain)\", \"envelope\": \"$(key envelope)\",\n    \"validators\": [\"$(key v1)\", \"$(key v2)\"], \"quorum\": 2}]|" \
        "$D/board/manifest.json"
    for i in $(seq 1 $N); do token_make $i; done
    ceremony
    B=(--board "$D/board")
    K=(--no-passphrase --key "$D/keys/chain")
    must "$TALLY" ballot make "${B[@]}" --place p2 --random 80 --seed 1 --envelope home --out "$D/votes"
}
append() { timeout 20 "$TALLY" chain append "${B[@]}" "${K[@]}" --envelope-key "$D/keys/envelope" "$@" 2>&1 </dev/null; }
mine=$D
D=$mine/other
mkdir -p "$D"
build "Another election"
D=$mine
build "Hostile"
vote 1 8
NODE=$D/node
must "$TALLY" chain open "${B[@]}" --chain home --block 4 "$NODE"
append "$NODE" "$D/votes" >"$D/out" || bad "ballots are taken" "$(tail -3 "$D/out")"
must "$TALLY" chain export "${B[@]}" --out "$D/early" "$NODE"
must "$TALLY" ballot make "${B[@]}" --place p2 --random 3 --seed 2 --envelope home --out "$D/last"
# Three more, killed while their block is open: they are in the journal alone.
mkfifo "$D/pipe"
setsid "$TALLY" chain append "${B[@]}" "${K[@]}" --envelope-key "$D/keys/envelope" "$NODE" <"$D/pipe" >"$D/out" 2>&1 &
pid=$!
exec 7>"$D/pipe"
cat "$D/last" >&7
for try in $(seq 1 100); do
    [ "$(grep -c ^accepted "$D/out")" -eq 3 ] && break
    sleep 0.05
done
kill -9 -- -$pid
exec 7>&-
wait $pid 2>/dev/null
[ "$(grep -c ^accepted "$D/out")" -eq 3 ] && ok "three ballots in the journal" || bad "three ballots in the journal" "$(cat "$D/out")"

# --- damages; links lead to these only: what is written through one must show here, and never hit a file of the machine ---

canary_new() { rm -rf "$D/canary" "$D/canaries" "$D/nowhere"; echo "nobody writes here" >"$D/canary"; mkdir "$D/canaries"; cp "$D/canary" "$D/canaries/keep"; }
canary_good() { [ ! -e "$D/nowhere" ] && [ "$(cat "$D/canary" 2>/dev/null) $(ls -A "$D/canaries") $(cat "$D/canaries/keep")" = "nobody writes here keep nobody writes here" ]; }
canary_new
KINDS="truncated empty random flipped trailing hole fifo link linkdir nowhere directory absent"
damage() { # KIND FILE
    local kind=$1 file=$2 size at byte
    size=$(stat -c %s "$file")
    case $kind in
        truncated) truncate -s $((size / 2)) "$file" ;;
        empty) : >"$file" ;;
        random) head -c $((size + 40)) /dev/urandom >"$file" ;;
        flipped)
            at=$(((RANDOM * 32768 + RANDOM) % size)) byte=$(xxd -s $at -l 1 -p "$file")
            printf "$(printf '\\x%02x' $((0x$byte ^ (1 << RANDOM % 8))))" | dd of="$file" bs=1 seek=$at conv=notrunc status=none ;;
        trailing) printf 'x' >>"$file" ;;
        hole) truncate -s 1T "$file" ;;
        fifo) rm -f "$file" && mkfifo "$file" ;;
        link) rm -f "$file" && ln -s "$D/canary" "$file" ;;
        linkdir) rm -f "$file" && ln -s "$D/canaries" "$file" ;;
        nowhere) rm -f "$file" && ln -s "$D/nowhere" "$file" ;;
        directory) rm -f "$file" && mkdir "$file" ;;
        absent) rm -f "$file" ;;
    esac
}

# meets FILE OUTPUT STATUS KIND ALLOWED...: what is wanted of every run; ALLOWED: exit statuses
meets() {
    local file=$1 output=$2 status=$3 kind=$4 allowed=$5
    if [[ " $allowed " != *" $status "* ]]; then
        bad "$file $kind: exit $status" "$output"
    elif [ "$status" -ne 0 ] && ! grep -qE '\bERR_[A-Z_]+\b' <<<"$output"; then
        bad "$file $kind: no error is named" "$output"
    elif ! canary_good; then
        bad "$file $kind: something was written through a link" "$output"
        canary_new
    else
        return 0
    fi
    return 1
}
wrong=0 runs=0
begin() { wrong=0 runs=0; }
end() { [ $wrong -eq 0 ] && ok "$1 ($runs runs)"; }

# --- the node's directory: nothing else is destroyed, so with the file put back everything is there ---

begin
T=$D/t
for file in chain.cbor shards/s/{headers,journal,ids,ids.table,ids.mmr,ballots.mmr,tally.0,tally.1}; do
    for kind in $KINDS; do
        rm -rf "$T"
        cp -a "$NODE" "$T"
        damage $kind "$T/$file"
        output=$(append "$T" "$D/last")
        status=$?
        runs=$((runs + 1))
        meets "$file" "$output" $status $kind "0 1" || wrong=1
        [ $status -eq 1 ] || continue
        # One bit of an id or a node shows in what is made of it: the file that says so can be another one.
        [ $kind = flipped ] || grep -q "$(basename "$file")" <<<"$output" || { bad "$file $kind: the file is not named" "$output"; wrong=1; }
        rm -rf "${T:?}/$file"
        cp -a "$NODE/$file" "$T/$file"
        output=$(append "$T" "$D/votes" "$D/last")
        [ $? -eq 0 ] && [ "$(grep -c '^again ' <<<"$output")" -eq 83 ] && continue
        bad "$file $kind: put back, and not all is there" "$(tail -2 <<<"$output")"
        wrong=1
    done
done
rm -rf "$T"
cp -a "$NODE" "$T"
rm -r "$T/shards/s"
mkdir "$T/shards/s"
output=$(append "$T" "$D/last")
meets "an empty directory for a shard" "$output" $? mounted "1" || wrong=1
end "a node's directory"

# --- envelopes ---

begin
for kind in $KINDS foreign replayed; do
    rm -rf "$T" "$D/input"
    cp -a "$NODE" "$T"
    cp "$D/last" "$D/input"
    case $kind in
        foreign) cp "$D/other/votes" "$D/input" ;;
        replayed) cat "$D/votes" >"$D/input" ;;
        *) damage $kind "$D/input" ;;
    esac
    output=$(append "$T" "$D/input")
    status=$?
    runs=$((runs + 1))
    meets envelopes "$output" $status $kind "0 1" || wrong=1
    case $kind in
        empty) want=0 ;;
        replayed) want=0; [ "$(grep -c '^again ' <<<"$output")" -eq 80 ] || { bad "replayed envelopes are known" "$output"; wrong=1; } ;;
        *) want=1 ;;
    esac
    [ $status -eq $want ] || { bad "envelopes $kind: exit $status" "$output"; wrong=1; }
    grep -q ^accepted <<<"$output" && { bad "envelopes $kind: accepted" "$output"; wrong=1; }
done
end "envelopes"

# --- exports ---

append "$NODE" "$D/last" >/dev/null
must "$TALLY" chain close "${B[@]}" "${K[@]}" "$NODE"
mkdir -p "$D/exports"
X=$D/exports/home
must "$TALLY" chain export "${B[@]}" --out "$X" "$NODE"
SIGN=("$TALLY" chain sign "${B[@]}" --no-passphrase)
must cp "$D/keys/v1" "$D/keys/v1-new"
for v in v1 v2; do must "${SIGN[@]}" --key "$D/keys/$v" "$X"; done
begin
finality=finality/$(ls "$X/finality" | head -1)
for file in snapshot.cbor headers/s.cbor tallies/s.cbor segments/s/00000000.zst snapshots/00000000.cbor "$finality"; do
    for kind in hole link linkdir nowhere older; do
        rm -rf "$T"
        cp -a "$X" "$T"
        if [ $kind = older ]; then
            case $file in
                segments/* | "$finality") continue ;;
                snapshots/*) cp "$X/snapshot.cbor" "$T/$file" ;;
                *) cp "$D/early/$file" "$T/$file" ;;
            esac
        else
            damage $kind "$T/$file"
        fi
        output=$(timeout 20 "$TALLY" chain verify "${B[@]}" "$T" 2>&1)
        meets "$file" "$output" $? $kind 1 || wrong=1
        runs=$((runs + 1))
    done
done
for dir in headers tallies segments segments/s finality snapshots; do
    for kind in fifo link linkdir nowhere; do
        rm -rf "$T"
        cp -a "$X" "$T"
        rm -r "${T:?}/$dir"
        : >"$T/$dir"
        damage $kind "$T/$dir"
        output=$(timeout 20 "$TALLY" chain verify "${B[@]}" "$T" 2>&1)
        meets "$dir" "$output" $? $kind 1 || wrong=1
        runs=$((runs + 1))
    done
done
for dir in "$D/other/board" "$D/canaries" "$NODE"; do
    output=$(timeout 20 "$TALLY" chain verify "${B[@]}" "$dir" 2>&1)
    meets "$dir" "$output" $? "is no export" 1 || wrong=1
done
for anchor in : 0:1: "0:0:$(printf '%064d' 0)" "2:1:$(printf '%064d' 0)" "0:99999999999999999999:$(printf '%064d' 0)" "$(printf '0%.0s' {1..5000})"; do
    output=$(timeout 20 "$TALLY" chain verify "${B[@]}" --anchor "$anchor" "$X" 2>&1)
    meets "an anchor" "$output" $? "${anchor:0:20}" 2 || wrong=1
done
end "exports"

# --- what a validator has signed ---

begin
memory=$(ls "$D"/keys/v1.*.signed)
for kind in $KINDS; do
    cp "$memory" "$D/memory"
    damage $kind "$memory"
    rm -rf "$T"
    cp -a "$D/early" "$T"
    output=$(timeout 20 "${SIGN[@]}" --key "$D/keys/v1" "$T" 2>&1)
    status=$?
    # Who has no memory signs what comes first: the file is all that there is.
    [ $kind = absent ] && want=0 || want=1
    meets "what was signed" "$output" $status $kind $want || wrong=1
    [ $want -eq 0 ] || [ $kind = flipped ] || grep -q '\.signed' <<<"$output" || { bad "what was signed, $kind: not named" "$output"; wrong=1; }
    rm -rf "$memory"
    mv "$D/memory" "$memory"
    runs=$((runs + 1))
done
output=$("${SIGN[@]}" --key "$D/keys/v1" "$D/early" 2>&1)
meets "an older snapshot" "$output" $? "after a later one" 1 || wrong=1
end "a validator's memory"

# --- work directories ---

must "$TALLY" aggregate "${B[@]}" --exports "$D/exports" --work "$D/work"
must "$TALLY" plan "${B[@]}" --work "$D/work"
w=$(words "Decryption plan" "$D/board" --plan "$D/work/plan.cbor")
for i in 1 2; do must typing "$w" trustee $i decrypt --plan "$D/work/plan.cbor" --exports "$D/exports" --work "$D/own-$i"; done
must "$TALLY" combine "${B[@]}" --work "$D/work"
must "$TALLY" publish "${B[@]}" --exports "$D/exports" --work "$D/work" --out "$D/bundle"
verify() { timeout 30 "$VERIFY" "$D/bundle" --json "$@" 2>"$D/err"; }
plain=$(verify)
grep -q '"FAIL"\|ERR_' <<<"$plain" && bad "the bundle is good" "$plain"
verify --resume "$D/resume" >/dev/null
begin
while read -r file; do
    for kind in $KINDS; do
        rm -rf "$T"
        cp -a "$D/resume" "$T"
        damage $kind "$T/$file"
        output=$(verify --resume "$T")
        status=$?
        runs=$((runs + 1))
        [ "$output" = "$plain" ] && [ -z "$(grep ERR_ "$D/err")" ] && canary_good && continue
        meets "$file" "$(cat "$D/err")" $status $kind 1 || wrong=1
        [ -z "$output" ] || { bad "$file $kind: another report" "$output"; wrong=1; }
        grep -q "$(basename "$file")" "$D/err" || { bad "$file $kind: not named" "$(cat "$D/err")"; wrong=1; }
    done
done < <(cd "$D/resume" && find . -type f -printf '%P\n' | sort)
root=$("$TALLY" aggregate "${B[@]}" --exports "$D/exports" --work "$D/work" 2>/dev/null | grep '^root hex')
state=$(cd "$D/work" && ls -d chains/*/)
for file in index.sqlite "${state}ids" "${state}state.cbor" records/precinct/p1.cbor records/precinct/.tmp-p1; do
    for kind in $KINDS; do
        rm -rf "$T"
        cp -a "$D/work" "$T"
        [ -e "$T/$file" ] || { rm "$T/records/precinct/p1.cbor"; echo half >"$T/$file"; }
        damage $kind "$T/$file"
        output=$(timeout 20 "$TALLY" aggregate "${B[@]}" --exports "$D/exports" --work "$T" 2>&1)
        status=$?
        runs=$((runs + 1))
        meets "$file" "$output" $status $kind "0 1" || wrong=1
        [ $status -eq 1 ] || [ "$(grep '^root hex' <<<"$output")" = "$root" ] || { bad "$file $kind: another root" "$output"; wrong=1; }
    done
done
end "work directories"

# --- holes in what is hashed as a whole ---

begin
"$VERIFY" "$D/bundle" --part 1/1 --out "$D/part" --quiet || bad "a part" ""
long() { # FILE PROGRAM...: with a hole of a terabyte in FILE the program ends soon, and names the error
    local file=$1
    shift
    cp "$file" "$D/saved-long"
    truncate -s 1T "$file"
    output=$(timeout 20 "$@" 2>&1 </dev/null)
    meets "$file" "$output" $? hole 1 || wrong=1
    mv -f "$D/saved-long" "$file"
    runs=$((runs + 1))
}
long "$X/snapshot.cbor" "$TALLY" aggregate "${B[@]}" --exports "$D/exports" --work "$T-long"
long "$D/bundle/SHA256SUMS" "$VERIFY" "$D/bundle" --part 1/1 --out "$T-part"
long "$D/bundle/SHA256SUMS" "$VERIFY" merge "$D/bundle" "$D/part"
long "$D/bundle/exports/p1.cexp" "$VERIFY" "$D/bundle" --resume "$T-resume"
long "$D/part/part-1-of-1.ids" "$TALLY" part sign "$D/part/part-1-of-1.part" --key "$D/keys/v1" --no-passphrase
end "holes in what is hashed"

# --- settings ---

begin
echo '{"settings": 1, "threads": 1, "batch_points": 2048}' >"$D/settings"
for kind in $KINDS nul twice; do
    cp "$D/settings" "$D/s.json"
    case $kind in
        nul) printf '\0' >>"$D/s.json" ;;
        twice) sed -i 's/"threads": 1/"threads": 1, "threads": 2/' "$D/s.json" ;;
        flipped) sed -i 's/threads/thread\x80/' "$D/s.json" ;;
        *) damage $kind "$D/s.json" ;;
    esac
    for program in "$VERIFY $D/bundle" "$TALLY chain verify --board $D/board $X"; do
        output=$(timeout 20 $program --settings "$D/s.json" 2>&1)
        status=$?
        meets settings "$output" $status $kind "1 2" && grep -q 's\.json' <<<"$output" || { bad "settings $kind: not named" "$output"; wrong=1; }
        runs=$((runs + 1))
    done
    rm -rf "$D/s.json"
done
end "settings"

# --- nobody may read it ---

if [ "$(id -u)" -eq 0 ] && command -v setpriv >/dev/null && chmod 755 "$D" && setpriv --reuid 65534 --clear-groups cat "$X/snapshot.cbor" >/dev/null 2>&1; then
    begin
    for file in "$X/snapshot.cbor" "$X/headers/s.cbor" "$X/segments/s/00000000.zst" "$D/settings" "$D/board/record.cbor"; do
        mode=$(stat -c %a "$file")
        chmod 000 "$file"
        output=$(timeout 20 setpriv --reuid 65534 --clear-groups "$TALLY" chain verify "${B[@]}" --settings "$D/settings" "$X" 2>&1)
        meets "$file" "$output" $? unreadable 1 && grep -q "$(basename "$file")" <<<"$output" || { bad "$file: not named" "$output"; wrong=1; }
        chmod "$mode" "$file"
        runs=$((runs + 1))
    done
    end "unreadable files"
else
    skip "unreadable files" "this user can read them all, or no other user reaches them"
fi

# --- numbers and their server ---

begin
M=$D/numbers/metrics
mkdir -p "$M"
prom=$(ls "$NODE"/metrics/chain-s.prom)
"$TALLY" chain serve-metrics --work "$D/numbers" --port 0 >"$D/serve" 2>"$D/serve.err" &
server=$!
for try in $(seq 100); do
    port=$(sed -n 's|^serving http://127.0.0.1:\([0-9]*\)/metrics$|\1|p' "$D/serve")
    [ -n "$port" ] && break
    sleep 0.05
done
ask() { # TEXT: the first line of the answer
    exec 8<>"/dev/tcp/127.0.0.1/$port" || return 1
    printf "$1" >&8 2>/dev/null
    timeout 20 head -1 <&8 2>/dev/null | tr -d '\r'
    exec 8>&-
}
good='GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n'
for kind in $KINDS; do
    rm -rf "$M/chain-s.prom"
    cp "$prom" "$M/chain-s.prom"
    damage $kind "$M/chain-s.prom"
    answer=$(ask "$good")
    [ "$answer" = "HTTP/1.1 200 OK" ] && canary_good || { bad "numbers $kind: $answer"; wrong=1; }
    runs=$((runs + 1))
done
long=$(printf 'a%.0s' {1..6000})
for request in "GET /$long HTTP/1.1\r\n\r\n" "$good$good$good" '\0\0\0\0' "GET /metrics HTTP/1.1\r\nHost: evil.example\r\n\r\n" "X\r\n\r\n"; do
    answer=$(ask "$request")
    [[ $answer =~ ^HTTP/1.1\ (4[0-9][0-9]|200)\  ]] || { bad "request ${request:0:20}: '$answer'"; wrong=1; }
    runs=$((runs + 1))
done
# Clients that say nothing hold every place for a few seconds, not longer.
fds=()
for i in $(seq 16); do
    exec {fd}<>"/dev/tcp/127.0.0.1/$port" && fds+=("$fd")
done
answer=$(ask "$good")
[ "$answer" = "HTTP/1.1 200 OK" ] || { bad "behind clients that are silent: '$answer'"; wrong=1; }
for fd in "${fds[@]}"; do exec {fd}>&-; done
kill -TERM $server
wait $server || { bad "the server ends" "$(cat "$D/serve.err")"; wrong=1; }
end "numbers and their server"
finish
