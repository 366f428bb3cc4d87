"""Training in several processes: how they start, what they do together, and that none is left."""
