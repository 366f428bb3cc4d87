"""Synthetic studies, their rows and a bundle that sees blobs, as fixtures."""

from tests.evaluation.synthetic_fixtures import blob_bundle, manifest

__all__ = ["blob_bundle", "manifest"]
