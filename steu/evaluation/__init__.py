"""Metrics with intervals on arrays of labels and logits; nothing here knows a model."""
