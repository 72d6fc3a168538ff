#!/usr/bin/env bash
# All that a GPU is needed for, in under ten minutes on a bare machine that has PyTorch, scipy and matplotlib with what they
# need, as images for PyTorch do. In the project's folder:
#
#   pip download --no-deps --dest wheels monai pytorch-ignite nibabel fire termcolor tqdm psutil   # where there is a network
#   bash benchmarks/gpu.sh    # results in benchmarks/results/gpu, or in $OUT: gpu.md with all tables, gpu.log, usage.json
#
# DATA: a folder with ct/torso.nii.gz and hippocampus/ (default ../shared/data); parts whose data are absent are left out.
# WORK: of label maps and the study, which goes on there at a further call (default benchmarks/results/gpu_work).
# Packages are taken from wheels/ where that folder is there, and never from a network.
set -uo pipefail
cd "$(dirname "$0")/.."
data=${DATA:-../shared/data}
out=${OUT:-benchmarks/results/gpu}
work=${WORK:-benchmarks/results/gpu_work}
python=$(command -v python || command -v python3) || { echo "gpu.sh: no python is on the PATH"; exit 1; }
end=$((SECONDS + ${LIMIT:-570}))
mkdir -p "$out" "$work"
: >"$out/gpu.md"
: >"$out/gpu.log"
export PYTHONPATH="$PWD${PYTHONPATH:+:$PYTHONPATH}"

say() { echo "$*" | tee -a "$out/gpu.md"; }

part() { # NAME SECONDS COMMAND...: run it for at most that long, keep what it prints
    local name=$1 limit=$2 left=$((end - SECONDS)) log=$work/$1.log; shift 2
    if ((left < 20)); then say "$name: left out, no time"; return; fi
    say ""; say "## $name"
    timeout $((limit < left ? limit : left)) "$@" 2>"$log" | tee -a "$out/gpu.md"
    local status=${PIPESTATUS[0]}
    { echo "== $name"; cat "$log"; } >>"$out/gpu.log"
    if ((status)); then say "$name: exit status $status"; tail -n 3 "$log" | tee -a "$out/gpu.md"; fi
}

[ -d wheels ] && "$python" -m pip install --quiet --no-index --no-deps wheels/*.whl
say "$(nvidia-smi --query-gpu=name,driver_version,memory.total --format=csv,noheader || echo "no GPU is seen")"

part training 260 "$python" benchmarks/gpu_training.py --seconds 220
part head 40 "$python" benchmarks/training_step.py --plan hippocampus --batch_size 9
if [ -e "$data/ct/torso.nii.gz" ]; then
    part labels 90 "$python" benchmarks/gpu_labels.py --scan "$data/ct/torso.nii.gz" --work "$work/labels"
    part efficiency 60 "$python" -m custom measure --output "$out/usage.json" \
        "$python -m monai.bundle run --config_file bundles/flare_pseudolabel/configs/inference.yaml \
        --bundle_root bundles/flare_pseudolabel --ckpt_dir $work/labels/models --dataset_dir $data/ct/torso.nii.gz \
        --output_dir $work/labels/measured"
fi
if [ -d "$data/hippocampus" ]; then
    scan=$(find "$data/hippocampus/imagesTr" -name '[!.]*.nii.gz' | sort | head -n 1)
    part trained_labels 40 "$python" benchmarks/gpu_labels.py --scan "$scan" --work "$work/trained_labels" \
        --bundle batseg_spine --ckpt_dir bundles/batseg_spine/models/hippocampus
    part study 600 "$python" -m monai.bundle run --config_file \
        "['bundles/batseg_spine/configs/study.yaml','bundles/batseg_spine/configs/study_hippocampus.yaml']" \
        --bundle_root bundles/batseg_spine --dataset_dir "$data/hippocampus" --work_dir "$work/study"
    if [ -e "$work/study/study.md" ]; then say ""; tee -a "$out/gpu.md" <"$work/study/study.md"; fi
fi
