"""One reader for each layout of tables; all of them leave the same two tables behind."""
