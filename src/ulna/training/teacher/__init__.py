"""What a bundle says of training films: asked once, kept in the run, learned by a student."""
