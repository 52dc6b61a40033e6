"""The contract of a queue, as checks."""
