#!/bin/bash
# An election of 2 of 3 (or 4) trustees for screens: DIR/board, and DIR/tokens/1.. with the PINs 471111, 471122, ...
# The verbs bring it as far as STAGE. PRECINCTS: how many (2); QUORUM: signatures that a plan needs. usage: tests/screens/election.sh DIR [new | enrolled | signed | dealt | released] [3 | 4]
NAME=screens-$$
. "$(dirname "$0")/../e2e/lib.sh"
rmdir "$D"
D=$1
wanted=${2:-new}
N=${3:-3}
names=("" "Alma Ibarra" "Boris Lindqvist" "Chidi Okafor" "Dana Petrova")
for i in $(seq $N); do token_make $i; done
election "$D/board" "${PRECINCTS:-2}" "Municipal election"
sed -i 's/"rehearsal": true/"min_qual": 2, "rehearsal": true/' "$D/board/manifest.json"
[ -z "${QUORUM-}" ] || sed -i "s/\"minimum\": 5/&, \"plan_quorum\": $QUORUM/" "$D/board/manifest.json"
[ "$wanted" = new ] && exit
for i in $(seq $N); do must trustee $i enroll --name "${names[i]}" --organisation "Office $i"; done
[ "$wanted" = enrolled ] && exit
line=$(words Roster "$D/board")
for i in $(seq $N); do typing "$line" trustee $i roster >/dev/null || exit 1; done
[ "$wanted" = signed ] && exit
for i in $(seq $N); do must trustee $i deal; done
[ "$wanted" = dealt ] && exit
must trustee 1 cut
for i in $(seq $N); do must trustee $i confirm; done
must "$CONCLAVE" status --board "$D/board"
