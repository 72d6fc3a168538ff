#!/usr/bin/env bash
# All that a GPU is needed for, in under ten minutes on a bare machine that has PyTorch. In the project's folder:
#
#   pip download --no-deps --dest wheels monai pytorch-ignite nibabel fire termcolor tqdm psutil   # where there is a network
#   bash benchmarks/gpu.sh                             # results in benchmarks/results/gpu, or in $OUT
#
# DATA: a folder with ct/torso.nii.gz and hippocampus/ (default ../shared/data); parts whose data are absent are left out.
# Packages are taken from wheels/ where that folder is there, and never from a network.
set -uo pipefail
cd "$(dirname "$0")/.."
data=${DATA:-../shared/data}
out=${OUT:-benchmarks/results/gpu}
end=$((SECONDS + ${LIMIT:-570}))
mkdir -p "$out"
export PYTHONPATH="$PWD${PYTHONPATH:+:$PYTHONPATH}"

part() { # NAME SECONDS COMMAND...: run it for at most that long, keep what it prints
    local name=$1 limit=$2 left=$((end - SECONDS)); shift 2
    if ((left < 20)); then echo "$name: left out, no time"; return; fi
    echo "== $name"
    timeout $((limit < left ? limit : left)) "$@" 2>"$out/$name.log" | tee "$out/$name.md"
    local status=${PIPESTATUS[0]}
    if ((status)); then echo "$name: exit status $status"; tail -n 3 "$out/$name.log"; fi
}

[ -d wheels ] && python -m pip install --quiet --no-index --no-deps wheels/*.whl
nvidia-smi --query-gpu=name,driver_version,memory.total --format=csv,noheader || echo "no GPU is seen"

part training 260 python benchmarks/gpu_training.py --seconds 220
part head 40 python benchmarks/training_step.py --plan hippocampus --batch_size 9
if [ -e "$data/ct/torso.nii.gz" ]; then
    part labels 90 python benchmarks/gpu_labels.py --scan "$data/ct/torso.nii.gz" --work "$out/labels"
    part efficiency 60 python -m custom measure --output "$out/usage.json" \
        "python -m monai.bundle run --config_file bundles/flare_pseudolabel/configs/inference.yaml \
        --bundle_root bundles/flare_pseudolabel --ckpt_dir $out/labels/models --dataset_dir $data/ct/torso.nii.gz \
        --output_dir $out/labels/measured"
fi
if [ -d "$data/hippocampus" ]; then # for as long as is left; the same command goes on with it later
    part study 600 python -m monai.bundle run --config_file \
        "['bundles/batseg_spine/configs/study.yaml','bundles/batseg_spine/configs/study_hippocampus.yaml']" \
        --bundle_root bundles/batseg_spine --dataset_dir "$data/hippocampus" --work_dir "$out/study"
fi
