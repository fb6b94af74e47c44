"""What it costs: one run, interleaved rounds, ratios. `make bench-api`."""
