#!/bin/bash
# The numbers as the server gives them, the alert rules and the dashboard: do they load, and do they name what there is?
NAME=monitoring
. "$(dirname "$0")/lib.sh"
TOOL=$PWD/$OUT/tests/e2e/metrics_tool
DOCS=docs/monitoring
PROMTOOL=$(command -v promtool || ls build/promtool/usr/bin/promtool 2>/dev/null)

serve() { # the server in the background; its port in $port
    "$TALLY" chain serve-metrics --work "$D/work" --port 0 > "$D/serve.txt" 2> "$D/serve.err" &
    server=$!
    for _ in $(seq 100); do
        port=$(sed -n 's|^serving http://127.0.0.1:\([0-9]*\)/metrics$|\1|p' "$D/serve.txt")
        [ -z "$port" ] || return 0
        sleep 0.1
    done
    kill $server
    bad "the server starts" "$(cat "$D/serve.err")"
    finish
}

fetch() { # PATH: status line and headers to $D/head.txt, body to $D/body.txt
    exec 3<> "/dev/tcp/127.0.0.1/$port" || return 1
    printf 'GET %s HTTP/1.1\r\nHost: localhost:%s\r\n\r\n' "$1" "$port" >&3
    timeout 20 cat <&3 > "$D/answer.txt"
    exec 3>&-
    sed -n '1,/^\r$/p' "$D/answer.txt" > "$D/head.txt"
    sed '1,/^\r$/d' "$D/answer.txt" > "$D/body.txt"
}

must "$TOOL" "$D/work/metrics"
serve
fetch /metrics
if grep -q '^HTTP/1.1 200 ' "$D/head.txt"; then ok "the server answers"; else bad "the server answers" "$(cat "$D/head.txt")"; fi
fetch /metrics # now with its own requests counted
sed -n 's/^# TYPE \([^ ]*\) .*/\1/p' "$D/body.txt" > "$D/families.txt"
kill -TERM $server
wait $server
if [ $? -eq 0 ]; then ok "the server ends when asked to"; else bad "the server ends when asked to" "$(cat "$D/serve.err")"; fi

if [ "$(wc -l < "$D/families.txt")" -gt 30 ] && [ -z "$(sort "$D/families.txt" | uniq -d)" ]; then
    ok "one TYPE for each of $(wc -l < "$D/families.txt") metrics"
else
    bad "one TYPE for each metric" "$(sort "$D/families.txt" | uniq -c)"
fi
declared=$(grep -o '"conclave_[a-z_]*", *METRIC_' tally/metrics.h | cut -d'"' -f2 | sort)
if [ "$declared" = "$(sort "$D/families.txt")" ]; then
    ok "every metric of the table is written"
else
    bad "every metric of the table is written" "$(diff <(echo "$declared") <(sort "$D/families.txt"))"
fi

# ... by a program, that is: each of them somewhere, but those of every process, which metrics.c fills.
unused=$(grep -oE 'X\(METRIC_[A-Z_]+' tally/metrics.h | cut -c3- | grep -vE 'METRIC_(START|UPDATE|RUNNING|CPU_SECONDS|RESIDENT)$' |
    while read -r m; do grep -qw "$m" $(ls tally/*.c | grep -v '/metrics') tally/metrics_serve.c tally/metrics_merge.c || echo "$m"; done)
if [ -z "$unused" ]; then ok "a program counts every metric"; else bad "a program counts every metric" "$unused"; fi

# names FILE: what it names, without the endings of histograms
names() {
    grep -oE '\bconclave_[a-z0-9_]+' "$1" | sort -u | while read -r n; do
        base=$n
        for s in _bucket _sum _count; do
            if [[ $n = *$s ]] && grep -qx "${n%"$s"}" "$D/families.txt"; then base=${n%"$s"}; fi
        done
        echo "$base"
    done | sort -u
}
for f in conclave.rules.yml conclave.rules.test.yml conclave.dashboard.json README.md; do
    unknown=$(comm -23 <(names "$DOCS/$f") <(sort "$D/families.txt"))
    if [ -z "$unknown" ]; then ok "$f names only what is written"; else bad "$f names only what is written" "$unknown"; fi
done
missing=$(comm -13 <(names "$DOCS/README.md") <(sort "$D/families.txt"))
if [ -z "$missing" ]; then ok "README.md lists every metric"; else bad "README.md lists every metric" "$missing"; fi
missing=$(comm -13 <(names "$DOCS/conclave.dashboard.json") <(sort "$D/families.txt"))
if [ -z "$missing" ]; then ok "the dashboard shows every metric"; else bad "the dashboard shows every metric" "$missing"; fi
for a in $(sed -n 's/^ *- alert: //p' $DOCS/conclave.rules.yml); do
    grep -q "alertname: $a\$" $DOCS/conclave.rules.test.yml && grep -q "\`$a\`" $DOCS/README.md || bad "$a has a test and a line in README.md"
done

if jq -e '
    (.panels | length) > 20 and .schemaVersion >= 36 and (.uid | type) == "string"
    and ([.panels[].id] | length == (unique | length))
    and ([.panels[] | select(.type != "row")] | all((.title | length) > 0 and (.targets | length) > 0
        and all(.targets[]; (.expr | length) > 0 and .datasource.uid == "${source}")))
    and ([.panels[].gridPos] | all(.x + .w <= 24))' $DOCS/conclave.dashboard.json > /dev/null 2> "$D/jq.err"; then
    ok "the dashboard is complete"
else
    bad "the dashboard is complete" "$(cat "$D/jq.err")"
fi

if [ -z "$PROMTOOL" ]; then
    skip "rules and output by promtool" "no promtool here"
    finish
fi
check "promtool check rules" "$PROMTOOL" check rules $DOCS/conclave.rules.yml
check "promtool test rules" "$PROMTOOL" test rules $DOCS/conclave.rules.test.yml
output=$("$PROMTOOL" check metrics < "$D/body.txt" 2>&1)
if [ $? -eq 0 ] && [ -z "$output" ]; then ok "promtool check metrics"; else bad "promtool check metrics" "$output"; fi

# The dashboard's expressions, made into rules, load too.
{
    printf 'groups:\n- name: dashboard\n  rules:\n'
    jq -r '.panels[] | .targets // [] | .[].expr' $DOCS/conclave.dashboard.json | sed 's/\$__rate_interval/1m/g; s/\$chain/.*/g' |
        jq -R -r '"  - record: dashboard:expression\n    labels: {n: \"\(input_line_number)\"}\n    expr: \(. | @json)"'
} > "$D/dashboard.yml"
check "the dashboard's expressions" "$PROMTOOL" check rules "$D/dashboard.yml"
[ "$(grep -c expr: "$D/dashboard.yml")" -gt 30 ] || bad "expressions were found"

# A rule that names nothing, and output with a family in two pieces, are found out.
sed 's/conclave_chain_queue_ballots/conclave_chain_queue_balots/' $DOCS/conclave.rules.yml > "$D/wrong.yml"
if [ "$(comm -23 <(names "$D/wrong.yml") <(sort "$D/families.txt"))" = conclave_chain_queue_balots ]; then
    ok "a wrong name in a rule is found"
else
    bad "a wrong name in a rule is found"
fi
if cat "$D/body.txt" "$D/body.txt" | "$PROMTOOL" check metrics > /dev/null 2>&1; then
    bad "output with families twice is refused"
else
    ok "output with families twice is refused"
fi
finish
