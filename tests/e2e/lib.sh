# Shared by tests/e2e/*.sh: an election of 2 of 3 trustees, their tokens, and checks that are counted.
# Sourced with the script's name in NAME. OUT: build directory (default build).
set -u
cd "$(dirname "${BASH_SOURCE[0]}")/../.." || exit 1
OUT=${OUT:-build}
D=$PWD/$OUT/tests/e2e/$NAME
CONCLAVE=$PWD/$OUT/conclave
TALLY=$PWD/$OUT/conclave-tally
VERIFY=$PWD/$OUT/conclave-verify
SOFTHSM=$(ls /usr/lib*/softhsm/libsofthsm2.so /usr/lib*/*/softhsm/libsofthsm2.so 2>/dev/null | head -1)
NSS=$(ls /usr/lib*/*/libsoftokn3.so /usr/lib*/*/nss/libsoftokn3.so 2>/dev/null | head -1)
passed=0 failed=0 skipped=0
N=3 T=2
export LC_ALL=C.UTF-8

rm -rf "$D"
mkdir -p "$D"

ok() { passed=$((passed + 1)); printf 'ok      %s\n' "$1"; }
bad() { failed=$((failed + 1)); printf 'FAILED  %s\n' "$1"; [ -z "${2:-}" ] || sed 's/^/        /' <<<"$2" | tail -30; }
skip() { skipped=$((skipped + 1)); printf 'SKIPPED %s: %s\n' "$1" "$2"; }
finish() {
    if [ $skipped -gt 0 ]; then
        printf '%d passed, %d failed, %d skipped\n' $passed $failed $skipped
    else
        printf '%d passed, %d failed\n' $passed $failed
    fi
    [ $failed -eq 0 ]
    exit
}

# check TEXT COMMAND...: it must succeed. What it prints is in $output.
check() {
    local text=$1
    shift
    output=$("$@" 2>&1 </dev/null)
    local status=$?
    if [ $status -eq 0 ]; then ok "$text"; else bad "$text (exit $status)" "$output"; fi
    return $status
}

# must COMMAND...: preparation; the script ends if it fails.
must() {
    output=$("$@" 2>&1 </dev/null) && return
    bad "preparation: $*" "$output"
    finish
}

# fails TEXT STATUS PATTERN COMMAND...: it must end with STATUS and say PATTERN.
fails() {
    local text=$1 want=$2 pattern=$3
    shift 3
    output=$("$@" 2>&1 </dev/null)
    local status=$?
    if [ $status -ne "$want" ]; then
        bad "$text: exit $status instead of $want" "$output"
    elif ! grep -qE -- "$pattern" <<<"$output"; then
        bad "$text: does not say $pattern" "$output"
    else
        ok "$text"
    fi
}

# says TEXT PATTERN: $output of the last check holds it.
says() {
    if grep -qE -- "$2" <<<"$output"; then ok "$1"; else bad "$1: does not say $2" "$output"; fi
}

# --- tokens: SoftHSM2, each in a store of its own ---

token_conf() { printf '%s/tokens/%s/softhsm2.conf' "$D" "$1"; }

token_make() { # I [PIN]
    local t=$D/tokens/$1
    mkdir -p "$t/store"
    printf 'directories.tokendir = %s/store\nobjectstore.backend = file\nlog.level = ERROR\n' "$t" >"$t/softhsm2.conf"
    (umask 077; printf '%s\n' "${2:-4711$1$1}" >"$t/pin"; printf '87654321\n' >"$t/so-pin")
    must env SOFTHSM2_CONF="$t/softhsm2.conf" "$CONCLAVE" token init --token "pkcs11:?module-path=$SOFTHSM" \
        --label "trustee-$1" --so-pin-file "$t/so-pin" --pin-file "$t/pin"
}

# A script may define token_uri and token_env anew for other modules.
token_uri() { printf 'pkcs11:token=trustee-%s?module-path=%s&pin-source=file:%s/tokens/%s/pin' "$1" "$SOFTHSM" "$D" "$1"; }
token_env() { printf 'SOFTHSM2_CONF=%s' "$(token_conf "$1")"; }

# The board of trustee I. One for all unless a script says otherwise.
board_of() { printf '%s/board' "$D"; }

# trustee I VERB...: one conclave process of trustee I, with its own token and board.
trustee() {
    local i=$1
    shift
    env "$(token_env "$i")" "$CONCLAVE" "$@" --board "$(board_of "$i")" --token "$(token_uri "$i")"
}

# typing TEXT COMMAND...: with TEXT on standard input.
typing() {
    local text=$1
    shift
    "$@" <<<"$text"
}

# words TITLE BOARD [OPTION...]: the words of a fingerprint whose title begins so.
words() {
    local title=$1 board=$2
    shift 2
    "$CONCLAVE" fingerprint --board "$board" "$@" 2>/dev/null |
        awk -v t="$title" 'index($0, t) == 1 {on = 1; next} /^[A-Z]/ {on = 0}
            on && !/^  [0-9a-f]{64}$/ {for (i = 2; i <= NF; i += 2) printf "%s ", $i}'
}

# The trust anchor of a board, in words and in hexadecimal.
anchor_words() { words "Trust anchor" "$1"; }
anchor_hex() { "$CONCLAVE" fingerprint --board "$1" | awk '/^Trust anchor/ {getline; print $1}'; }

# --- an election ---

# election BOARD PRECINCTS [TITLE]: manifest and jurisdictions; keys of the precincts in D/keys.
election() {
    local board=$1 count=$2 title=${3:-End to end} p key sum
    mkdir -p "$board" "$D/keys"
    {
        printf 'place,level,parent,title,styles,group,key\nnation,nation,,The nation,,,\n'
        for p in $(seq 1 "$count"); do
            [ -e "$D/keys/p$p" ] || "$TALLY" key new --out "$D/keys/p$p" --no-passphrase >/dev/null
            key=$("$TALLY" key show "$D/keys/p$p")
            printf 'p%d,precinct,nation,Precinct %d,all,,%s\n' "$p" "$p" "$key"
        done
    } >"$board/jurisdictions.csv"
    sum=$(sha256sum "$board/jurisdictions.csv" | cut -c1-64)
    cat >"$board/manifest.json" <<END
{
  "conclave": 1, "scheme": "p256-elgamal", "kind": "ballots",
  "title": "$title", "date": "2026-11-03",
  "trustees": {"n": $N, "t": $T, "rehearsal": true},
  "levels": ["nation", "precinct"],
  "jurisdictions": {"file": "jurisdictions.csv", "sha256": "$sum"},
  "contests": [
    {"id": "mayor", "title": "Mayor", "limit": 1, "options": [
      {"id": "ann", "title": "Ann"}, {"id": "bob", "title": "Bob"}]},
    {"id": "board", "title": "Board", "limit": 2, "options": [
      {"id": "x", "title": "X"}, {"id": "y", "title": "Y"}, {"id": "z", "title": "Z"}]}],
  "styles": [{"id": "all", "contests": ["mayor", "board"]}],
  "decryption": {"levels": ["nation", "precinct"], "minimum": 5},
  "duplicate_ballots": "first"
}
END
}

everyone() { # VERB...
    local i
    for i in $(seq 1 $N); do must trustee "$i" "$@" || return 1; done
}

# The whole key ceremony over one board, nothing checked but success.
ceremony() {
    local i w
    for i in $(seq 1 $N); do must trustee "$i" enroll --name "Trustee $i" --organisation "Organisation $i"; done
    w=$(words Roster "$D/board")
    for i in $(seq 1 $N); do must typing "$w" trustee "$i" roster; done
    everyone deal
    everyone complain
    must trustee 1 cut
    everyone confirm
    must "$CONCLAVE" status --board "$D/board"
}

# vote P COUNT: precinct P opens, takes COUNT made-up ballots, closes and exports into D/exports.
vote() {
    local p=$1 dir=$D/precincts/p$1
    mkdir -p "$dir" "$D/exports"
    local common=(--board "$D/board" --place "p$p")
    must "$TALLY" precinct open "${common[@]}" --journal "$dir/journal"
    must "$TALLY" ballot make "${common[@]}" --random "$2" --seed "$p" --out "$dir/ballots"
    printf '%s\n' "$output" >"$dir/totals"
    must "$TALLY" precinct cast "${common[@]}" --journal "$dir/journal" "$dir/ballots"
    printf '%s\n' "$output" >"$dir/cast"
    must "$TALLY" precinct close "${common[@]}" --journal "$dir/journal" --key "$D/keys/p$p" --no-passphrase \
        --export "$D/exports/p$p.cexp"
}

# Sums "total CONTEST OPTION COUNT" lines of all precincts.
voted() { cat "$D"/precincts/*/totals | awk '$1 == "total" {n[$2 " " $3] += $4} END {for (k in n) print k, n[k]}' | sort; }
