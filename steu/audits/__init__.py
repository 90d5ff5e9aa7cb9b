"""What a model still knows of a class that it no longer predicts."""
