#!/bin/bash
# Every kind of file, damaged in every way, given to every verb that reads it: truncated, empty, oversized, random, one bit
# changed, with something behind its end, a directory or a FIFO in its place, of another election. Wanted: exit 1, the name
# of the file, the name of the error; never a crash, a hang or a changed output.
NAME=badinput
. "$(dirname "$0")/lib.sh"
export ASAN_OPTIONS=${ASAN_OPTIONS:-}:exitcode=99 UBSAN_OPTIONS=${UBSAN_OPTIONS:-}:exitcode=99
ALL="truncated empty oversized random flipped trailing directory fifo"
SEED=${SEED:-$(($(date +%s) % 32768))}
RANDOM=$SEED
echo "SEED=$SEED"

# --- a whole election, and files of another one ---

for i in 1 2 3; do token_make $i; done
election "$D/board" 2
ceremony
vote 1 12
vote 2 8
must "$TALLY" aggregate --board "$D/board" --exports "$D/exports" --work "$D/work"
must "$TALLY" plan --board "$D/board" --work "$D/work"
w=$(words "Decryption plan" "$D/board" --plan "$D/work/plan.cbor")
for i in 1 2; do
    must typing "$w" trustee $i decrypt --plan "$D/work/plan.cbor" --exports "$D/exports" --work "$D/own-$i"
done
must "$TALLY" combine --board "$D/board" --work "$D/work"
must "$TALLY" publish --board "$D/board" --exports "$D/exports" --work "$D/work" --out "$D/bundle"
mine=$D
D=$D/other
mkdir -p "$D"
for i in 1 2 3; do token_make $i; done
election "$D/board" 2 "Another election"
ceremony
vote 1 12
must "$TALLY" aggregate --board "$D/board" --exports "$D/exports" --work "$D/work"
must "$TALLY" plan --board "$D/board" --work "$D/work"
w=$(words "Decryption plan" "$D/board" --plan "$D/work/plan.cbor")
for i in 1 2; do
    must typing "$w" trustee $i decrypt --plan "$D/work/plan.cbor" --exports "$D/exports" --work "$D/own-$i"
done
must "$TALLY" combine --board "$D/board" --work "$D/work"
other=$D
D=$mine

# --- mutants ---

# mutate KIND FILE: FILE is replaced. For KIND a path, the file there takes its place.
mutate() {
    local kind=$1 file=$2 size
    size=$(stat -c %s "$file")
    case $kind in
        truncated) truncate -s $((size * (1 + RANDOM % 99) / 101)) "$file" ;; # never between two of a dozen ballots: that would be a shorter, good file
        empty) : >"$file" ;;
        oversized) truncate -s 600M "$file" ;; # sparse
        random) head -c "$size" /dev/urandom >"$file.new"; mv "$file.new" "$file" ;;
        flipped)
            local at=$(((RANDOM * 32768 + RANDOM) % size)) byte
            byte=$(xxd -s $at -l 1 -p "$file")
            printf "$(printf '\\x%02x' $((0x$byte ^ (1 << RANDOM % 8))))" | dd of="$file" bs=1 seek=$at conv=notrunc status=none ;;
        trailing) printf 'x' >>"$file" ;;
        directory) rm "$file"; mkdir "$file" ;;
        fifo) rm "$file"; mkfifo "$file" ;;
        absent) rm "$file" ;;
        *) cp "$kind" "$file" ;;
    esac
}

outputs() { (cd "$D" && find board work bundle exports -type f -not -path "./${1#"$D/"}" -print0 | sort -z | xargs -0 sha256sum | grep -v " ${1#"$D/"}\$" | sha256sum); }

# hostile MODE FILE KINDS COMMAND...: COMMAND meets FILE damaged in each way.
# What is called scratch is removed before each run.
#   strict: exit 1, names file and error    named: any of exit 0 and 1, but names both
#   error: exit 1, names the error          calm: exit 0 or 1, an error has its name
# A bit changed or another election may show first in another file than the one that is bad: error is enough there.
hostile() {
    local mode=$1 file=$2 kinds=$3 kind status before wrong=0 shown base
    shift 3
    base=$(basename "$file")
    shown="${base:0:40}: $(basename "$1") ${*:2:2}"
    shown=${shown//"$D/"/}
    before=$(outputs "$file")
    cp -p "$file" "$D/saved"
    for kind in $kinds; do
        rm -rf "$file"
        cp -p "$D/saved" "$file"
        mutate "$kind" "$file"
        rm -rf "$D"/scratch*
        output=$(timeout 20 "$@" 2>&1 </dev/null)
        status=$?
        local how=$mode
        case $mode$kind in strictflipped | strict*.*) how=error ;; esac
        if [ $status -gt 1 ]; then
            bad "$shown, $kind: exit $status" "$output"
            wrong=1
        elif { [ $how = strict ] || [ $how = error ]; } && [ $status -ne 1 ]; then
            bad "$shown, $kind: exit 0" "$output"
            wrong=1
        elif { [ $how != calm ] || [ $status -eq 1 ]; } && ! grep -qE '\bERR_[A-Z_]+\b' <<<"$output"; then
            bad "$shown, $kind: no error is named" "$output"
            wrong=1
        elif [ $how != calm ] && [ $how != error ] && ! grep -qE "${name_as:-${base//./\\.}}" <<<"$output"; then
            bad "$shown, $kind: the file is not named" "$output"
            wrong=1
        fi
    done
    rm -rf "$file"
    cp -p "$D/saved" "$file"
    [ "$before" = "$(outputs "$file")" ] || { bad "$shown: other files were changed"; wrong=1; }
    [ $wrong -eq 1 ] || ok "$shown ($(wc -w <<<"$kinds") ways)"
}
name_as=
B=(--board "$D/board")

# --- the election's files ---

m=$D/board/manifest.json
hostile strict "$m" "$ALL absent" "$CONCLAVE" election check "${B[@]}"
hostile strict "$m" "$ALL absent" "$CONCLAVE" status "${B[@]}"
hostile strict "$m" "$ALL absent" "$TALLY" precinct status "${B[@]}" --place p1 --journal "$D/precincts/p1/journal"
hostile strict "$m" "$ALL absent" "$TALLY" aggregate "${B[@]}" --exports "$D/exports" --work "$D/scratch"
hostile strict "$m" "$ALL absent" "$TALLY" publish "${B[@]}" --exports "$D/exports" --work "$D/work" --out "$D/scratch-bundle"
hostile calm "$m" "$other/board/manifest.json" "$CONCLAVE" status "${B[@]}"
c=$D/board/jurisdictions.csv
hostile strict "$c" "$ALL absent $other/board/jurisdictions.csv" "$CONCLAVE" election check "${B[@]}"
hostile strict "$c" "$ALL absent" "$TALLY" combine "${B[@]}" --work "$D/work"
r=$D/board/record.cbor
hostile strict "$r" "$ALL $other/board/record.cbor" "$CONCLAVE" status "${B[@]}"
# A bit changed in a name shows only against the entries, which a precinct need not have.
hostile strict "$r" "truncated empty oversized random trailing directory fifo absent $other/board/record.cbor" "$TALLY" precinct open "${B[@]}" --place p1 --journal "$D/scratch-journal"
hostile strict "$r" "truncated empty oversized random trailing directory fifo absent $other/board/record.cbor" "$TALLY" aggregate "${B[@]}" --exports "$D/exports" --work "$D/scratch"
hostile strict "$r" "$ALL absent $other/board/record.cbor" "$TALLY" combine "${B[@]}" --work "$D/work"
decrypt=(env "$(token_env 1)" "$CONCLAVE" decrypt "${B[@]}" --token "$(token_uri 1)" --exports "$D/exports" --plan)
hostile strict "$r" "$ALL absent $other/board/record.cbor" "${decrypt[@]}" "$D/work/plan.cbor" --work "$D/own-1"

# --- entries of the board ---

theirs() { ls "$other"/board/entries/$1.* | head -1; }
for kind in enroll roster deal cut confirm plan partial; do
    e=$(ls "$D"/board/entries/$kind.* | head -1)
    hostile named "$e" "$ALL $(theirs $kind)" "$CONCLAVE" status "${B[@]}"
done
e=$(ls "$D"/board/entries/partial.* | head -1)
hostile named "$e" "$ALL $(theirs partial)" "$TALLY" combine "${B[@]}" --work "$D/work"
e=$(ls "$D"/board/entries/deal.* | head -1)
hostile calm "$e" "$ALL absent" env "$(token_env 1)" "$CONCLAVE" confirm "${B[@]}" --token "$(token_uri 1)"
hostile strict "$e" "truncated empty random flipped" "$TALLY" show "${B[@]}" "$e"
# A board to merge from.
rm -rf "$D/from"
cp -r "$D/board" "$D/from"
cp -r "$D/board" "$D/into"
rm "$D/into/record.cbor"
for kind in enroll deal partial; do
    e=$(ls "$D"/from/entries/$kind.* | head -1)
    rm -f "$D"/into/entries/* "$D"/into/detached/*
    hostile named "$e" "$ALL $(theirs $kind)" "$CONCLAVE" merge --board "$D/into" "$D/from"
    [ ! -e "$D/into/entries/$(basename "$e")" ] && ok "the bad $kind was not taken" || bad "a bad $kind was taken"
done
e=$(ls "$D"/from/detached/* | head -1)
hostile calm "$e" "$ALL" "$CONCLAVE" merge --board "$D/into" "$D/from"
fails "merge from nowhere" 1 'ERR_' "$CONCLAVE" merge --board "$D/into" "$D/nowhere"
fails "merge from a file" 1 'ERR_' "$CONCLAVE" merge --board "$D/into" "$D/board/manifest.json"
fails "a board that is a file" 1 'ERR_' "$CONCLAVE" status --board "$D/board/manifest.json"
# Ciphertexts: those this seat needs are missed and named, others are not read.
missed=0
for e in "$D"/board/detached/*; do
    mv "$e" "$D/saved-detached"
    for kind in nothing truncated random directory; do
        rm -rf "$e"
        [ $kind = nothing ] || { cp "$D/saved-detached" "$e"; mutate $kind "$e"; }
        output=$(trustee 1 drill --challenge "$(basename "$e") $kind" 2>&1 </dev/null)
        status=$?
        [ $status -le 1 ] || bad "detached $kind: exit $status" "$output"
        [ $status -eq 0 ] || { missed=$((missed + 1)); grep -q 'ERR_' <<<"$output" || bad "detached $kind: no error named" "$output"; }
    done
    rm -rf "$e"
    mv "$D/saved-detached" "$e"
done
[ $missed -ge 12 ] && ok "damaged ciphertexts are named ($missed)" || bad "damaged ciphertexts: only $missed refusals"
rm -f "$D"/board/entries/drill.*

# --- ballots, journals, exports ---

p1=("${B[@]}" --place p1 --journal "$D/j1")
must "$TALLY" precinct open "${p1[@]}"
b=$D/precincts/p1/ballots
hostile strict "$b" "truncated oversized random flipped trailing directory fifo absent $other/precincts/p1/ballots $D/precincts/p2/ballots $m" "$TALLY" precinct cast "${p1[@]}" "$b"
hostile calm "$b" "$ALL" "$TALLY" show "$b"
output=$("$TALLY" precinct status "${p1[@]}" 2>&1)
echo "        $(grep ballots <<<"$output") were good in the damaged files"
j=$D/j1
must "$TALLY" precinct cast "${p1[@]}" "$b"
for kind in random directory fifo empty truncated; do
    rm -rf "$D"/j2*
    cp "$j" "$D/j2"
    mutate $kind "$D/j2"
    output=$(timeout 30 "$TALLY" precinct status "${B[@]}" --place p1 --journal "$D/j2" 2>&1)
    status=$?
    if [ $status -eq 1 ] && grep -q 'j2.*ERR_' <<<"$output"; then ok "journal $kind"; else bad "journal $kind: exit $status" "$output"; fi
done
fails "journal of another place" 1 'ERR_' "$TALLY" precinct status "${B[@]}" --place p2 --journal "$j"
fails "journal of another election" 1 'ERR_' "$TALLY" precinct status "${B[@]}" --place p1 --journal "$other/precincts/p1/journal"
x=$D/exports/p1.cexp
hostile named "$x" "$ALL $other/exports/p1.cexp $m" "$TALLY" aggregate "${B[@]}" --exports "$D/exports" --work "$D/scratch"
hostile calm "$x" "absent $D/exports/p2.cexp" "$TALLY" aggregate "${B[@]}" --exports "$D/exports" --work "$D/scratch"
hostile named "$x" "$ALL $other/exports/p1.cexp" "${decrypt[@]}" "$D/work/plan.cbor" --work "$D/scratch"
hostile calm "$x" "absent" "${decrypt[@]}" "$D/work/plan.cbor" --work "$D/scratch"
name_as="exports|p1"
hostile strict "$x" "$ALL absent" "$TALLY" publish "${B[@]}" --exports "$D/exports" --work "$D/work" --out "$D/scratch-bundle"
name_as=
hostile calm "$x" "$ALL" "$TALLY" show "${B[@]}" "$x"
fails "exports that are a file" 1 'ERR_' "$TALLY" aggregate "${B[@]}" --exports "$m" --work "$D/scratch"
fails "exports that are not there" 1 'nowhere.*ERR_' "$TALLY" aggregate "${B[@]}" --exports "$D/nowhere" --work "$D/scratch"
fails "a working directory that is a file" 1 'ERR_' "$TALLY" aggregate "${B[@]}" --exports "$D/exports" --work "$m"
k=$D/keys/p1
close=("$TALLY" precinct close "${p1[@]}" --key "$k" --no-passphrase --export "$D/scratch-export")
hostile strict "$k" "$ALL absent" "${close[@]}"
hostile strict "$k" "truncated empty oversized random trailing directory fifo absent" "$TALLY" key show "$k"
hostile calm "$k" "$D/keys/p2" "${close[@]}"

# --- records, plan, result ---

n=$D/work/records/nation/nation.cbor
[ -e "$n" ] || n=$(find "$D/work/records" -type f | sort | head -1)
hostile strict "$n" "$ALL absent $other/work/records/nation/nation.cbor" "$TALLY" plan "${B[@]}" --work "$D/work" --out "$D/scratch-plan"
hostile strict "$n" "$ALL absent" "$TALLY" publish "${B[@]}" --exports "$D/exports" --work "$D/work" --out "$D/scratch-bundle"
p=$D/work/plan.cbor
hostile strict "$p" "$ALL absent $other/work/plan.cbor" "${decrypt[@]}" "$p" --work "$D/own-1"
hostile strict "$p" "$ALL absent $other/work/plan.cbor" "$TALLY" combine "${B[@]}" --work "$D/work" --out "$D/scratch-result"
hostile strict "$p" "$ALL absent $other/work/plan.cbor" "$TALLY" publish "${B[@]}" --exports "$D/exports" --work "$D/work" \
    --out "$D/scratch-bundle"
hostile strict "$p" "truncated empty oversized random trailing directory fifo absent $other/work/plan.cbor" "$CONCLAVE" \
    fingerprint "${B[@]}" --plan "$p"
hostile strict "$p" "$ALL" "$TALLY" plan "${B[@]}" --work "$D/work" # never overwritten
s=$D/work/result.cbor
hostile strict "$s" "$ALL $other/work/result.cbor" "$TALLY" combine "${B[@]}" --work "$D/work" # never overwritten
hostile strict "$s" "$ALL absent $other/work/result.cbor" "$TALLY" publish "${B[@]}" --exports "$D/exports" --work "$D/work" \
    --out "$D/scratch-bundle"

# --- outputs that are there ---

for o in file directory; do
    rm -rf "$D/there"
    [ $o = file ] && echo keep >"$D/there" || { mkdir "$D/there"; echo keep >"$D/there/keep"; }
    fails "key new over a $o" 1 'there.*ERR_' "$TALLY" key new --out "$D/there" --no-passphrase
    fails "ballot make over a $o" 1 'there.*ERR_' "$TALLY" ballot make "${B[@]}" --place p1 --random 1 --seed 1 --out "$D/there"
    fails "close over a $o" 1 'there.*ERR_' "${close[@]/scratch-export/there}"
    fails "plan over a $o" 1 'there.*ERR_' "$TALLY" plan "${B[@]}" --work "$D/work" --out "$D/there"
    fails "combine over a $o" 1 'there.*ERR_' "$TALLY" combine "${B[@]}" --work "$D/work" --out "$D/there"
    fails "publish over a $o" 1 'there.*ERR_' "$TALLY" publish "${B[@]}" --exports "$D/exports" --work "$D/work" --out "$D/there"
    fails "rehearse over a $o" 1 'there.*ERR_|ERR_.*there' "$CONCLAVE" rehearse --dir "$D/there" --precincts 1 --ballots 5
    [ "$(cat "$D/there" "$D/there/keep" 2>/dev/null)" = keep ] && ok "the $o is as it was" || bad "the $o was changed"
done

# --- everything shown ---

for f in $m $c $r $p $s $n $k "$(ls "$D"/board/entries/deal.* | head -1)" "$(ls "$D"/board/detached/* | head -1)" \
    "$D/bundle/index.html" "$D/bundle/SHA256SUMS"; do
    hostile calm "$f" "$ALL" "$CONCLAVE" show "$f"
done
fails "show what is not there" 1 'nowhere.*ERR_MISSING' "$CONCLAVE" show "$D/nowhere"

# --- texts and pictures of QR codes ---

mapfile -t parts < <("$CONCLAVE" fingerprint "${B[@]}" --qr 2>/dev/null | grep -oE 'CONCLAVE1:.*' | tr -d '\r')
[ ${#parts[@]} -gt 0 ] && ok "${#parts[@]} QR text(s)" || bad "no QR text"
t=${parts[0]:-CONCLAVE1:none}
programs=("$TALLY show" "$CONCLAVE show")
[ ! -x "$VERIFY" ] || programs+=("$VERIFY")
for program in "${programs[@]}"; do
    short=$(basename "${program%% *}")
    for bad in "${t:0:${#t}/2}" "${t:0:12}" "${t}X" "${t:0:20}?${t:21}" "${t/%?/%}" "CONCLAVE1:" "$(printf 'CONCLAVE1:%040000d' 7)"; do
        output=$(timeout 20 $program "$bad" 2>&1 </dev/null)
        status=$?
        [ $status -ge 1 ] && [ $status -le 3 ] && grep -qE 'ERR_|FAIL' <<<"$output" && continue
        bad "$short, QR text ${bad:0:30}...: exit $status" "$output"
    done
    ok "$short refuses bad QR texts"
done
for magic in '\x89PNG\r\n\x1a\n\0\0\0\rIHDR\x7f\xff\xff\xff\x7f\xff\xff\xff\x08\x06\0\0\0' '\xff\xd8\xff\xe0\0\x10JFIF' 'P5 999999999 999999999 255\n' 'P6\n'; do
    { printf "$magic"; head -c 3000 /dev/urandom; } >"$D/picture"
    hostile calm "$D/picture" "flipped truncated" "$CONCLAVE" show "$D/picture"
    fails "a picture that is none" 1 'picture.*ERR_' "$CONCLAVE" show "$D/picture"
done

# --- the bundle, for the verifier ---

if [ -x "$VERIFY" ]; then
    for f in manifest.json record.cbor plan.cbor result.cbor index.html SHA256SUMS exports/p1.cexp; do
        hostile_kinds="truncated empty random directory fifo absent"
        cp -p "$D/bundle/$f" "$D/saved"
        wrong=0
        for kind in $hostile_kinds; do
            rm -rf "$D/bundle/$f"
            cp -p "$D/saved" "$D/bundle/$f"
            mutate $kind "$D/bundle/$f"
            output=$(timeout 60 "$VERIFY" "$D/bundle" 2>&1 </dev/null)
            status=$?
            { [ $status -eq 1 ] && grep -qE 'FAIL|ERR_' <<<"$output"; } ||
                { bad "conclave-verify, $f $kind: exit $status" "$(tail -5 <<<"$output")"; wrong=1; }
        done
        rm -rf "$D/bundle/$f"
        cp -p "$D/saved" "$D/bundle/$f"
        [ $wrong -eq 1 ] || ok "conclave-verify: $f ($(wc -w <<<"$hostile_kinds") ways)"
    done
else
    skip "conclave-verify" "not built"
fi

# --- results to import ---

medsl=$D/results.csv
cat >"$medsl" <<'END'
END
fails "import of an empty file" 1 'results.csv.*ERR_' "$TALLY" import prepare --out "$D/scratch-import" --key "$k" "$medsl"
head -c 20000 /dev/urandom >"$medsl"
fails "import of noise" 1 'results.csv.*ERR_' "$TALLY" import prepare --out "$D/scratch-import" --key "$k" "$medsl"
rm "$medsl"
mkfifo "$medsl"
fails "import of a FIFO" 1 'results.csv.*ERR_' timeout 20 "$TALLY" import prepare --out "$D/scratch-import" --key "$k" "$medsl"
fails "import of a directory" 1 'ERR_' "$TALLY" import prepare --out "$D/scratch-import" --key "$k" "$D/keys"

# --- and all is well after it ---

check "the board is as good as before" "$CONCLAVE" status "${B[@]}"
grep -q 'left out' <<<"$output" && bad "entries are left out" "$output"
check "the result is as before" "$TALLY" combine "${B[@]}" --work "$D/work"
finish
