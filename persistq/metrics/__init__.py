"""Metrics of journals and folders, in the text format of Prometheus; read by anybody."""

from persistq.metrics.exposition import CONTENT_TYPE, exposition

__all__ = ["CONTENT_TYPE", "exposition"]
