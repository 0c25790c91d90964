#!/bin/bash
# Not tried on a cluster: no Slurm was to be had where it was written. Checked by shellcheck and tests/packaging alone.
# One shard of the images: sbatch --array=0-15 with SHARDS=16. A shard that failed is given again by its number
# (--array=3,7 with the same SHARDS); parts that are there are not drawn twice.
#SBATCH --job-name=unpersonal-shard
#SBATCH --gpus=1 --cpus-per-task=4 --mem=16G
#SBATCH --requeue --open-mode=append
set -euo pipefail
: "${STUDY:?folder of the study, at the same path on every node}"
# VENV: a virtual environment to use; IMAGE: an Apptainer image (deploy/unpersonal.def), with BIND where images lie
# elsewhere than the study; neither: what is on the path
if [ -n "${VENV:-}" ]; then export PATH="$VENV/bin:$PATH"; fi
if [ -n "${IMAGE:-}" ]; then
    unpersonal() { apptainer exec --nv --bind "${BIND:-$STUDY}" "$IMAGE" unpersonal "$@"; }
fi
export OMP_NUM_THREADS="${SLURM_CPUS_PER_TASK:-1}"
# not SLURM_ARRAY_TASK_COUNT: whoever gives two shards again would make another division
: "${SHARDS:?number of all shards}"

unpersonal run "$STUDY" --shard "$SLURM_ARRAY_TASK_ID/$SHARDS"
