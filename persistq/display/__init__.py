"""What a user sees of a running load, on standard error."""
