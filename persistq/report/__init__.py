"""What became of a load, as one page that needs nothing else; see docs/report.md."""
