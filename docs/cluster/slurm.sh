#!/bin/bash
# A verification as a job array of Slurm: each task makes the report of one part. Settings by environment:
#   BUNDLE directory of the bundle, PARTS where the reports go (shared), COUNT number of parts
#SBATCH --job-name=conclave-verify
#SBATCH --array=1-256
#SBATCH --cpus-per-task=8
#SBATCH --mem=2G
#SBATCH --time=02:00:00
#SBATCH --requeue
set -eu
BUNDLE=${BUNDLE:-bundle}
PARTS=${PARTS:-parts}
COUNT=${COUNT:-256}
K=$SLURM_ARRAY_TASK_ID

# A task that is run again has nothing to do if its report is there; one that was stopped goes on.
[ -s "$PARTS/part-$K-of-$COUNT.part" ] && exit 0
conclave-verify "$BUNDLE" --part "$K/$COUNT" --out "$PARTS" --resume "$PARTS/resume-$K" \
    --threads "${SLURM_CPUS_PER_TASK:-1}" --quiet
rm -rf "$PARTS/resume-$K"
