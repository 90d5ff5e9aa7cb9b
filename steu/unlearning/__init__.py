"""Edits of a classifier, what trains them, and how they are kept."""
