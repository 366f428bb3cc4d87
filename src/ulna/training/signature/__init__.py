"""Random changes that take away what tells one hospital's films from another's."""
