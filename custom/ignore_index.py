"""The label value that stands for "no one knows": neither losses, nor sampling, nor statistics use such voxels."""

IGNORE_INDEX = 255  # no class id: label maps are 8-bit, ids end at 254
