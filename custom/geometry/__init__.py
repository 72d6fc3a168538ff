"""Where the voxels of a scan lie: affines, their rounding, and the way back to the native grid."""
