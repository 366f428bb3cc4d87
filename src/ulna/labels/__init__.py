"""Find labels that are probably wrong, by out-of-fold probabilities (confident learning)."""
