"""The fixed pool of worker processes and the supervisor that keeps it full."""
