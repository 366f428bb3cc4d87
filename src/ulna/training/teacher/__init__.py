"""A teacher's answers for the training images: computed once, kept in the run of a student."""
