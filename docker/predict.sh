#!/bin/sh
# Label every scan of a folder, in the form of FLARE's submissions: CASE_0000.nii.gz in, CASE.nii.gz out.
#
#   docker run --rm --gpus device=0 -m 28G -v /path/to/scans:/workspace/inputs -v /path/to/labels:/workspace/outputs \
#       IMAGE /bin/bash -c "sh predict.sh"
#
# Further options go to inference.yaml (sh predict.sh --windows all). Without Docker the folders are given by INPUTS,
# OUTPUTS and BUNDLE_DIR (configs/, and in models/ the weights), the overlays of the training by OVERLAYS.
set -eu

inputs=${INPUTS:-/workspace/inputs}
outputs=${OUTPUTS:-/workspace/outputs}
bundle=${BUNDLE_DIR:-/workspace/bundle}
for folder in "$inputs" "$bundle/configs"; do
    [ -d "$folder" ] || { echo "error: there is no folder $folder: mount it, or set INPUTS and BUNDLE_DIR" >&2; exit 2; }
done
mkdir -p "$outputs"
inputs=$(cd "$inputs" && pwd)
outputs=$(cd "$outputs" && pwd)
bundle=$(cd "$bundle" && pwd)

configs="'configs/inference.yaml'"
for overlay in ${OVERLAYS:-}; do
    configs="$configs,'configs/$overlay.yaml'"
done

# the scans as a data set in nnU-Net's layout, in which CASE_0000 is the first channel of CASE
dataset=$(mktemp -d)
trap 'rm -rf "$dataset"' EXIT
ln -s "$inputs" "$dataset/imagesTs"

# without loading processes: these pass scans through /dev/shm, of which Docker gives 64 MB
cd "$bundle"
python -m monai.bundle run --config_file "[$configs]" --dataset_dir "$dataset" --output_dir "$outputs" \
    --ckpt_dir "$bundle/models" --num_workers 0 "$@"
