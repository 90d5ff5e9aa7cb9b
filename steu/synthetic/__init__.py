"""The embedded corpus: invented admissions, written in the layouts that the readers read."""
