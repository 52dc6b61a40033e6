"""Pipelines: a source, the stages after it, and the run that carries them through."""

from persistq.flow import Drop, Retry
from persistq.pipeline.iteminfo import ItemInfo
from persistq.pipeline.pipeline import Pipeline
from persistq.pipeline.summary import Summary

__all__ = ["Drop", "ItemInfo", "Pipeline", "Retry", "Summary"]
