#!/bin/sh
# Label every scan of a folder, in the form of FLARE's submissions: CASE_0000.nii.gz in, CASE.nii.gz out.
#
#   docker run --rm --gpus device=0 -m 28G -v /path/to/scans:/workspace/inputs -v /path/to/labels:/workspace/outputs \
#       IMAGE /bin/bash -c "sh predict.sh"
#
# Further options go to inference.yaml (sh predict.sh --windows all). Without Docker the folders are given by INPUTS,
# OUTPUTS, BUNDLE_DIR (with configs/) and CKPT_DIR (a training's model.pt and plan.yaml; else BUNDLE_DIR/models).
set -eu

inputs=${INPUTS:-/workspace/inputs}
outputs=${OUTPUTS:-/workspace/outputs}
bundle=${BUNDLE_DIR:-/workspace/bundle}
for folder in "$inputs" "$bundle/configs"; do
    [ -d "$folder" ] || { echo "error: there is no folder $folder: mount it, or set INPUTS and BUNDLE_DIR" >&2; exit 2; }
done
models=${CKPT_DIR:-$bundle/models}
[ -d "$models" ] || { echo "error: there is no folder $models: set CKPT_DIR to that of a training" >&2; exit 2; }
mkdir -p "$outputs"
inputs=$(cd "$inputs" && pwd)
outputs=$(cd "$outputs" && pwd)
models=$(cd "$models" && pwd)

# the scans as a data set in nnU-Net's layout, in which CASE_0000 is the first channel of CASE
dataset=$(mktemp -d)
trap 'rm -rf "$dataset"' EXIT
ln -s "$inputs" "$dataset/imagesTs"

# without loading processes: these pass scans through /dev/shm, of which Docker gives 64 MB
cd "$bundle"
python -m monai.bundle run --config_file configs/inference.yaml --dataset_dir "$dataset" --output_dir "$outputs" \
    --ckpt_dir "$models" --num_workers 0 "$@"
