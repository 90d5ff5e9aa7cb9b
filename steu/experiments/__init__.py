"""One classifier and one class to forget: what is measured, varied and compared."""
