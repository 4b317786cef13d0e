#!/bin/bash
# How cost grows with the number of ballots: an election is made with ballots of tests/bench/pool.h (insecure by design),
# and the ordinary programs verify, aggregate and publish it. A line for each command, on the screen and in SCALE_LOG (OUT/scale.txt):
#   command, ballots, seconds of the clock, of processors in user mode and in the kernel, peak memory in MiB, bytes that it is about
# usage: tests/bench/scale.sh BALLOTS_OF_A_CHAIN PRECINCTS [THREADS]
# EACH=10: the precincts have 1, 2, ..., EACH, 1, 2, ... ballots, at most 1000.
# BUNDLE=0: a chain is verified only, not aggregated, published and verified once more (which takes twice the disk).
# PARTS=N: the bundle is verified once more in N parts, one after the other, which are merged.
# Works in TMPDIR. Four options, one contest: 2.6 KB for each ballot of a chain, 1.7 KB for each of a precinct.
set -u
cd "$(dirname "$0")/../.." || exit 1
out=$PWD/${OUT:-build}
log=${SCALE_LOG:-$out/scale.txt}
chain=${1:?ballots of a chain}
precincts=${2:?precincts}
threads=${3:-$(nproc)}
bundle=${BUNDLE:-1}
parts=${PARTS:-0}
each=${EACH:-10}
tool=$out/tests/bench/scale_tool
[ -x "$tool" ] || { echo "build $tool first"; exit 2; }
dir=$(mktemp -d "${TMPDIR:-/tmp}/conclave-scale-XXXXXX") || exit 1
maker=
# Everything is removed, however it ends.
clean() {
    [ -z "$maker" ] || kill "$maker" 2>/dev/null
    rm -rf "$dir"
}
trap clean EXIT
trap 'exit 130' INT TERM

need=$(((chain * 2800 * (1 + bundle) + precincts * (1750 * (each + 3) / 2 * (1 + bundle) + 20000)) / 1048576 + 200))
have=$(df --output=avail -m "$dir" | tail -1)
[ "${have:-0}" -gt "$need" ] || { echo "$need MiB are needed in ${TMPDIR:-/tmp}, $have are free"; exit 1; }
bytes() { du -sb "$1" 2>/dev/null | cut -f1; }
# run NAME BALLOTS BYTES COMMAND...: what it cost; its own output only if it fails.
run() {
    local said="$dir/said"
    if ! "$tool" run "$@" >"$said" 2>"$said.err"; then
        echo "$1 failed"
        tail -n 20 "$said" "$said.err"
        exit 1
    fi
    tail -1 "$said.err" | tee -a "$log" | awk '{
        printf "%-14s %10d ballots %9.1f s wall %9.1f s user %7.1f s system %7.1f MiB %8.2f GB %8.0f ballots/s of a processor\n",
            $1, $2, $3, $4, $5, $6, $7 / 1e9, $2 / ($4 + $5 + 1e-9) }'
}

echo "machine: $(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -1), $(nproc) processors, load $(cut -d' ' -f1 /proc/loadavg), $threads threads"
coproc MAKER { exec "$tool" make "$dir" "$chain" "$precincts" "$each" "$threads" 2>"$dir/maker.err"; }
maker=$MAKER_PID
exec 7<&"${MAKER[0]}" 8>&"${MAKER[1]}"
read -r word made exported <&7
[ "${word:-}" = made ] || { echo "no election was made"; cat "$dir/maker.err"; exit 1; }
sed -n 's/^chain: //p' "$dir/maker.err"
ballots=$((made + exported))
board=(--board "$dir/board")
if [ "$chain" -gt 0 ]; then
    size=$(bytes "$dir/exports/online")
    run chain-quick "$made" "$size" "$out/conclave-tally" chain verify "${board[@]}" --quick --threads "$threads" "$dir/exports/online"
    run chain-verify "$made" "$size" "$out/conclave-tally" chain verify "${board[@]}" --threads "$threads" "$dir/exports/online"
fi
if [ "$bundle" = 1 ] || [ "$chain" = 0 ]; then
    size=$(bytes "$dir/exports")
    run aggregate "$ballots" "$size" "$out/conclave-tally" aggregate "${board[@]}" --exports "$dir/exports" --work "$dir/work" --threads "$threads"
    echo go >&8
    read -r word <&7
    [ "${word:-}" = decrypted ] || { echo "nothing was decrypted"; cat "$dir/maker.err"; exit 1; }
    run publish "$ballots" "$size" "$out/conclave-tally" publish "${board[@]}" --exports "$dir/exports" --work "$dir/work" --out "$dir/bundle"
    [ "$chain" = 0 ] || rm -rf "$dir/exports" # chains are large
    anchor=$("$out/conclave" fingerprint "${board[@]}" | awk '/^Trust anchor/ {getline; print $1}')
    run verify "$ballots" "$(bytes "$dir/bundle")" "$out/conclave-verify" "$dir/bundle" --election "$anchor" --threads "$threads"
    for ((k = 1; k <= parts; k++)); do
        run "part-$k-of-$parts" "$ballots" "$(bytes "$dir/bundle")" "$out/conclave-verify" "$dir/bundle" --part "$k/$parts" --out "$dir/parts" --threads "$threads"
    done
    if [ "$parts" -gt 0 ]; then
        echo "$("$out/conclave-tally" key new --out "$dir/key" --no-passphrase) me" >"$dir/signers" &&
            "$out/conclave-tally" part sign "$dir"/parts/*.part --key "$dir/key" --no-passphrase >/dev/null || exit 1
        run merge "$ballots" "$(bytes "$dir/parts")" "$out/conclave-verify" merge "$dir/bundle" "$dir/parts" --signers "$dir/signers" --election "$anchor" --threads "$threads"
    fi
fi
