#!/bin/bash
# kill -9 at random moments of every verb of both programs; each is then repeated until it is through. At the end the election
# is complete, nothing that was acknowledged is lost, nothing half-written is visible, nobody has said two things.
# KILLS: per verb and party; SEED: of the moments.
NAME=kill9
. "$(dirname "$0")/lib.sh"
KILLS=${KILLS:-6}
RANDOM=${SEED:=$(($(date +%s) % 32768))}
echo "SEED=$SEED KILLS=$KILLS"
killed_total=0 died=0 done_early=0

# A command is run in a session and process group of its own, which is killed. The process of the token is in another
# group and ends by itself when it loses its other end: SoftHSM2 empties a token whose process is killed while it
# writes (it rewrites token.object in place), which no program can help.
start() { # INPUT OUTPUT COMMAND...
    local input=$1 output=$2
    shift 2
    setsid "$@" <"$input" >>"$output" 2>&1 &
    pid=$!
}

party=() # the command of a verb; party_is sets it
trustee_is() { local i=$1; shift; party=(env "$(token_env "$i")" "$CONCLAVE" "$@" --board "$D/board" --token "$(token_uri "$i")"); }
tally_is() { party=("$TALLY" "$@"); }

whole_board() {
    local out
    out=$("$CONCLAVE" status --board "$D/board" 2>&1)
    grep -q 'left out' <<<"$out" && bad "after a kill something on the board is left out" "$out"
}

# through TEXT INPUT OUTPUT LONGEST: kills party KILLS times within LONGEST ms, then lets it finish.
through() {
    local text=$1 input=$2 output=$3 longest=$4 n ms status
    for n in $(seq "$KILLS"); do
        ms=$((RANDOM % (longest + 1)))
        {
            start "$input" "$output" "${party[@]}"
            sleep "$(printf '0.%03d' $ms)"
            pkill -KILL -g $pid && killed_total=$((killed_total + 1))
            wait $pid
            status=$?
        } 2>/dev/null
        case $status in
            137) died=$((died + 1)) ;;
            0) done_early=$((done_early + 1)); longest=$((longest * 2 / 3 + 1)) ;;
            *) bad "$text: exit $status in an attempt that was to be killed" "$(tail -3 "$output")" ;;
        esac
        case $text in enroll* | roster* | deal* | complain* | cut* | confirm* | drill* | decrypt*) whole_board ;; esac
    done
    # Processes of the token that lost their other end are gone soon.
    for n in 1 2 3; do
        start "$input" "$output" "${party[@]}"
        wait $pid
        status=$?
        [ $status -ne 0 ] || break
        sleep 0.2
    done
    [ $status -eq 0 ] && ok "$text completes after $KILLS kills" || bad "$text does not complete: exit $status" "$(tail -5 "$output")"
}

for i in 1 2 3; do token_make $i; done
election "$D/board" 2
mkdir "$D/log"
for i in 1 2 3; do
    trustee_is $i enroll --name "Trustee $i" --organisation "Organisation $i"
    through "enroll $i" /dev/null "$D/log/enroll" 120
done
[ "$(ls "$D"/board/entries/enroll.*.cose | wc -l)" -eq 3 ] && ok "three enrolments, no more" ||
    bad "enrolments" "$(ls "$D/board/entries")"
w=$(words Roster "$D/board")
printf '%s\n' "$w" >"$D/words"
for v in roster deal complain; do
    for i in 1 2 3; do
        trustee_is $i $v
        through "$v $i" "$D/words" "$D/log/$v" 90
    done
done
trustee_is 2 cut
through "cut" /dev/null "$D/log/cut" 60
for i in 1 2 3; do
    trustee_is $i confirm
    through "confirm $i" /dev/null "$D/log/confirm" 90
done
party=("$CONCLAVE" status --board "$D/board")
through "status (makes the record)" /dev/null "$D/log/status" 40
check "the key is released" "$CONCLAVE" status --board "$D/board"
says "released" released
trustee_is 1 drill --challenge "a beacon"
through "drill 1" /dev/null "$D/log/drill" 60
mkdir -p "$D/copy"
cp "$D"/board/{manifest.json,jurisdictions.csv} "$D/copy/"
party=("$CONCLAVE" merge --board "$D/copy" "$D/board")
through "merge" /dev/null "$D/log/merge" 40
diff <(ls "$D/board/entries" | grep -v tmp) <(ls "$D/copy/entries" | grep -v tmp) >/dev/null && ok "the merged board is complete" ||
    bad "the merged board differs"

# --- voting ---

BALLOTS=450
mkdir -p "$D/exports"
for p in 1 2; do
    dir=$D/precincts/p$p
    mkdir -p "$dir"
    common=(--board "$D/board" --place "p$p")
    tally_is precinct open "${common[@]}" --journal "$dir/journal"
    through "precinct open p$p" /dev/null "$D/log/open" 30
    # Where an attempt was done before it was killed, the next one begins without its file.
    party=(bash -c 'rm -f "$0"; exec "$@"' "$dir/ballots" "$TALLY" ballot make "${common[@]}" --random $BALLOTS --seed $p --out "$dir/ballots")
    [ $p -eq 1 ] && through "ballot make" /dev/null "$D/log/make" 300 || must "${party[@]}"
    tally_is precinct cast "${common[@]}" --journal "$dir/journal" "$dir/ballots"
    through "precinct cast p$p" /dev/null "$dir/cast" 500
    # Every ballot that was acknowledged, at whichever attempt.
    grep -oE '^accepted [0-9a-f]{64}$' "$dir/cast" | cut -c10- | sort >"$dir/acknowledged"
    # Once more, before it closes: what was acknowledged is known again.
    "$TALLY" precinct cast "${common[@]}" --journal "$dir/journal" "$dir/ballots" >"$dir/again" 2>&1
    grep -oE '^again [0-9a-f]{64}$' "$dir/again" | cut -c7- | sort >"$dir/known"
    lost=$(comm -23 "$dir/acknowledged" "$dir/known" | wc -l)
    [ -s "$dir/acknowledged" ] && [ "$lost" -eq 0 ] && [ "$(wc -l <"$dir/known")" -eq $BALLOTS ] &&
        ok "p$p: all $(wc -l <"$dir/acknowledged") acknowledged ballots are in the journal" ||
        bad "p$p: $lost acknowledged ballots are lost, $(wc -l <"$dir/known") known" "$(tail -3 "$dir/again")"
    [ "$(uniq -d "$dir/acknowledged" | wc -l)" -eq 0 ] && ok "p$p: none was accepted twice" || bad "p$p: accepted twice"
    tally_is precinct close "${common[@]}" --journal "$dir/journal" --key "$D/keys/p$p" --no-passphrase \
        --export "$D/exports/p$p.cexp"
    through "precinct close p$p" /dev/null "$D/log/close" 150
    output=$("$TALLY" precinct status "${common[@]}" --journal "$dir/journal" 2>&1)
    says "p$p holds $BALLOTS ballots" "^ballots +$BALLOTS\$"
    output=$("$TALLY" show --board "$D/board" "$D/exports/p$p.cexp" 2>&1)
    says "p$p exported $BALLOTS ballots" "^items +$BALLOTS "
    for id in $(shuf -n 5 "$dir/acknowledged"); do
        "$TALLY" precinct receipt "${common[@]}" --journal "$dir/journal" --ballot "$id" --out "$dir/receipt.$id" >/dev/null 2>&1 ||
            bad "p$p: no receipt for an acknowledged ballot"
    done
done

# --- decryption night ---

tally_is aggregate --board "$D/board" --exports "$D/exports" --work "$D/work"
through "aggregate" /dev/null "$D/log/aggregate" 600
tally_is plan --board "$D/board" --work "$D/work"
through "plan" /dev/null "$D/log/plan" 40
words "Decryption plan" "$D/board" --plan "$D/work/plan.cbor" >"$D/words"
for i in 1 3; do
    trustee_is $i decrypt --plan "$D/work/plan.cbor" --exports "$D/exports" --work "$D/own-$i"
    through "decrypt $i" "$D/words" "$D/log/decrypt" 700
done
tally_is combine --board "$D/board" --work "$D/work"
through "combine" /dev/null "$D/log/combine" 80
tally_is publish --board "$D/board" --exports "$D/exports" --work "$D/work" --out "$D/bundle"
through "publish" /dev/null "$D/log/publish" 120
ls "$D/bundle" | grep -q '^\.tmp' && bad "temporary files in the bundle" "$(ls -a "$D/bundle")" || ok "no temporary files in the bundle"

# --- the end ---

output=$("$CONCLAVE" status --board "$D/board" 2>&1)
grep -qE 'left out|two different|STOP' <<<"$output" && bad "something is wrong on the board" "$output" ||
    ok "every entry parses, nobody said two things"
twice=$(cd "$D/board/entries" && ls | grep -vE 'tmp' | awk -F. '$1 != "partial" && $1 != "plan" {print $1 "." $2}' | sort | uniq -d)
[ -z "$twice" ] && ok "one entry of each kind from each author" || bad "two of one kind" "$twice"
check "the result" "$TALLY" combine --board "$D/board" --work "$D/work"
if [ -x "$VERIFY" ]; then
    key=$(anchor_hex "$D/board")
    check "the bundle verifies" "$VERIFY" "$D/bundle" --election "$key"
else
    skip "conclave-verify" "not built"
fi
for w in retire; do
    anchor_words "$D/board" >"$D/words"
    trustee_is 2 $w
    through "$w" "$D/words" "$D/log/$w" 60
done
echo "$killed_total kills, of which $died hit a running program and $done_early came too late"
[ $died -gt $((killed_total / 3)) ] && ok "enough of them hit" || bad "too few kills hit"
finish
