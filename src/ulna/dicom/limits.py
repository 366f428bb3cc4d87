"""Limits on the size of a radiograph, checked in headers before decoding."""

MIN_SIDE = 16
"""Smallest side in px; MURA's smallest is 89."""
MAX_PIXELS = 64_000_000
"""Largest pixel count of one frame; the largest detectors have about 30 million."""
