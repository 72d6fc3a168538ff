"""Partly annotated cases: the manifest, where they come from, and pseudo-labels merged into their labels."""
