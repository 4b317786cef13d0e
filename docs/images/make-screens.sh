#!/bin/bash
# Plays an election of 2 of 3 trustees on the screens, at 80x24, and writes what the terminal showed into
# docs/images/screens/*.txt; then it puts these captures into docs/trustee-guide.md and README.md, below each line
#     <!-- screen NAME -->
# with one empty line where there are many.
# Words, hashes, serial numbers and hours are new each time; everything else stays. Alma Ibarra's steps are keys;
# the other two work with the verbs, as in the tests.
# usage: docs/images/make-screens.sh           after make
#        docs/images/make-screens.sh --fill    only the second part
# GUIDE_DIR: where the election is played; it stands on the screens, so it is the same each time.
cd "$(dirname "$0")/../.." || exit 1
root=$PWD
shots=$root/docs/images/screens

# --- captures into documents ---

fill() { # document
    awk -v dir="$shots" '
        /^<!-- screen [a-z0-9-]+ -->$/ {
            print
            print "```"
            file = dir "/" $3 ".txt"
            while ((getline line < file) > 0) { # of empty lines in a row one
                if (line != "" || last != "" || !some) print line
                last = line
                some = 1
            }
            close(file)
            if (!some) { print "no capture: " $3 >"/dev/stderr"; bad = 1 }
            some = 0
            print "```"
            skip = 1 # an older capture below
            next
        }
        skip == 1 { if ($0 == "```") { skip = 2; next } skip = 0 }
        skip == 2 { if ($0 == "```") skip = 0; next }
        { print }
        END { exit bad }' "$1" >"$1.new" && cat "$1.new" >"$1"
    local status=$?
    rm -f "$1.new"
    return $status
}
fill_all() { fill docs/trustee-guide.md && fill README.md; }
if [ "${1-}" = --fill ]; then
    fill_all
    exit
fi

# --- the election ---

G=${GUIDE_DIR:-/tmp/guide}
if [ -e "$G" ] && [ ! -e "$G/GUIDE" ]; then
    echo "$G is there and was not made by this script" >&2
    exit 1
fi
rm -rf "$G"
mkdir -p "$G/stick" "$shots"
touch "$G/GUIDE"
export NAME=guide-$$
. tests/e2e/lib.sh
rmdir "$D"
D=$G
socket=conclave-guide-$$
t() { tmux -L "$socket" "$@"; }
trap 't kill-server 2>/dev/null; rm -rf "$G"' EXIT
mkdir -p "$G/home"
export HOME=$G/home LANG=C.UTF-8
for i in 1 2 3; do token_make $i; done
election "$D/board" 2 "Municipal election"
sed -i 's/"rehearsal": true/"min_qual": 2, "rehearsal": true/' "$D/board/manifest.json"

# --- a terminal: keys in, captures out ---

screen() { t capture-pane -p -t s | sed 's/ *$//'; }
wait_for() { # text
    local end=$((SECONDS + ${SCREENS_WAIT:-30}))
    until screen | grep -qF -- "$1"; do
        if [ $SECONDS -ge $end ]; then
            echo "not on the screen: $1" >&2
            screen >&2
            exit 1
        fi
        sleep 0.05
    done
}
shot() { # name text: a capture of the page that says so
    wait_for "$2"
    local before=
    until [ "$before" = "$(screen)" ]; do # drawn to its end
        before=$(screen)
        sleep 0.15
    done
    screen >"$shots/$1.txt"
}
keys() { t send-keys -t s "$@"; }
type_in() { t send-keys -t s -l -- "$1"; }
pin() { # page that comes after it
    wait_for "asks for its PIN"
    type_in 471111
    keys Enter
    wait_for "$1"
}
start() { # options of conclave, environment
    t kill-server 2>/dev/null
    socket=$socket+
    t -f /dev/null new-session -d -s s -x 80 -y 24 \
        "cd $G; exec env TERM=screen-256color SOFTHSM2_CONF=$G/tokens/1/softhsm2.conf ${2-} $CONCLAVE --rehearsal ${1-}" \
        \; set -g status off \; set -g escape-time 0 \; set -g remain-on-exit on
}
others_type() { must typing "$line" trustee "$@"; } # trustee verb: with the words that were read aloud
alma="--board $G/board --language en --token pkcs11:token=trustee-1"
home() { # opens the screens as Alma
    start "$alma"
    wait_for "What to do next"
}
ceremony() { # step that is Alma's now
    home
    keys k
    wait_for "Now: $1"
}

# --- start: language, election, home, token ---

start
shot language "Language / Idioma"
keys Enter
shot election "Municipal election, 2026-11-03"
keys End
keys g
shot home "What to do next"
keys '?'
shot help "This program helps"
keys Escape
wait_for "What to do next"
keys t
wait_for "Which of these is yours?"
shot token "trustee-1"
keys p
shot pin "asks for its PIN"
type_in 471110
keys Enter
shot pin-wrong "The token refused the PIN"
keys End
keys g
shot pin-low "A wrong PIN was given before"
type_in 471111
keys Enter
shot probe "This token can do all"
keys End
keys g
wait_for "Which of these is yours?"
keys End
keys g
shot home-token "Token:    trustee-1"

# --- visit 1: enrol, carry ---

keys k
shot enrol "Now: Enrol"
keys n
wait_for "Your name"
type_in "Alma Ibarra"
keys Enter
type_in "Registry"
shot enrol-name "Registry"
mv "$G/tokens/1/store" "$G/tokens/1/away" && mkdir "$G/tokens/1/store"
keys Enter
shot enrol-promise "I will take part with it."
keys End
keys g
shot token-absent "The token is not there. Insert it."
rmdir "$G/tokens/1/store" && mv "$G/tokens/1/away" "$G/tokens/1/store"
pin "Enrolled. Copy"
shot enrolled "1 of 3 trustees have enrolled"
keys Escape
wait_for "What to do next"
keys o
shot tools "Note an exception"
keys m
wait_for "Type the path of a folder"
keys p
wait_for "Path of the folder"
type_in "$G/stick"
keys Enter
shot media "Copy out: put the board"
keys o
wait_for "Copy the board to the medium"
keys End
keys c
shot media-out "Done."
# at the other machine: the two others enrol on the board that came on the stick
mv "$G/board" "$G/board-1"
cp -r "$G"/stick/conclave-* "$G/board"
must trustee 2 enroll --name "Boris Lindqvist" --organisation "University"
must trustee 3 enroll --name "Chidi Okafor" --organisation "Court"
cp -r "$G/board/." "$G"/stick/conclave-*/
rm -rf "$G/board" && mv "$G/board-1" "$G/board"
keys Escape
wait_for "Copy in: take"
keys i
shot media-in "New entries:       2"
keys End
keys c
wait_for "Copied in: 2 entries"

# --- visit 2: roster, deal ---

ceremony "Compare the roster"
shot roster "Now: Compare the roster"
keys n
shot roster-names "These are the people"
keys End
keys g
wait_for "Words of the roster"
keys Space Space
shot roster-words "Words of the roster"
keys x
shot stop "Say it aloud now."
ceremony "Compare the roster"
keys n
wait_for "These are the people"
keys End
keys g
wait_for "Words of the roster"
keys Space Space Space Space Space
keys End
keys g
shot roster-promise "You promise: I compared"
keys End
keys g
wait_for "Type the words as you heard them."
line=$(words Roster "$G/board")
type_in "$(cut -d' ' -f1-6 <<<"$line") "
shot roster-type "6 of 17 words"
keys C-u
type_in "$line"
keys Enter
pin "Roster signed. Now you deal."
for i in 2 3; do others_type $i roster; done
ceremony "Deal"
shot deal "Now: Deal"
keys n
shot deal-promise "bound to this roster for ever"
keys End
keys g
pin "Dealt. Copy"
for i in 2 3; do must trustee $i deal; done

# --- visit 3: open, cut, confirm, record ---

ceremony "Open the shares"
keys n
wait_for "Nothing is signed or written."
keys End
keys g
pin "Every share that is here"
shot shares "Share from seat 3"
keys End
keys g
shot open-done "One trustee now"
keys End
keys c
shot cut "nothing you hold is left"
keys End
keys g
pin "The board is fixed."
wait_for "Now: Confirm"
keys n
shot confirm "these are the dealers and holders"
keys End
keys g
pin "Confirmed: your share"
for i in 2 3; do must trustee $i confirm; done
ceremony "Take the key into the record"
shot record "Now: Take the key"
keys n
wait_for "Words of the key"
keys Space Space Space Space Space
shot key-words "Words of the key"
keys End
keys g
shot complete "Now: The ceremony is complete"
keys w
wait_for "Words of the key"
keys q
shot qr "QR code 1 of"
keys Escape

# --- drill, exception, minutes ---

home
keys d
wait_for "Words of the challenge"
type_in "dice 2 6 6 1 4"
keys Enter
shot drill "Your share is rebuilt"
keys End
keys g
pin "Who has proved"
shot drill-done "PASS"
home
keys o
wait_for "Note an exception"
keys e
wait_for "Nothing was noted so far."
keys n
wait_for "What happened"
type_in "The seal of room 4 was broken at 09:10."
keys Enter
shot exception "Sign this exception?"
keys End
keys s
pin "The exception is signed"
shot exceptions "The exception is signed"
home
keys o
wait_for "Tools"
keys i
shot minutes "The minutes list every step"
keys End
keys s
wait_for "Folder to save them in"
keys C-u
type_in "$G/stick"
keys Enter
wait_for "Saved:"

# --- decryption night ---

vote 1 12
vote 2 9
home
keys n
shot night "What is your part tonight?"
keys o
shot official "There is no decryption plan"
keys a
wait_for "The plan is made."
shot official-plan "partial decryption"
line=$(words Decryption "$G/board" --plan "$G/tally/plan.cbor")
home
keys n
wait_for "What is your part tonight?"
keys t
shot decrypt "This machine verifies every ballot itself"
keys Tab Tab Tab Enter
wait_for "Only sums, never single ballots"
shot plan "What would be decrypted"
keys NPage
shot plan-2 "No precinct is missing."
keys l
shot plan-places "Precinct 2"
keys Escape
wait_for "Compare the plan's words"
keys End
keys g
wait_for "Have them read aloud"
shot plan-words "Have them read aloud"
keys Space Space Space Space Space
keys End
keys g
shot decrypt-promise "You promise: I verified this"
keys End
keys g
wait_for "Type the plan's words"
type_in "$line"
keys Enter
shot decrypt-confirm "Press y to do it"
keys y
wait_for "as read by the process that holds the token"
keys Enter Enter
shot keeper ">  9"
keys Enter Enter Enter
wait_for "Enter goes on"
keys Enter
pin "Your part is done"
shot decrypted "Your part is done"
others_type 3 decrypt --plan "$G/tally/plan.cbor" --exports "$G/exports" --work "$G/three"
home
keys n
wait_for "What is your part tonight?"
keys o
wait_for "That is enough: combine."
keys End
keys c
wait_for "The result is made."
shot official-combined "The result is made."
keys End
keys s
shot supersede "What follows from it"
keys End
keys g
shot supersede-folder "Plan to be replaced"
keys Escape
wait_for "The result is made."
keys r
shot result "This result counts only once"
keys Escape
wait_for "The result is made."
keys p
shot published "Verify the bundle"
keys v
wait_for "Trust anchor"
keys Tab
anchor=$(anchor_words "$G/board")
type_in "$anchor"
keys Enter
keys Enter
shot verified " 0 FAIL, 0 NOT CHECKED"

# --- a plan that is refused: one precinct's export is not there ---

mv "$G/exports/p2.cexp" "$G/p2.away"
home
keys n
wait_for "What is your part tonight?"
keys t
wait_for "This machine verifies every ballot itself"
keys Tab Tab Tab Enter
shot refused "This plan must not be decrypted"

mv "$G/p2.away" "$G/exports/p2.cexp"

# --- a token with one try left (the mock of the tests says so) ---

make -s "$OUT/tests/mock_p11.so" >/dev/null
start "--board $G/board --language en --token 'pkcs11:token=trustee-1?module-path=$root/$OUT/tests/mock_p11.so'" \
    "MOCK_P11_MODULE=$SOFTHSM MOCK_P11_TOKEN=final"
wait_for "trustee-1, serial"
keys d
wait_for "Words of the challenge"
type_in "dice 1 1 3 5 2"
keys Enter
wait_for "Your share is rebuilt"
keys End
keys g
shot token-last "One try is left"

# --- a new token is prepared ---

mkdir -p "$G/new/store"
printf 'directories.tokendir = %s/new/store\nobjectstore.backend = file\nlog.level = ERROR\n' "$G" >"$G/new/softhsm2.conf"
start "--board $G/board --language en" "SOFTHSM2_CONF=$G/new/softhsm2.conf"
wait_for "What to do next"
keys t
shot token-new "nothing on it yet"
keys i
shot prepare "A token is prepared once"
keys End
keys g
wait_for "for example trustee-1"
type_in trustee-4
keys Enter
wait_for "Choose the security officer"
for i in 1 2; do
    type_in 87654321
    keys Enter
done
wait_for "The trustee chooses the PIN"
for i in 1 2; do
    type_in 471144
    keys Enter
done
shot prepare-confirm "To do it, type"
type_in prepare
keys Enter
shot prepared "The token is prepared"

# --- retirement: shown, not done ---

home
keys o
wait_for "Retire"
keys d
shot retire "The token signs that you retire"

# --- another language; line by line ---

start "--board $G/board --language es --token pkcs11:token=trustee-1"
shot es-home "Qué hacer ahora"
keys k
wait_for "Ahora: La ceremonia"
keys w
shot es-words "Palabras de la clave"
start "$alma --lines"
shot lines "Your choice:"
type_in k
keys Enter
wait_for "Show the words"
type_in w
keys Enter
shot lines-words "q: the QR codes"
t kill-server
fill_all
