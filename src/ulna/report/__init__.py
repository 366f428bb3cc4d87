"""HTML reports, each a single file that loads nothing."""
