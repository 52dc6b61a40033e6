"""What persistq says, and what it makes of text that others wrote."""
