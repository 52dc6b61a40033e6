"""One process's side of the conversation with its broker. Knows no database."""
