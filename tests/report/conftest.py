"""Synthetic studies, their rows and a bundle that sees blobs, as fixtures."""

from tests.evaluation.synthetic_fixtures import make_rows, manifest

__all__ = ["make_rows", "manifest"]
