"""Figures, numbers for the prose, the ledger, the page on cost."""
