#!/bin/bash
# House rules that a machine can see.
set -u
bad=0
files=$(git ls-files '*.c' '*.h' 2>/dev/null || find . -name '*.[ch]' -not -path './build/*')
say() { echo "$1"; bad=$((bad + 1)); }
# Tests may: their buffers are their own, and rand() with a seed repeats.
programs=$(echo "$files" | tr ' ' '\n' | grep -v '^\(./\)\?tests/')
while read -r l; do say "forbidden function: $l"; done \
    < <(grep -nE '(^|[^a-zA-Z_])(strcpy|sprintf|vsprintf|gets|strtok|tmpnam|mktemp|atoi|atol|rand|srand|system|popen)\(' $programs)
while read -r l; do say "unfinished: $l"; done < <(grep -nwE 'TODO|FIXME|XXX' $files)
while read -r l; do say "memcmp on something secret: $l"; done < <(grep -nE 'memcmp\([^;"]*secret' $files)
for h in $(echo "$files" | tr ' ' '\n' | grep '\.h$'); do
    head -1 "$h" | grep -q '^/\*' || say "$h does not open with what it is"
done
while read -r l; do say "longer than 120 columns: $l"; done \
    < <(awk 'length($0) > 120 && !/"/ {print FILENAME ":" FNR}' $files)
while read -r l; do say "path of one machine: $l"; done \
    < <(git grep -nE '(^|[^[:alnum:]_.-])/(work|farm|tmp/bash_jobs)/' -- . ':!*.md' 2>/dev/null)
echo "$((bad == 0)) passed, $bad failed"
[ $bad -eq 0 ]
