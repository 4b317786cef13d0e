#!/bin/bash
# The comparer of figures, with figures that are made up; and run.sh with a program that is.
NAME=bench_compare
. "$(dirname "$0")/lib.sh"
COMPARE=tests/bench/compare.sh

# figures FILE NAME:BEST:WORST:UNIT...
figures() {
    local file=$1
    shift
    printf '%s\n' "$@" | jq -R 'split(":") | {name: .[0], best: (.[1] | tonumber), worst: (.[2] | tonumber), unit: .[3], threads: 1, runs: 3}
        | .value = .best' | jq -s '{machine: "m", figures: .}' > "$D/$file"
}
# compares TEXT STATUS PATTERN: base.json with new.json
compares() { fails "$1" "$2" "$3" bash $COMPARE "$D/base.json" "$D/new.json"; }

figures base.json time:100:102:us rate:1000:980:ballots/s
figures new.json time:101:103:us rate:990:985:ballots/s
compares "within 5 % is the same" 0 '^2 figures: 0 worse, 0 better, 0 gone, 0 noisy$'
figures new.json time:106:107:us rate:1000:980:ballots/s
compares "more time is worse" 1 '^WORSE   time: 100 -> 106 us, by 6 %, noise 5 %$'
figures new.json time:100:102:us rate:940:930:ballots/s
compares "less of a rate is worse" 1 '^WORSE   rate: 1000 -> 940 ballots/s, by 6.4 %, noise 5 %$'
figures new.json time:90:91:us rate:1100:1090:ballots/s
compares "less time, a higher rate are better" 0 '^2 figures: 0 worse, 2 better, 0 gone, 0 noisy$'
figures new.json time:150:151:us rate:500:490:ballots/s
compares "each that is worse is listed" 1 '^2 figures: 2 worse, 0 better, 0 gone, 0 noisy$'

figures base.json time:100:120:us
figures new.json time:115:116:us
compares "the base's noise is allowed for" 0 '^same    time: 100 -> 115 us$'
figures base.json time:100:101:us
figures new.json time:115:140:us
compares "the new one's, too" 0 '^same    time'
figures new.json time:125:140:us
compares "but no more than it" 1 '^WORSE   time: 100 -> 125 us, by 25 %, noise 12 %$'
figures new.json time:100:200:us
compares "runs that differ wildly are no measurement" 0 '^NOISE   time.*nothing is known$'

figures base.json time:100:101:us size:1701:1701:bytes
figures new.json time:100:101:us
compares "a figure that has gone" 1 '^GONE    size$'
figures new.json time:100:101:us size:1702:1702:bytes other:1:1:s
compares "a new one is no failure" 0 '^new     other: 1 s$'
figures new.json time:100:101:ms size:1701:1701:bytes
compares "another unit" 1 '^UNIT    time: us became ms$'
figures new.json time:100:101:us size:1701:1701:bytes odd:1:1:furlongs
compares "a unit nobody knows" 1 '^UNIT    odd: unit "furlongs" is not known$'
figures base.json time:0:0:s
figures new.json time:0:0:s
compares "nothing stays nothing" 0 '^same    time'
figures new.json time:1:1:s
compares "something is worse than nothing" 1 '^WORSE   time'

figures base.json m/openssl:100:101:us
figures new.json m/openssl:200:201:us
compares "OpenSSL's figures are the machine's" 0 '^machine m/openssl: 100 -> 200 us, slower by 100 %$'
figures base.json v/times-openssl:10:9.9:x
figures new.json v/times-openssl:5:4.9:x
compares "but not the factor between" 1 '^WORSE   v/times-openssl'
figures base.json msm_to_openssl:0.1:0.101:ratio
figures new.json msm_to_openssl:0.2:0.202:ratio
compares "nor a ratio" 1 '^WORSE   msm_to_openssl'

printf '[{"name":"time","value":100,"unit":"us","threads":1}]' > "$D/base.json"
printf '[{"name":"time","value":120,"unit":"us","threads":1}]' > "$D/new.json"
compares "one run only: 20 % is noise" 0 '^same    time'
printf '[{"name":"time","value":130,"unit":"us","threads":1}]' > "$D/new.json"
compares "one run only: 30 % is not" 1 '^WORSE   time'
printf '[]' > "$D/new.json"
compares "no figures" 2 'not the figures of make bench'
printf '{"figures":[{"name":"time","value":"fast","unit":"us"}]}' > "$D/new.json"
compares "text for a number" 2 'not the figures of make bench'
printf '{' > "$D/new.json"
compares "no JSON" 2 'not the figures of make bench'
fails "no file" 2 'not the figures' bash $COMPARE "$D/base.json" "$D/none.json"
fails "no arguments" 2 '^usage' bash $COMPARE
figures base.json time:100:101:us
jq '.machine = "another"' "$D/base.json" > "$D/new.json"
compares "another machine is said" 0 '^note    the machines differ: m / another$'

# Every unit that a figure has is known.
units=$(cat tests/bench/bench_*.c | tr '\n' ' ' | grep -oE 'figure\([^;]*;' | grep -oE '"[^"]*", *[^",;]*;$' | cut -d'"' -f2 | sort -u)
[ "$(wc -w <<< "$units")" -ge 5 ] || bad "units are found" "$units"
unknown=$(for u in $units; do echo "$u"; done |
    while read -r u; do jq -e --arg u "$u" '.[$u]' tests/bench/units.json > /dev/null || echo "$u"; done)
if [ -z "$unknown" ]; then ok "every unit is known"; else bad "every unit is known" "$unknown"; fi

# run.sh: median, best and worst of several runs, by unit.
cat > "$D/program" <<'END'
#!/bin/bash
n=$(cat "$0.count" 2>/dev/null || echo 0)
echo $((n + 1)) > "$0.count"
set -- 30 10 20
shift "$n"
echo "a/time $1.000 us 1"
echo "a/rate $1.000 ballots/s 2"
END
chmod +x "$D/program"
mkdir -p "$D/out"
ln -sf "$D/program" "$D/out/program"
(cd "$D/out" && OUT=. NO_CEREMONY=1 bash "$OLDPWD/tests/bench/run.sh" program) > "$D/run.txt" 2>&1
if [ "$(jq -c '[.figures[] | [.name, .value, .best, .worst, .unit, .threads, .runs]]' "$D/out/bench.json" 2>&1)" = \
    '[["a/time",20,10,30,"us",1,3],["a/rate",20,30,10,"ballots/s",2,3]]' ]; then
    ok "run.sh takes median, best and worst"
else
    bad "run.sh takes median, best and worst" "$(cat "$D/run.txt" "$D/out/bench.json")"
fi
finish
