"""Random changes that take away what tells one hospital's images from another's."""
