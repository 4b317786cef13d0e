#!/bin/bash
# Runs the figures and writes them as a table and as JSON: name, value, unit, threads.
# usage: OUT=build tests/bench/run.sh PROGRAM...
set -eu -o pipefail
out=${OUT:-build}
lines=$out/bench.txt
: > "$lines"
echo "machine: $(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -1), $(nproc) processors, $(uname -m)"
for program in "$@"; do
    "./$program" | awk 'NF >= 3 { print $1, $2, $3, (NF >= 4 ? $4 : 1) }' | tee -a "$lines" | awk '{ printf "%-36s %14s %-12s %s\n", $1, $2, $3, $4 }'
done
dir=$out/bench-rehearsal
"$out/conclave" rehearse --dir "$dir" --precincts 4 --ballots 10 > "$out/bench-rehearsal.log"
sed -n 's/.*the key ceremony took \([0-9.]*\) s of CPU for \([0-9]*\) trustees.*/ceremony\/cpu-\2-trustees \1 s 1/p' \
    "$out/bench-rehearsal.log" | tee -a "$lines" | awk '{ printf "%-36s %14s %-12s %s\n", $1, $2, $3, $4 }'
{
    echo '['
    awk '{ printf "%s  {\"name\": \"%s\", \"value\": %s, \"unit\": \"%s\", \"threads\": %s}", (NR > 1 ? ",\n" : ""), $1, $2, $3, $4 } END { print "" }' "$lines"
    echo ']'
} > "$out/bench.json"
echo "written: $out/bench.json"
