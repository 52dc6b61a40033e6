"""Where a journal lives, and who may come there: names, owners, kernel locks, processes."""
