"""Smaller bundles and their acceptance test, the gate: int8 graphs and students."""
