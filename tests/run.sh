#!/bin/bash
# Runs test programs and scripts one after the other, shows their output, and ends with what failed.
# usage: OUT=build tests/run.sh PROGRAM...   "san:SCRIPT" runs a script on the programs in OUT/san
set -u
failed=() skipped=0 count=0
begin=$(date +%s)
for t in "$@"; do
    count=$((count + 1))
    start=$(date +%s%N)
    printf '\n=== %s\n' "$t"
    case $t in
        san:*) OUT=${OUT:-build}/san timeout 1800 bash "${t#san:}" ;;
        *.sh) timeout 1800 bash "$t" ;;
        *) timeout 1800 "./$t" ;;
    esac
    status=$?
    ms=$((($(date +%s%N) - start) / 1000000))
    if [ $status -ne 0 ]; then
        failed+=("$t (exit $status)")
        printf '=== FAILED %s, exit %d, %d ms\n' "$t" $status $ms
    else
        printf '=== ok %s, %d ms\n' "$t" $ms
    fi
done
printf '\n%d programs in %d s\n' $count $(($(date +%s) - begin))
printf '%d passed, %d failed\n' $((count - ${#failed[@]})) ${#failed[@]}
for f in ${failed[@]+"${failed[@]}"}; do printf 'FAILED: %s\n' "$f"; done
[ ${#failed[@]} -eq 0 ]
