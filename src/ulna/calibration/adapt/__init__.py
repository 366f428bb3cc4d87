"""A bundle adapted to a new hospital from a few of its labelled images."""
