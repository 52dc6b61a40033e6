"""The process that imports a program, and fits an item to what the handler of its stage says.

``python -m persistq.cli.fitted TARGET STAGE`` reads the item from standard input. The program may
print, so what is said to who asks goes where standard output was at first.
"""

from __future__ import annotations

import multiprocessing
import os
import sys
from typing import TYPE_CHECKING, Any

from persistq.cli.fitting import FITS, FITS_NOT, UNKNOWN
from persistq.cli.target import parse_target, pipeline_of
from persistq.errors import ItemNotValid, UsageError
from persistq.pipeline.itemtype import type_of

if TYPE_CHECKING:
    from persistq.pipeline.stage import Stage


def main(target: str, stage: str) -> int:
    """Answer, and return the exit code."""
    answers = os.dup(1)
    os.dup2(2, 1)
    # A program that runs its pipeline when it is imported ends this process, as it would a child.
    process: Any = multiprocessing.current_process()
    process._inheriting = True  # noqa: SLF001 - so multiprocessing itself says it
    code, answer = _fitted(target, stage, sys.stdin.buffer.read())
    with os.fdopen(answers, "wb") as file:
        file.write(answer)
    return code


def _fitted(target: str, stage: str, text: bytes) -> tuple[int, bytes]:
    try:
        known = type_of(_stage_of(target, stage))
        fitted = known and known.encoded(known.decoded(text))
    except ItemNotValid as error:
        return FITS_NOT, str(error).encode()
    except UsageError as error:
        return UNKNOWN, str(error).encode()
    return FITS, fitted or text


def _stage_of(target: str, name: str) -> Stage:
    for stage in pipeline_of(parse_target(target)).stages:
        if stage.name == name:
            return stage
    raise UsageError(f"{target} has no stage {name!r}")


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
