"""Pipelines: a source, the stages after it, and the run that carries them through."""

from persistq.pipeline.pipeline import Pipeline, Summary
from persistq.pipeline.stage import Drop, ItemInfo, Retry

__all__ = ["Drop", "ItemInfo", "Pipeline", "Retry", "Summary"]
