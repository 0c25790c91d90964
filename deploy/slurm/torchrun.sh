#!/bin/bash
# Not tried on a cluster: no Slurm was to be had where it was written. Checked by shellcheck and tests/packaging alone.
# The whole study on the GPUs of one node, by torchrun: they share every batch, and then the images to be drawn.
#   STUDY=/shared/study sbatch --gpus=4 deploy/slurm/torchrun.sh
#SBATCH --job-name=unpersonal-torchrun
#SBATCH --nodes=1 --ntasks=1 --gpus=4 --cpus-per-task=16 --mem=64G
#SBATCH --requeue --open-mode=append
set -euo pipefail
: "${STUDY:?folder of the study}"
# VENV: a virtual environment to use; IMAGE: an Apptainer image (deploy/unpersonal.def), with BIND where images lie
# elsewhere than the study; neither: what is on the path
if [ -n "${VENV:-}" ]; then export PATH="$VENV/bin:$PATH"; fi
if [ -n "${IMAGE:-}" ]; then
    torchrun() { apptainer exec --nv --bind "${BIND:-$STUDY}" "$IMAGE" torchrun "$@"; }
fi
processes="${SLURM_GPUS_ON_NODE:-1}"
export OMP_NUM_THREADS="$((${SLURM_CPUS_PER_TASK:-1} / processes))"

torchrun --standalone --nproc-per-node "$processes" -m unpersonal run "$STUDY"
