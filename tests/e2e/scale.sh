#!/bin/bash
# What docs/scale.md measures with, at small size: a chain of 1,000 ballots and 20 precincts, made by scale_tool, verified
# alone, aggregated, published and verified again by the ordinary programs. And elections that it must refuse to make.
NAME=scale
. "$(dirname "$0")/lib.sh"
export TMPDIR=$D SCALE_LOG=$D/lines

check "a chain and precincts" env PARTS=2 bash tests/bench/scale.sh 1000 20 2
for step in chain-quick chain-verify aggregate publish verify part-1-of-2 part-2-of-2 merge; do
    says "measured: $step" "^$step +[0-9]+ ballots +[0-9.]+ s wall"
done
awk 'NF != 7 || $6 <= 0 || $7 <= 0 {exit 1}' "$D/lines" && [ "$(wc -l <"$D/lines")" = 8 ] &&
    ok "every line has its seven numbers" || bad "lines" "$(cat "$D/lines")"
awk '$1 == "chain-verify" && $2 != 1000 || $1 == "verify" && $2 != 1110 {exit 1}' "$D/lines" &&
    ok "all ballots were there" || bad "ballots" "$(cat "$D/lines")"
check "precincts alone" env EACH=30 bash tests/bench/scale.sh 0 20 2
check "a chain alone" env BUNDLE=0 bash tests/bench/scale.sh 300 0 1
fails "more than the disk has" 1 "MiB are needed" bash tests/bench/scale.sh 100000000000 0
fails "more than the pool has" 2 "at most" "$OUT/tests/bench/scale_tool" make "$D" 20000000 0 1 1
[ -z "$(find "$D" -name 'conclave-scale-*')" ] && ok "nothing is left behind" || bad "something is left behind"
finish
