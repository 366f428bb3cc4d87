"""The HTML report: one file, nothing loaded from anywhere."""
