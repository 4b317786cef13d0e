#!/bin/bash
# Nine appliances, five of nine: a whole key ceremony and decryption night, driven by keys only. Every appliance has a
# token, a home and a copy of the board of its own; a courier copies new files between them. The script of the keys is
# written here, because it says the same for each of nine, and played by tests/screens/run.sh.
NAME=nine
. "$(dirname "$0")/lib.sh"
command -v tmux >/dev/null || { skip "nine appliances" "tmux is not installed"; finish; }
N=9 T=5
names=("" "Alma Ibarra" "Boris Lindqvist" "Chidi Okafor" "Dana Petrova" "Emil Sato" "Farah Aziz" "Gita Rao"
    "Hugo Meier" "Ines Costa")
scr=$D/nine.scr

# --- preparation: tokens, manifest, an empty board for each ---

for i in $(seq $N); do token_make "$i"; done
election "$D/board" 3 "National election"
for m in $(seq $N) official; do
    mkdir -p "$D/home/$m" "$D/at/$m"
    cp -r "$D/board" "$D/at/$m/board"
done

# What the script runs beside the screens: the courier, and the officials' machines in the precincts.
cat >"$D/carry" <<'SH'
#!/bin/bash
# Brings what is new on any board to all the others (what a machine marks as its own stays there), the record, if all
# have it, to the officials, and the officials' exports and plan to the trustees.
cd "$(dirname "$0")" || exit 1
for what in entries detached; do
    for from in at/*/board; do [ ! -e "$from/$what" ] || cp -rup "$from/$what" board/ || exit 1; done
    for to in at/*/board; do [ ! -e board/$what ] || cp -rup board/$what "$to/" || exit 1; done
done
for to in at/[0-9]; do
    [ ! -e exports ] || cp -rup exports "$to/" || exit 1
    [ ! -e at/official/tally/plan.cbor ] || install -D at/official/tally/plan.cbor "$to/tally/plan.cbor" || exit 1
done
[ ! -e exports ] || cp -rup exports at/official/ || exit 1
[ ! -e at/9/board/record.cbor ] || cp -up at/9/board/record.cbor board/ || exit 1
[ ! -e board/record.cbor ] || cp -up board/record.cbor at/official/board/
SH
cat >"$D/votes" <<SH
#!/bin/bash
# Three precincts vote: open, 6 ballots, close, export.
cd "$PWD" || exit 1
for p in 1 2 3; do
    j="$D/precincts/p\$p"
    mkdir -p "\$j" "$D/exports"
    at=(--board "$D/board" --place "p\$p")
    "$TALLY" precinct open "\${at[@]}" --journal "\$j/journal" &&
        "$TALLY" ballot make "\${at[@]}" --random 6 --seed "\$p" --out "\$j/ballots" >"\$j/totals" &&
        "$TALLY" precinct cast "\${at[@]}" --journal "\$j/journal" "\$j/ballots" &&
        "$TALLY" precinct close "\${at[@]}" --journal "\$j/journal" --key "$D/keys/p\$p" --no-passphrase \\
            --export "$D/exports/p\$p.cexp" || exit 1
done
SH

# --- the words of the script ---

say() { printf '%s\n' "$@"; }
carry() { say "run bash $D/carry"; }
# appliance I: trustee I's machine; the main menu is there.
appliance() {
    local own="HOME=$D/home/$1 SOFTHSM2_CONF=$(token_conf "$1")" options="--rehearsal --language en"
    say "" "# trustee $1" \
        "start env -C $D/home/$1 $own $CONCLAVE --board $D/at/$1/board $options --token pkcs11:token=trustee-$1" \
        "wait What to do next"
}
official() {
    say "" "# the official" \
        "start env -C $D/home/official HOME=$D/home/official $CONCLAVE --board $D/at/official/board --rehearsal --language en" \
        "wait What to do next" "keys n" "wait What is your part tonight?" "keys o"
}
menu_leave() { say "keys Escape" "wait What to do next" "keys Escape" "wait End the program?" "keys y" "exit 0"; }
pin() { say "wait , asks for its PIN" "type 4711$1$1" "keys Enter"; }
all_words() { say "keys Space Space Space Space Space"; }
type_words() { say "keys -l \"\$(cat $D/words)\"" "keys Enter"; }

enrol() { # I
    appliance "$1"
    say "keys k" "wait Now: Enrol" "keys n" "wait Your name" "type ${names[$1]}" "keys Enter" "type Organisation $1" \
        "keys Enter" "wait I will take part with it." "wait Your token: trustee-$1" "keys End g"
    pin "$1"
    say "wait Enrolled. Copy"
    menu_leave
    carry
}
sign_and_deal() { # I
    appliance "$1"
    say "keys k" "wait Now: Compare the roster" "keys n" "wait These are the people" "keys End g" "wait Words of the roster" \
        "keys g" "wait Compare all words first"
    all_words
    say "keys g" "wait You promise: I compared" "keys End g" "wait Type the words as you heard them."
    type_words
    pin "$1"
    say "wait Roster signed. Now you deal." "wait Now: Deal" "keys n" "wait bound to this roster for ever" "keys End g"
    pin "$1"
    say "wait Dealt. Copy"
    menu_leave
    carry
}
fix_board() { # I
    appliance "$1"
    say "keys k" "wait Now: Open the shares" "keys n" "wait Nothing is signed or written." "keys End g"
    pin "$1"
    say "wait Every share that is here opens and matches" "keys g" \
        "wait Every share opens and matches. One trustee now" "keys c" "wait nothing you hold is left" "keys End g"
    pin "$1"
    say "wait The board is fixed." "wait Now: Confirm"
    menu_leave
    carry
}
confirm() { # I
    appliance "$1"
    say "keys k" "wait Now: Confirm" "keys n" "wait these are the dealers and holders" "keys End g"
    pin "$1"
    say "wait Confirmed: your share"
    menu_leave
    carry
}
release() { # I
    appliance "$1"
    say "keys k" "wait Now: Take the key into the record" "keys n" "wait Words of the key"
    all_words
    say "keys g" "wait Now: The ceremony is complete" "run test -s $D/at/$1/board/record.cbor"
    menu_leave
}
decrypt() { # I HAVE
    appliance "$1"
    say "keys n" "wait What is your part tonight?" "keys t" "wait This machine verifies every ballot itself" \
        "wait /tally/plan.cbor" "keys Tab Tab Tab Enter" "wait Only sums, never single ballots" "keys End g" \
        "wait Have them read aloud"
    all_words
    say "keys g" "wait You promise: I verified this" "keys End g" "wait Type the plan's words"
    type_words
    say "wait Press y to do it" "keys y" "wait as read by the process that holds the token" \
        "keys Enter Enter Enter Enter Enter" "wait Enter goes on" "keys Enter"
    pin "$1"
    say "wait Your part is done" "wait on this board: $2;" "keys Escape" "wait What is your part"
    menu_leave
    carry
}
plan() {
    official
    say "wait There is no decryption plan in the folder yet" "keys a" "wait The plan is made." \
        "wait Partial decryptions on the board: 0; needed: 5." "keys w" "wait Read these words aloud" "keys Escape" \
        "wait Wait for more" "keys Escape" "wait What is your part"
    menu_leave
    carry
}
combine() {
    official
    say "wait Partial decryptions on the board: 5; needed: 5." "keys c" "wait The result is made." \
        "wait Checked and good: 5; needed: 5." "keys r" "wait This result counts only once" "wait 18 ballots" \
        "keys Escape" "wait Partial decryptions on the board" "keys p" "wait Anyone can verify it" "keys v" \
        "wait Trust anchor" "keys Tab" "keys -l \"\$(cat $D/anchor)\"" "keys Enter" "keys Enter" \
        "wait PASS, 0 FAIL, 0 NOT CHECKED" "keys Escape" "wait Trust anchor" "keys Escape" \
        "wait Partial decryptions on the board" "keys Escape" "wait What is your part"
    menu_leave
}

{
    say "# Written by tests/e2e/nine.sh" "size 80x24"
    for i in $(seq $N); do enrol "$i"; done
    say "run tests/screens/words.sh $D/board Roster >$D/words"
    for i in $(seq $N); do sign_and_deal "$i"; done
    fix_board 4
    for i in 9 8 7 6 5 4 3 2 1; do confirm "$i"; done
    for i in $(seq $N); do release "$i"; done
    carry
    say "run bash $D/votes"
    carry
    plan
    say "run tests/screens/words.sh $D/board Decryption $D/at/official/tally/plan.cbor >$D/words"
    say "run $CONCLAVE fingerprint --board $D/board | awk '/^Trust anchor/ {getline; print \$1}' >$D/anchor"
    have=0
    for i in 9 7 5 3 1; do have=$((have + 1)); decrypt "$i" $have; done
    combine
} >"$scr"

# --- the play ---

export OUT SCREENS_WAIT=${SCREENS_WAIT:-60}
mkdir "$D/watch"
tests/screens/confined.sh --watch "$D/watch" &
check "nine appliances: ceremony and decryption night of 5 of 9 by keys only" bash tests/screens/run.sh "$scr"
touch "$D/watch/stop"
wait
[ $failed -eq 0 ] || finish
if [ -e "$D/watch/seen" ]; then
    check "every process of the screens was confined" test ! -s "$D/watch/loose"
    for kind in child guard launcher; do # keeper and token process are too short to be met surely
        check "there was a process of the kind $kind" grep -qx $kind "$D/watch/seen"
    done
fi
for i in $(seq $N); do
    check "appliance $i wrote the same record" cmp "$D/at/$i/board/record.cbor" "$D/at/official/board/record.cbor"
done
check "anyone verifies the bundle with the anchor" "$VERIFY" "$D/at/official/bundle" --election "$(cat "$D/anchor")"
says "the verdict" "^VERDICT: PASS"
sums() {
    "$TALLY" show "$D/at/official/bundle/result.cbor" |
        awk '$3 == "ballots" {at = $1; c = $2; next} at == "nation" {print c, $1}'
}
check "the result is what was voted" diff <(sums | sort -s -k1,1) <(voted | cut -d' ' -f1,3)
finish
