"""Does a bundle read the bone or the hospital: a probe of its features, standardised images."""
