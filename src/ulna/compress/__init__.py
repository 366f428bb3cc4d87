"""A smaller bundle, and the gate that it must pass: graphs in int8, a student."""
