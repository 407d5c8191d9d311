"""Training: what builds the mini models and what trains on cleaned rows."""
