#!/bin/bash
# Plays a rehearsal and draws what the terminal showed: docs/images/run.svg, the picture in the README.
# Long parts that say nothing in a picture (the token probe, the QR code, repeated words) are cut; every cut shows as ⋮.
# usage: docs/images/make-run.sh            from the root, after make; the rehearsal goes to a temporary directory
#        docs/images/make-run.sh LOG        of a terminal recorded before, such as  make rehearsal | tee LOG
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
temp=$(mktemp -d)
trap 'rm -rf "$temp"' EXIT
if [ $# -ge 1 ]; then
    cp "$1" "$temp/all"
else
    "$root/build/conclave" rehearse --dir "$temp/rehearsal" --precincts 24 --ballots 25 --seed 1 >"$temp/all"
fi

# Escape sequences out, the temporary directory shown as the one that make rehearsal uses.
sed -e 's/\x1b\[[0-9;]*[A-Za-z]//g' -e "s#$temp/rehearsal#build/rehearsal#g" \
    -e "s/\(--election [0-9a-f]\{16\}\)[0-9a-f]\{48\}/\1…/" "$temp/all" >"$temp/plain"

{
    echo '$ make rehearsal'
    awk '
        function cut() { if (!hidden) print "    ⋮"; hidden = 1 }
        /the first token is probed/      { print; part = "probe"; hidden = 0; next }
        part == "probe"                  { if (/this token can do/) { part = ""; print } else cut(); next }
        /^Election$/                     { part = "words" }
        part == "words" && /^\[/         { part = "" }
        part == "words"                  { cut(); next }
        /publishing the bundle/          { print; part = "words"; hidden = 0; next }
        /^warning/                       { if (!warned++) { hidden = 0; cut() } next }
        { hidden = 0; print }' "$temp/plain"
} | LC_ALL=C awk -v title="conclave: a whole election with nine tokens" -f "$here/terminal-svg.awk" >"$temp/run.svg"
mv "$temp/run.svg" "$here/run.svg"
echo "$here/run.svg"
