"""Ignore index: voxels excluded from losses, sampling and statistics."""

IGNORE_INDEX = 255  # no class id: label maps are 8-bit, ids end at 254
