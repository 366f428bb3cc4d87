"""What a bundle says of training images: asked once, kept in the run, learned by a student."""
