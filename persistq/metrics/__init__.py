"""Metrics of journals, in the text format of Prometheus; read from the journals, by anybody."""

from persistq.metrics.exposition import CONTENT_TYPE, exposition

__all__ = ["CONTENT_TYPE", "exposition"]
