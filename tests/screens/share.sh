#!/bin/bash
# The file of the share that one trustee sealed to another. usage: tests/screens/share.sh BOARD DEALER RECIPIENT  (names)
conclave=${OUT:-build}/conclave seat=0
for e in $(for f in "$1"/entries/enroll.*; do echo "$(cut -d. -f3 <<<"${f##*/}") $f"; done | sort | cut -d' ' -f2); do
    seat=$((seat + 1))
    says=$("$conclave" show "$e")
    case $says in *"$2"*) kid=$(cut -d. -f2 <<<"${e##*/}") ;; esac
    case $says in *"$3"*) to=$seat ;; esac
done
# the second list of a deal: hashes of the shares, in the order of the seats
hash=$("$conclave" show "$1"/entries/deal."$kid".* | awk '/^  \[/ {list++; next} list == 2' | sed -n "${to}s/[^0-9a-f]*h'\([0-9a-f]*\)'.*/\1/p")
ls "$1"/detached/"$hash"*
