#!/bin/bash
# A whole state's real results: imported, encrypted with range proofs, aggregated, decrypted by 2 of 3 tokens, published
# and verified; the totals must come out exactly as in the file. Needs the data that README.md names; otherwise skipped.
NAME=import
. "$(dirname "$0")/lib.sh"
DATA=${CONCLAVE_DATA:-../shared/data}
CSV=$DATA/medsl-delaware-2024/de24_cleaned.csv
if [ ! -f "$CSV" ]; then
    skip "real results of a state" "no $CSV (set CONCLAVE_DATA)"
    finish
fi
case $OUT in
    *san*) skip "real results of a state" "takes too long under the sanitizers"; finish ;;
esac

check "rehearsal of the whole election" "$CONCLAVE" rehearse --dir "$D/reh" --import "$CSV" --trustees 3 --threshold 2
says "the verifier's verdict" "VERDICT: PASS"

# An independent tabulation by awk: "votes candidate (party)" over the TOTAL rows, for every office and district.
awk -F, 'NR > 1 && $5 == "TOTAL" { if (NF != 24) { print "a comma in a field: this test cannot read it"; exit 1 }
        c = $11; if (c ~ /^"/) { gsub(/^"|"$/, "", c); gsub(/""/, "\"", c) }
        t = $3 == "" ? c : c " (" $3 ")"; s[$2 "|" $12 "|" t] += $6; name[$2 "|" $12 "|" t] = t }
    END { for (k in s) print s[k], name[k] }' "$CSV" | sort >"$D/want"
"$TALLY" show --board "$D/reh/board" "$D/reh/tally/result.cbor" >"$D/result.txt" 2>&1 || bad "show result" "$(cat "$D/result.txt")"
root=$(awk -F, 'NR == 2 { print $1 }' "$D/reh/board/jurisdictions.csv")
awk -v root="$root" '$1 == root && !/^ / { on = 1; next } /^[^ ]/ { on = 0 } on { n = $1; sub(/^ *[0-9]+ /, ""); print n, $0 }' "$D/result.txt" |
    sort >"$D/got"
if [ -s "$D/got" ] && cmp -s "$D/want" "$D/got"; then
    ok "all $(wc -l <"$D/want") totals are exactly those of the file"
else
    bad "totals differ from the file" "$(diff "$D/want" "$D/got" | head -20)"
fi
finish
