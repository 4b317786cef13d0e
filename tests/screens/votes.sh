#!/bin/bash
# A precinct of an election of election.sh votes: DIR/exports/pP.cexp. usage: tests/screens/votes.sh DIR P COUNT
NAME=screens-votes-$$
. "$(dirname "$0")/../e2e/lib.sh"
rmdir "$D"
D=$1
vote "$2" "$3"
