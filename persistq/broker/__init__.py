"""The one process that touches the journal: wire, scheduler, event loop."""
