#!/bin/bash
# Every text of ui/messages_*_en.def is shown by something: its name stands in a source file.
set -u
bad=0
named=$(git ls-files '*.c' '*.h' | xargs grep -oh 'MSG_[A-Z0-9_]*' | sort -u)
for m in $(grep -oh '^M(MSG_[A-Z0-9_]*' ui/messages_*_en.def | cut -c3- | sort -u | comm -23 - <(echo "$named")); do
  echo "ui/messages_*.def: nobody shows $m"
  bad=$((bad + 1))
done
[ "$bad" -eq 0 ] && echo "1 passed, 0 failed" || { echo "0 passed, $bad failed"; exit 1; }
