"""Command line, profiles, jobs, the runner of notebooks, the book."""
