#!/bin/bash
# The words of a fingerprint as they are read aloud.
# usage: tests/screens/words.sh BOARD TITLE [PLAN]    (Roster, Key, Election, Decryption)
"${OUT:-build}/conclave" fingerprint --board "$1" ${3:+--plan "$3"} 2>/dev/null |
    awk -v t="$2" 'index($0, t) == 1 {on = 1; next} /^[A-Z]/ {on = 0}
        on && !/^  [0-9a-f]{64}$/ {for (i = 2; i <= NF; i += 2) printf "%s ", $i}'
