#!/bin/bash
# Making a ballot takes the same steps whatever is voted. valgrind watches branches and addresses that depend on a secret
# (ctime_tool.c); it knows no AVX-512, so of that path the machine code is looked at.
NAME=ctime
. "$(dirname "$0")/lib.sh"
TOOL=$PWD/$OUT/tests/e2e/ctime_tool
OBJECT=$OUT/obj/ceremony/math/p256_ifma_fixed.o

if [[ $OUT = *san* ]] || ! command -v valgrind > /dev/null; then
    skip "secrets under valgrind" "no valgrind here, or a sanitizer"
elif ! why=$(valgrind -q true 2>&1); then # it wants the C library's symbols (libc6-dbg), and memory
    skip "secrets under valgrind" "it runs no program here: $(head -1 <<< "$why")"
elif [ ! -f /usr/include/valgrind/memcheck.h ]; then
    skip "secrets under valgrind" "no valgrind/memcheck.h, so nothing is marked as secret"
else
    watch() { valgrind -q --error-exitcode=9 --num-callers=30 "$TOOL" "$1"; }
    check "no branch and no address depends on a vote" watch ballot
    fails "a branch that does is found" 9 'depends on uninitialised' watch leak-branch
    fails "an address that does is found" 9 'Use of uninitialised value' watch leak-address
fi

# The vector path: one loop over the rows, of a fixed number of turns; everything else is straight. So there is one
# conditional jump (two with a check of the stack), masks are not turned into flags, and lookups are permutations,
# never gathers.
if [ "$(uname -m)" = x86_64 ] && command -v objdump > /dev/null && [[ $OUT != *san* ]]; then
    objdump -d --no-show-raw-insn "$OBJECT" > "$D/code.txt"
    grep -q vpmadd52luq "$D/code.txt" || bad "the vector path is there"
    jumps=$(awk '$2 ~ /^j/ && $2 != "jmp"' "$D/code.txt" | grep -c .)
    if [ "$jumps" -le 2 ]; then ok "$jumps conditional jumps"; else bad "$jumps conditional jumps" "$(grep -E '\sj' "$D/code.txt")"; fi
    look=$(grep -E 'gather|kortest|ktest|vpextr|vptest +|call' "$D/code.txt")
    if [ -z "$look" ]; then ok "no secret leaves the vectors"; else bad "no secret leaves the vectors" "$look"; fi
    # ... and none stays in them: after vzeroall, nothing but the upper sixteen and the masks, each xor itself.
    rest=$(awk '/vzeroall/ {on = 1; next} on && $2 != "vzeroupper" && $2 ~ /^v|^k/' "$D/code.txt")
    cleared=$(awk '$2 ~ /^(vpxorq|kxorw)$/ {split($3, r, ","); if (r[1] == r[2] && r[2] == r[3]) print r[1]}' <<< "$rest" | sort -u | wc -l)
    if [ "$cleared" -eq 24 ] && [ "$(grep -c . <<< "$rest")" -eq 24 ]; then
        ok "vectors and masks are cleared at the end"
    else
        bad "vectors and masks are cleared at the end" "$rest"
    fi
else
    skip "machine code of the vector path" "not x86-64, no objdump, or a sanitizer"
fi
finish
