#!/bin/bash
# An election of 2 of 3 trustees for screens: DIR/board, and DIR/tokens/1..3 with the PINs 471111, 471122, 471133.
# usage: tests/screens/election.sh DIR
NAME=screens-$$
. "$(dirname "$0")/../e2e/lib.sh"
rmdir "$D"
D=$1
for i in 1 2 3; do token_make $i; done
election "$D/board" 2 "Municipal election"
