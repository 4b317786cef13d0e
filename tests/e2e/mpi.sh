#!/bin/bash
# conclave-verify-mpi with several ranks on one machine, and with ranks in network namespaces of their own: the report is that
# of conclave-verify, to the byte. A rank that dies loses only what it had in hand.
NAME=mpi
. "$(dirname "$0")/lib.sh"
MPI=$PWD/$OUT/conclave-verify-mpi
MUTATE=$PWD/$OUT/tests/mutants/mutate
if [ ! -x "$MPI" ] || ! command -v mpirun >/dev/null; then
    skip "conclave-verify-mpi" "Open MPI is not here, or this is a build under the sanitizers"
    finish
    exit $?
fi
# Open MPI wants network interfaces, a folder for its sockets, and an ssh that it does not use here; not every container has them.
if ! why=$(timeout 60 mpirun --allow-run-as-root --oversubscribe --mca btl self,tcp --mca btl_tcp_if_include lo \
    --mca oob_tcp_if_include lo -n 2 true 2>&1); then
    skip "conclave-verify-mpi" "mpirun does not even start two times true: $(grep -m1 '[[:alpha:]]' <<<"$why")"
    finish
    exit $?
fi
[ -x "$MUTATE" ] || env -u MAKEFLAGS make -s "${MUTATE#"$PWD/"}"
check "a good bundle and mutants are made" "$MUTATE" "$D" votes-moved duplicate-counts record-cut-off chain-proof-flipped
cd "$D" || exit 1
export TMPDIR=$D # Open MPI's own files; a short path is wanted for its sockets
[ ${#TMPDIR} -lt 60 ] || { TMPDIR=$(mktemp -d /tmp/mpi-XXXXXX); trap 'rm -rf "$TMPDIR"' EXIT; }
# Machines for tests have few processors, and CI is root in a container.
run() { timeout 120 mpirun --allow-run-as-root --oversubscribe --mca btl self,tcp --mca btl_tcp_if_include lo --mca oob_tcp_if_include lo "$@"; }

# same TEXT EXIT-ALONE...: merged.out and alone.out
compare() {
    local text=$1 alone=$2 status=$3
    if [ "$alone" -eq "$status" ] && cmp alone.out mpi.out >/dev/null; then
        ok "$text"
    else
        bad "$text" "exit $alone and $status; $(cat mpi.err; diff alone.out mpi.out | head)"
    fi
}

for bundle in votes-moved duplicate-counts record-cut-off chain-proof-flipped good; do
    real=$(awk -v b=$bundle '$1 == b {print $2}' expected)
    "$VERIFY" $bundle --election "$real" --json >alone.out
    alone=$?
    run -n 4 "$MPI" $bundle --state state.$bundle --pieces 3 --election "$real" --json >mpi.out 2>mpi.err
    compare "$bundle, four ranks" $alone $?
done
check "the chain's shards are in a piece" grep -q '^piece 3 of 3 by rank' mpi.err
check "of which nothing is left but report and ids" test "$(ls state.good | wc -l)" -eq 6
real=$(awk '$1 == "good" {print $2}' expected)
root=net::1:$(printf '0%.0s' {1..64}) # none of this chain
"$VERIFY" good --election "$real" --chain-anchor $root >alone.out
alone=$?
run -n 3 "$MPI" good --state state.good --pieces 3 --election "$real" --chain-anchor $root >mpi.out 2>mpi.err
compare "with a root that was printed elsewhere" $alone $?
"$VERIFY" good --election "$real" >alone.out
run -n 2 "$MPI" good --state state.good --pieces 3 --election "$real" >mpi.out 2>mpi.err
compare "again, as text" 0 $?
check "nothing was done twice" grep -q '3 pieces, 3 were there' mpi.err
run -n 1 "$MPI" good --state state.one --election "$real" >mpi.out 2>mpi.err
compare "one rank" 0 $?

# --- a rank is lost: it may not write, and is killed when it does, with a piece in hand ---

rm state.good/part-2-of-3.part
if run -n 1 "$MPI" good --state state.good --pieces 3 --election "$real" : \
    -n 1 bash -c 'ulimit -c 0; ulimit -f 0; exec "$@"' lost "$MPI" good --state state.good --pieces 3 --election "$real" >mpi.out 2>mpi.err; then
    bad "a rank is killed" "$(cat mpi.err)"
else
    ok "a rank is killed, and so is the job"
fi
check "without a verdict" test ! -s mpi.out
check "its piece is not there" test ! -e state.good/part-2-of-3.part
run -n 3 "$MPI" good --state state.good --pieces 3 --election "$real" >mpi.out 2>mpi.err
compare "the next job goes on" 0 $?
check "with what is missing only" grep -q '3 pieces, 2 were there' mpi.err
printf x >>state.good/part-1-of-3.ids
run -n 3 "$MPI" good --state state.good --pieces 3 --election "$real" >mpi.out 2>mpi.err
compare "a damaged piece is made again" 0 $?
run -n 3 "$MPI" votes-moved --state state.good --pieces 3 --json >mpi.out 2>mpi.err
"$VERIFY" votes-moved --json >alone.out
compare "pieces of another bundle do not count" 1 $?
run -n 2 "$MPI" good >mpi.out 2>mpi.err
[ $? -eq 2 ] && grep -q ERR_USAGE mpi.err && ok "without a state directory" || bad "without a state directory" "$(cat mpi.err)"

# --- two machines: network namespaces with a cable between them ---

A=cv-a-$$ B=cv-b-$$
down() { ip netns del $A; ip netns del $B; } 2>/dev/null
up() {
    ip netns add $A && ip netns add $B &&
        ip link add cva$$ netns $A type veth peer name cvb$$ netns $B &&
        ip -n $A addr add 10.77.0.1/24 dev cva$$ && ip -n $B addr add 10.77.0.2/24 dev cvb$$ &&
        ip -n $A link set cva$$ up && ip -n $B link set cvb$$ up && ip -n $A link set lo up && ip -n $B link set lo up &&
        ip netns exec $A unshare -u hostname cv-a
} 2>up.err
if ! command -v ip >/dev/null || ! up; then
    why=$([ -s up.err ] && head -1 up.err)
    skip "ranks in network namespaces" "${why:-no ip here, or it may make none}"
    down
    finish
    exit $?
fi
# What mpirun calls instead of ssh: HOST COMMAND.
cat >agent.sh <<END
#!/bin/bash
shift
exec ip netns exec $B unshare -u bash -c 'hostname cv-b; export TMPDIR=$TMPDIR/b; mkdir -p \$TMPDIR; eval "\$*"' agent "\$@"
END
chmod +x agent.sh
"$VERIFY" good --election "$real" --json >alone.out
timeout 120 ip netns exec $A unshare -u bash -c 'hostname cv-a; exec "$@"' mpirun mpirun --allow-run-as-root --oversubscribe \
    --host 10.77.0.1:2,10.77.0.2:2 -n 4 --mca plm_rsh_agent "$D/agent.sh" --mca oob_tcp_if_include 10.77.0.0/24 \
    --mca btl self,tcp --mca btl_tcp_if_include 10.77.0.0/24 "$MPI" good --state state.net --pieces 3 --election "$real" --json \
    >mpi.out 2>mpi.err
compare "ranks in two network namespaces" 0 $?
bytes=$(ip netns exec $B cat /sys/class/net/cvb$$/statistics/rx_bytes 2>/dev/null || ip -n $B -s link show cvb$$ | awk '/RX/ {getline; print $1}')
check "they talked over the cable ($bytes bytes)" test "${bytes:-0}" -gt 1000
down
finish
