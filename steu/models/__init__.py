"""Sequence classifiers of transformers: loading, the head, inference, fine-tuning."""
