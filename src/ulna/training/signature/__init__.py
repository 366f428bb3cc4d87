"""Augmentation that removes what distinguishes one hospital's images from another's."""
