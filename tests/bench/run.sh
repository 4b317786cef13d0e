#!/bin/bash
# Runs every figure several times and writes them as a table and as JSON: name, value (the median), best, worst, unit, threads,
# runs. Best and worst say how much a figure wavers; compare.sh uses them.
# usage: OUT=build RUNS=3 tests/bench/run.sh PROGRAM...
set -eu -o pipefail
out=${OUT:-build}
runs=${RUNS:-3}
lines=$out/bench.txt
: > "$lines"
machine="$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -1), $(nproc) processors, $(uname -m)"
echo "machine: $machine, load $(cut -d' ' -f1 /proc/loadavg), $runs runs"

# From lines "name value unit threads" to one object for each name, in the order of the first lines.
summary() {
    jq -R -s --slurpfile units "$(dirname "$0")/units.json" '
        [split("\n")[] | select(length > 0) | split(" ") | {name: .[0], value: (.[1] | tonumber), unit: .[2], threads: (.[3] | tonumber)}]
        | . as $all | reduce $all[].name as $n ([]; if index($n) then . else . + [$n] end)
        | map(. as $n | [$all[] | select(.name == $n)] | .[0] as $first | map(.value) | sort
            | (if $units[0][$first.unit] == "less" then {best: .[0], worst: .[-1]} else {best: .[-1], worst: .[0]} end) as $ends
            | {name: $n, value: (if length % 2 == 1 then .[length / 2 | floor] else (.[length / 2 - 1] + .[length / 2]) / 2 end)}
              + $ends + {unit: $first.unit, threads: $first.threads, runs: length})'
}
show() { jq -r '.[] | [.name, .value, .unit, .threads, .best, .worst] | @tsv' | awk -F'\t' '{ printf "%-40s %14.3f %-12s %2s   %.3f .. %.3f\n", $1, $2, $3, $4, $5, $6 }'; }
ceremony() {
    "$out/conclave" rehearse --dir "$out/bench-rehearsal" --precincts 4 --ballots 10 > "$out/bench-rehearsal.log"
    sed -n 's/.*the key ceremony took \([0-9.]*\) s of CPU for \([0-9]*\) trustees.*/ceremony\/cpu-\2-trustees \1 s 1/p' "$out/bench-rehearsal.log"
}
# measure COMMAND: its figures, several times
measure() {
    : > "$lines.one"
    for _ in $(seq "$runs"); do
        "$1" | awk 'NF >= 3 { print $1, $2, $3, (NF >= 4 ? $4 : 1) }' >> "$lines.one"
    done
    cat "$lines.one" >> "$lines"
    summary < "$lines.one" | show
}
for program in "$@"; do
    measure "./${program#./}"
done
[ -n "${NO_CEREMONY:-}" ] || measure ceremony
rm -f "$lines.one"
summary < "$lines" | jq --arg machine "$machine" '{machine: $machine, figures: .}' > "$out/bench.json.tmp"
mv "$out/bench.json.tmp" "$out/bench.json"
echo "written: $out/bench.json"
