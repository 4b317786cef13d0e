#!/bin/bash
# The arrows between rooms (docs/architecture.md): a room includes only rooms below it.
set -u
bad=0 checked=0
allowed() {
    case $1 in
        ceremony/base) echo "ceremony/base" ;;
        ceremony/math) echo "ceremony/base ceremony/math" ;;
        ceremony) echo "ceremony/base ceremony/math ceremony" ;;
        hsm) echo "ceremony/base ceremony hsm" ;;
        ui) echo "ceremony/base ui" ;;
        tally) echo "ceremony/base ceremony/math ceremony ui tally" ;;
        appliance) echo "ceremony/base ceremony/math ceremony hsm tally ui appliance" ;;
    esac
}
for room in ceremony/base ceremony/math ceremony hsm ui tally appliance; do
    for f in "$room"/*.[ch]; do
        while read -r inc; do
            checked=$((checked + 1))
            to=$(dirname "$inc")
            case " $(allowed $room) " in
                *" $to "*) ;;
                *) echo "$f includes $inc: $room may not use $to"; bad=$((bad + 1)) ;;
            esac
        done < <(sed -n 's/^#include "\(.*\)"$/\1/p' "$f")
    done
done
# Of the ceremony, hsm sees the keystore interface and nothing else.
while read -r f inc; do
    echo "$f includes $inc: hsm may use only ceremony/keystore.h of the ceremony"; bad=$((bad + 1))
done < <(grep -H '^#include "ceremony/[a-z_]*\.h"' hsm/*.[ch] | sed 's/:#include "/ /; s/"//' | grep -v ' ceremony/keystore.h$')
# Only mains, verbs and ui print; ncurses is for ui and appliance alone.
while read -r line; do
    echo "prints: $line"; bad=$((bad + 1))
done < <(grep -nE '(^|[^a-z_])((printf|puts|putchar|perror)\(|fprintf\((stdout|stderr))' ceremony/*.c ceremony/*/*.c hsm/*.c tally/*.c | grep -vE '^tally/(main|verify_main|verb_[a-z_]*|verify_[a-z_]*)\.c:')
while read -r line; do
    echo "ncurses outside ui and appliance: $line"; bad=$((bad + 1))
done < <(grep -nE '#include <n?curses' ceremony/*.[ch] ceremony/*/*.[ch] hsm/*.[ch] tally/*.[ch])
echo "rooms: $checked includes"
echo "$((bad == 0)) passed, $bad failed"
[ $bad -eq 0 ]
