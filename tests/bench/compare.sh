#!/bin/bash
# Compares two bench.json: fails when a figure of the new one is worse than in the base beyond its noise.
#
# A figure was measured several times in each. What counts is its best run: everything else on a machine can only make a
# run worse. Its noise is how far the worst run is from the best, in the base and in the new one: the larger of the
# two, at least 5 %, and 25 % where there was one run only. A figure is worse if its best run is worse than the base's best
# by more than that; more than noise of 50 % is taken for no measurement, and said. Which way is worse depends on the unit
# (units.json). Figures of OpenSSL itself say how the machine was, and are never a failure. A unit that is not known there, and a figure that has gone, are failures too.
# usage: compare.sh BASE.json NEW.json      exit 0: none is worse; 1: some are; 2: the files cannot be compared
set -u
if [ $# -ne 2 ]; then
    echo "usage: compare.sh BASE.json NEW.json" >&2
    exit 2
fi
for f in "$1" "$2"; do
    if ! jq -e 'if type == "array" then . else .figures end | type == "array" and length > 0
            and all(.[]; (.name | type == "string") and (.value | type == "number") and .value >= 0 and (.unit | type == "string"))' \
        "$f" > /dev/null 2>&1; then
        echo "$f: not the figures of make bench" >&2
        exit 2
    fi
done
result=$(jq -n -r --slurpfile base "$1" --slurpfile new "$2" --slurpfile units "$(dirname "$0")/units.json" '
    def figures: if type == "array" then . else .figures end;
    def noise: if (.runs // 1) < 2 or .best == null then 0.25
               elif ([.best, .worst] | min) <= 0 then 0
               else (([.best, .worst] | max) / ([.best, .worst] | min) - 1) end;
    def best: .best // .value;
    def round3: . * 1000 | round / 1000;
    def percent: . * 1000 | round / 10;
    ($base[0] | figures) as $b | ($new[0] | figures) as $n
    | ($base[0].machine? // "not said") as $bm | ($new[0].machine? // "not said") as $nm
    | (if $bm != $nm then "note    the machines differ: \($bm) / \($nm)" else empty end),
      ($b[] | . as $old | ([$n[] | select(.name == $old.name)] | first) as $now
        | if $now == null then "GONE    \($old.name)"
          elif $units[0][$old.unit] == null then "UNIT    \($old.name): unit \"\($old.unit)\" is not known"
          elif $now.unit != $old.unit then "UNIT    \($old.name): \($old.unit) became \($now.unit)"
          else ([0.05, ($old | noise), ($now | noise)] | max) as $noise
            | (if ($old | best) == 0 or ($now | best) == 0 then (if ($old | best) == ($now | best) then 1 else 1e9 end)
               elif $units[0][$old.unit] == "less" then ($now | best) / ($old | best)
               else ($old | best) / ($now | best) end) as $worse
            | "\($old.name): \($old | best | round3) -> \($now | best | round3) \($old.unit)" as $what
            | if ($old.name | test("openssl")) and ($old.unit | IN("x", "ratio") | not) then
                "machine \($what), \(if $worse < 1 then "faster by \(1 / $worse - 1 | percent)" else "slower by \($worse - 1 | percent)" end) %"
              elif $noise > 0.5 then "NOISE   \($what): runs differ by \($noise | percent) %, nothing is known"
              elif $worse > 1 + $noise then "WORSE   \($what), by \($worse - 1 | percent) %, noise \($noise | percent) %"
              elif $worse < 1 / (1 + $noise) then "better  \($what), by \(1 / $worse - 1 | percent) %, noise \($noise | percent) %"
              else "same    \($what)" end
          end),
      ($n[] | . as $now | select([$b[].name] | index($now.name) | not)
        | if $units[0][.unit] == null then "UNIT    \(.name): unit \"\(.unit)\" is not known" else "new     \(.name): \(best | round3) \(.unit)" end)') || {
    echo "cannot compare $1 with $2" >&2
    exit 2
}
printf '%s\n' "$result"
count() { grep -c "^$1 " <<< "$result"; }
failed=$(($(count WORSE) + $(count GONE) + $(count UNIT)))
printf '%d figures: %d worse, %d better, %d gone, %d noisy\n' "$(grep -vc '^note ' <<< "$result")" "$(count WORSE)" "$(count better)" "$(count GONE)" "$(count NOISE)"
[ "$failed" -eq 0 ]
