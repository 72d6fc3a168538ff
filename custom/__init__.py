"""The parts that the bundles share: data, transforms, networks, losses, inferers, metrics, engines and reports."""

__version__ = "0.1.0"
