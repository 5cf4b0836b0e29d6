"""What saving and restoring cost, measured: `python -m benchmarks --help`."""
