#!/bin/bash
# Every page of the appliance must have been on a screen of 80x24 and on one of another size while the scripts were
# played. usage: tests/screens/coverage.sh [-t] SEEN     SEEN: lines "WIDTHxHEIGHT<tab>first line of the screen"
# -t prints the table of pages and sizes.
set -u
cd "$(dirname "$0")/../.." || exit 2
export LC_ALL=C.UTF-8
table=0
if [ "${1-}" = -t ]; then table=1; shift; fi
# Pages of work that is over before a script could wait for it; the bar itself is tests/screens/engine/job.scr.
passing='MSG_CHECKS_RUNNING MSG_DECRYPT_VERIFYING MSG_OFFICIAL_AGGREGATING MSG_OFFICIAL_PUBLISHING MSG_OFFICIAL_COMBINE
MSG_SUPERSEDE_WORKING'
# A self-test that fails cannot be brought about from outside; a camera is not there.
passing="$passing MSG_HOME_SELFTEST MSG_QR_CAMERA_TITLE"
# Titles stand where a page is made, and where a page is asked for by a function that makes it.
titles=$(cat appliance/*.c | tr '\n' ' ' |
    grep -oE '(page_new|ui_show|ui_ask|step_summary|step_type_words|face_pick|face_compare|face_ask_text)\([^;]*' |
    grep -oE '^(page_new|ui_show|ui_ask|step_summary|step_type_words|face_pick)\([^,]+, *MSG_[A-Z0-9_]+|^face_compare\([^,]+, *[^,]+, *MSG_[A-Z0-9_]+|^face_ask_text\([^"]*MSG_[A-Z0-9_]+, *MSG_' |
    sed 's/, *MSG_$//' | grep -oE 'MSG_[A-Z0-9_]+$' | sort -u)
text() { sed -n "s/^M($1, \"\(.*\)\")\$/\1/p" ui/messages_*_"$2".def | head -1; }
bad=0 good=0
for id in $titles; do
    case " $(echo $passing) " in *" $id "*) continue ;; esac
    sizes=$({ text "$id" en; text "$id" es; } | awk -F '\t' -v seen="$1" '
        { title[++n] = $0 }
        END {
            while ((getline l < seen) > 0) {
                split(l, part, "\t")
                t = part[2]
                sub(/^ +/, "", t)
                sub(/ *(REHEARSAL|ENSAYO) *$/, "", t)
                sub(/ +$/, "", t)
                for (i = 1; i <= n; i++) # in a narrow window the mark covers the end of a long title
                    if (t == title[i] || (length(t) > 14 && index(title[i], t) == 1)) size[part[1]] = 1
            }
            for (s in size) printf "%s ", s
        }')
    [ $table = 0 ] || printf '%-28s %s\n' "$id" "$sizes"
    case $sizes in
        *80x24*" "*x*) good=$((good + 1)) ;;
        *x*80x24*) good=$((good + 1)) ;;
        *) echo "$id is in no script at 80x24 and another size, but at: ${sizes:-none}"; bad=$((bad + 1)) ;;
    esac
done
echo "pages: $good with two sizes, $bad without"
[ $bad -eq 0 ]
