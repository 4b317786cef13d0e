#!/bin/bash
# Plays a rehearsal and draws what the terminal showed: docs/images/run.svg, the picture in the README.
# Long parts that say nothing in a picture (the token probe, the QR code, most checks) are cut; every cut shows as ⋮.
# usage: docs/images/make-run.sh            after make; the rehearsal goes to a temporary directory
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

# Escape sequences out, the temporary directory shown as the one that make rehearsal uses, the anchor shortened.
sed -e 's/\x1b\[[0-9;]*[A-Za-z]//g' -e 's#[^ ]*/\(bundle\|anchor\)\([ ,:]\|$\)#build/rehearsal/\1\2#g' \
    -e "s/\(--election [0-9a-f]\{16\}\)[0-9a-f]\{48\}/\1…/" "$temp/all" >"$temp/plain"

cat >"$temp/cut.awk" <<'EOF'
function cut() { if (!hidden) print "    ⋮"; hidden = 1 }
function show() { hidden = 0; print }
/the first token is probed/   { show(); part = "probe"; next }
part == "probe"               { if (/this token can do/) { part = ""; show() } else cut(); next }
/^warning/ || /^plan hex/     { cut(); next }
/^Election$/                  { part = "words" }
part == "words" && /^\[/      { part = "" }
part == "words"               { cut(); next }
/anyone verifies/             { show(); part = "checks"; checks = 0; next }
part == "checks" && /^VERDICT/ { sub(/\. .*/, "."); show(); part = "end"; next }
part == "checks"              { if (/^check |^──|PASS/ && ++checks <= 7) show(); else cut(); next }
part == "end" && !/^\[/       { next }
                              { show() }
EOF
{
    echo '$ make rehearsal'
    LC_ALL=C awk -f "$temp/cut.awk" "$temp/plain"
} | LC_ALL=C awk -v title="conclave: a whole election with nine tokens" -f "$here/terminal-svg.awk" >"$temp/run.svg"
mv "$temp/run.svg" "$here/run.svg"
chmod 644 "$here/run.svg"
echo "$here/run.svg"
