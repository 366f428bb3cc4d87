"""Adaptation of a bundle to a new hospital, from a few of its labelled images."""
