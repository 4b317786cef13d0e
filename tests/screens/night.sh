#!/bin/bash
# An election of 2 of 3 trustees at the evening of the vote: DIR/board, exports, tokens/trustee-N. No plan yet.
# Bundle and trust anchor of the same election after that evening are in DIR/published, DIR/anchor; the words of its
# plan in DIR/words, those of the anchor in DIR/anchor-es.
# usage: tests/screens/night.sh DIR
set -eu
conclave=${OUT:-build}/conclave
"$conclave" rehearse --dir "$1" --trustees 3 --threshold 2 --precincts 2 --ballots 6 >/dev/null
cd "$1"
mv bundle published
rm -rf tally board/entries/plan.* board/entries/partial.* tokens/*/verified
