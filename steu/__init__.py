"""Sparse Token Embedding Unlearning: withdraw one class from a clinical text classifier."""

__version__ = "0.1.0"
