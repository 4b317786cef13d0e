#!/bin/bash
# conclave-verify and conclave-verify-mpi link no HSM, no ncurses, and nothing that can hold a secret: none of these symbols is in
# them. Unused functions are dropped when they are linked (--gc-sections), so what is there can be reached.
set -u
bad=0
say() { echo "$1"; bad=$((bad + 1)); }
count=0
for program in ${OUT:-build}/conclave-verify ${OUT:-build}/conclave-verify-mpi; do
    case $program in *san/*-mpi) continue ;; esac # not made there
    [ -x "$program" ] || { echo "$program is not built"; exit 1; }
    symbols=$(nm "$program" | awk '$2 ~ /[TtDdBbRr]/ {print $3}' | sed 's/\.\(part\|constprop\|isra\|cold\|lto_priv\).*$//')
    [ "$(echo "$symbols" | wc -l)" -gt 100 ] || say "nm says nothing of $program"
    while read -r s; do say "in $program: $s"; done < <(echo "$symbols" | grep -E \
    '^(hsm_|p11_|C_[A-Z]|trustee_|vault_|enroll_make|roster_sign|deal_make|shares_check|complaint_make|reveal_make|cut_sign|confirm_make|share_rebuild|drill_make|plan_sign$|decrypt_make|retire_make|seed_(contribution|coefficient|encapsulation|fresh)|partial_make|dleq_prove|pok_prove|nonce_make|nonces_|elgamal_nonce|signkey_|cose_sign$|entry_make|ballot_make|ballot_maker_|elgamal_encrypt|elgamal_key_new|zero_one_commit|exact_commit|count_make|precinct_(open|cast|close|correct|remove)|import_(prepare|encrypt)|simulate_|hpke_seal|metrics_server_|hpke_derive_key|prompt_|aggregate$|publish$|initscr|newwin)')
    while read -r l; do say "$program is linked with $l"; done < <(ldd "$program" 2>/dev/null | grep -E 'ncurses|tinfo|p11-kit|softhsm|libnss3|libsoftokn' )
    count=$((count + $(echo "$symbols" | wc -l)))
done
# The appliance has no network code, though it shares the library in which the server of numbers is.
appliance=${OUT:-build}/conclave
[ -x "$appliance" ] || say "$appliance is not built"
while read -r s; do say "in conclave: $s"; done < <(nm "$appliance" 2>/dev/null | awk '{print $NF}' | grep -E '^(metrics_server_|(accept4?|listen|getaddrinfo)(@|$))')
echo "symbols looked at: $count"
echo "$((bad == 0)) passed, $bad failed"
[ $bad -eq 0 ]
