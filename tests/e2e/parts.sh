#!/bin/bash
# A verification in parts, as several people with a machine each run it: parts, signatures, merging; the report is that of one
# machine, to the byte. Then: parts that are missing, not signed, of another bundle, changed.
NAME=parts
. "$(dirname "$0")/lib.sh"
TOP=$PWD
MUTATE=$PWD/$OUT/tests/mutants/mutate
[ -x "$MUTATE" ] || { case $OUT in *san*) set -- SAN=1 ;; *) set -- ;; esac; env -u MAKEFLAGS make -s "$@" "${MUTATE#"$PWD/"}"; }

check "a good bundle and mutants are made" "$MUTATE" "$D" votes-moved duplicate-counts
anchor=$(awk '$1 == "good" {print $2}' "$D/expected")
cd "$D" || exit 1
exits() {
    local want=$1 pattern=$2 text=$3
    shift 3
    fails "$text" "$want" "$pattern" "$@"
}
# same TEXT BUNDLE ANCHOR PARTS...: merged and alone, as text and JSON
same() {
    local text=$1 bundle=$2 real=$3 form
    shift 3
    for form in "" --json; do
        "$VERIFY" "$bundle" --election "$real" $form >alone.out 2>/dev/null
        local alone=$?
        "$VERIFY" merge "$bundle" "$@" --signers signers --election "$real" --signed-by list.json $form >merged.out 2>merged.err
        local merged=$?
        if [ $alone -eq $merged ] && cmp alone.out merged.out >/dev/null; then
            ok "$text ${form:-text}"
        else
            bad "$text ${form:-text}" "exit $alone and $merged; $(cat merged.err; diff alone.out merged.out | head)"
        fi
    done
}

for who in anna bert; do
    "$TALLY" key new --out $who.key --no-passphrase >$who.pub || exit 1
    echo "$(cat $who.pub) $who" >>signers
done

for bundle in good votes-moved duplicate-counts; do
    real=$(awk -v b=$bundle '$1 == b {print $2}' expected)
    for k in 1 2 3; do "$VERIFY" $bundle --part $k/3 --out $bundle.$k --quiet || bad "part $k of $bundle"; done
    "$TALLY" part sign $bundle.1/*.part $bundle.3/*.part --key anna.key --no-passphrase >/dev/null
    "$TALLY" part sign $bundle.2/*.part --key bert.key --no-passphrase >/dev/null
    same "$bundle, three parts of two people" $bundle "$real" $bundle.1 $bundle.2 $bundle.3
done
exits 0 'part 2 of 3: .*signed by bert' "the list says who signed" "$VERIFY" merge good good.[123] --signers signers --election "$anchor"
if command -v jq >/dev/null; then
    check "and so does the list in JSON" test "$(jq -r '[.parts[] | select(.used) | .signer] | join(" ")' list.json)" = "anna bert anna"
fi
exits 3 'part 2 of 3: it is not here' "a part is missing" "$VERIFY" merge good good.1 good.3 --signers signers --election "$anchor"
grep -v bert signers >anna-only
exits 3 'part 2 of 3: others said so' "a signer is not known" "$VERIFY" merge good good.[123] --signers anna-only --election "$anchor"
exits 3 'others said so' "no signers" "$VERIFY" merge good good.[123] --election "$anchor"
exits 3 'others said so' "not signed" "$VERIFY" merge good good.[123]/*.part --signers signers --election "$anchor"
exits 1 'ERR_HASH' "reports of another bundle" "$VERIFY" merge votes-moved good.[123] --signers signers
exits 1 'ERR_VERSION' "reports of another program" "$VERIFY" merge good good.[123] --signers signers --program "$(printf '0%.0s' {1..64})"
exits 2 'ERR_USAGE' "a part without a place for it" "$VERIFY" good --part 1/3
exits 2 'ERR_USAGE' "part 4 of 3" "$VERIFY" good --part 4/3 --out x
exits 2 'ERR_USAGE' "merging nothing" "$VERIFY" merge good
"$VERIFY" good --part 1/2 --out other --quiet
"$TALLY" part sign other/*.part --key anna.key --no-passphrase >/dev/null
exits 1 'ERR_MISMATCH' "another number of parts" "$VERIFY" merge good good.[123] other --signers signers
printf x >>good.2/part-2-of-3.ids
exits 1 'ERR_TRAILING' "ids were added" "$VERIFY" merge good good.[123] --signers signers
exits 1 'ERR_HASH' "nobody signs such a part" "$TALLY" part sign good.2/part-2-of-3.part --key anna.key --no-passphrase
rm good.2/part-2-of-3.ids
exits 1 'ERR_MISSING' "ids are gone" "$VERIFY" merge good good.[123] --signers signers

# --- aggregation (the bundle has only the correction of one place: it is refused, and so the exit status is 1) ---

mkdir in
cp good/exports/* in
cp -r good/chains/net in
aggregate() { "$TALLY" aggregate --board good --exports in "$@"; }
aggregate --work w.one >one.out 2>/dev/null
for k in 1 2; do aggregate --work w.$k --part $k/2; done >part.out 2>/dev/null
check "each part verifies its own" test "$(grep -c '^part ' part.out)" = 2
aggregate --work w.all --from w.1 --from w.2 >all.out 2>/dev/null
check "the records are those of one machine" diff -r w.one/records w.all/records
check "of which nothing was verified again" grep -q 'verified 0, known 4, refused 1' all.out
check "and the root" test "$(grep '^root hex' one.out)" = "$(grep '^root hex' all.out)"
exits 2 'ERR_USAGE' "no such part" aggregate --work w.x --part 3/2

# Of other people's machines: signed, and as it was when it was signed.
from() { aggregate --work w.signed --from w.1 --from w.2 --signers "$@"; }
exits 1 'ERR_MISSING' "a part of an aggregation that nobody signed" from signers
check "parts of an aggregation are signed" "$TALLY" part sign w.1/aggregate.part --key anna.key --no-passphrase
"$TALLY" part sign w.2/aggregate.part --key bert.key --no-passphrase >/dev/null
from signers >signed.out 2>/dev/null
check "and taken over" grep -q '^taken w.2, part 2 of 2, signed by bert' signed.out
check "nothing was verified again" grep -q 'verified 0, known 4, refused 1' signed.out
check "to the same records" diff -r w.one/records w.signed/records
exits 1 'ERR_UNKNOWN' "by somebody else" from anna-only
exits 2 'ERR_USAGE' "signers of nothing" aggregate --work w.x --signers signers
exits 2 'ERR_USAGE' "a program without signers" aggregate --work w.x --from w.1 --program "$(printf '0%.0s' {1..64})"
exits 1 'ERR_VERSION' "of another program" from signers --program "$(printf '0%.0s' {1..64})"
cp w.2/index.sqlite index.bak
printf x >>w.2/index.sqlite
exits 1 'ERR_HASH' "an index that was changed since" from signers
exits 1 'ERR_HASH' "which nobody signs" "$TALLY" part sign w.2/aggregate.part --key bert.key --no-passphrase
cp index.bak w.2/index.sqlite
mkdir -p w.2/chains/more
echo x >w.2/chains/more/ids
exits 1 'ERR_UNKNOWN' "a file that the part does not list" from signers
rm -r w.2/chains/more
from signers >signed.out 2>/dev/null
check "as it was" grep -q 'verified 0, known 4, refused 1' signed.out

# --- the files of docs/cluster do it ---

cd "$TOP" || exit 1
mkdir -p "$D/bin"
ln -sf "$VERIFY" "$D/bin/conclave-verify"
for k in 1 2; do
    check "task $k of the job array" env PATH="$D/bin:$PATH" SLURM_ARRAY_TASK_ID=$k SLURM_CPUS_PER_TASK=1 COUNT=2 BUNDLE="$D/good" PARTS="$D/slurm" \
        bash docs/cluster/slurm.sh
done
check "a task that is run again" env PATH="$D/bin:$PATH" SLURM_ARRAY_TASK_ID=2 COUNT=2 BUNDLE="$D/nowhere" PARTS="$D/slurm" bash docs/cluster/slurm.sh
"$TALLY" part sign "$D"/slurm/*.part --key "$D/anna.key" --no-passphrase >/dev/null
exits 0 'VERDICT: PASS' "its reports merge" "$VERIFY" merge "$D/good" "$D/slurm" --signers "$D/signers" --election "$anchor"
if python3 -c 'import yaml' 2>/dev/null; then
    cat >"$D/look.py" <<'END'
import sys, yaml
job = yaml.safe_load(open(sys.argv[1]))
spec = job["spec"]
assert job["apiVersion"] == "batch/v1" and job["kind"] == "Job" and spec["completionMode"] == "Indexed"
pod = spec["template"]["spec"]
container = pod["containers"][0]
assert pod["restartPolicy"] in ("OnFailure", "Never")
assert {m["name"] for m in container["volumeMounts"]} == {v["name"] for v in pod["volumes"]}
script = container["command"][2]
assert script.count("/%d" % spec["completions"]) == 1 and script.count("-of-%d." % spec["completions"]) == 1
open(sys.argv[2], "w").write(script.replace("/bundle", "$BUNDLE").replace("/parts", "$PARTS").replace("256", "2") + "\n")
END
    check "the manifest for Kubernetes is YAML, and an indexed job" python3 "$D/look.py" docs/cluster/kubernetes.yaml "$D/pod.sh"
    for i in 0 1; do
        check "pod $i of the job" env PATH="$D/bin:$PATH" JOB_COMPLETION_INDEX=$i BUNDLE="$D/good" PARTS="$D/pods" sh "$D/pod.sh"
    done
    check "its reports are the same" cmp "$D/pods/part-2-of-2.part" "$D/slurm/part-2-of-2.part"
else
    skip "the manifest for Kubernetes" "python3 has no yaml"
fi
finish
