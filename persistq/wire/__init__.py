"""What crosses the socket between a broker and its clients, and how each proves itself first."""
