"""Which tokens speak of a class."""
