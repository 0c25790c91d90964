#!/bin/bash
# Not tried on a cluster: no Slurm was to be had where it was written. Checked by shellcheck and tests/packaging alone.
# Everything before images are drawn. A job that was stopped goes on where it was: Slurm may requeue it.
#SBATCH --job-name=unpersonal-train
#SBATCH --gpus=1 --cpus-per-task=8 --mem=32G
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

unpersonal run "$STUDY" --until judges
