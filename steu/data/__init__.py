"""Notes with labels: a validated cohort, splits, token ids, and what keeps restricted text in."""
