#!/bin/bash
# Not tried on a cluster: no Slurm was to be had where it was written. Checked by shellcheck and tests/packaging alone.
# A study as three jobs that wait for one another: all up to the judges, an array of shards, the rest.
#   STUDY=/shared/study SHARDS=16 bash deploy/slurm/submit.sh
# Partition, account and hours are yours to add, here or as SBATCH_PARTITION, SBATCH_ACCOUNT, SBATCH_TIMELIMIT.
# After a failure give the same command again: what is done is found done.
set -euo pipefail
: "${STUDY:?folder of the study, at the same path on every node}"
export STUDY
export SHARDS="${SHARDS:-16}"
here="$(cd "$(dirname "$0")" && pwd)"

train=$(sbatch --parsable "$here/train.sh")
shards=$(sbatch --parsable --dependency="afterok:$train" --array="0-$((SHARDS - 1))" "$here/shards.sh")
sbatch --parsable --dependency="afterok:$shards" "$here/finish.sh"
