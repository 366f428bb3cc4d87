"""Terms of the training loss, one file each."""
