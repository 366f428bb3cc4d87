"""Ulna: a hybrid of experts that reads radiographs of the upper extremity. Research only."""

__version__ = "0.1.0"
