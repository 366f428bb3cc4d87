"""Encoders that learn from radiographs without labels (losses and heads: lightly)."""
