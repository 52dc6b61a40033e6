"""File systems that tests mount for themselves: small, breakable, and gone afterwards."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from pathlib import Path

import pytest

NEEDS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="mounting a file system needs root")
NEEDS_LOOP = pytest.mark.skipif(
    os.geteuid() != 0
    or not Path("/dev/loop-control").exists()
    or shutil.which("mkfs.ext4") is None,
    reason="mounting an image needs root, loop devices and mkfs.ext4",
)

BUSY_S = 20.0


class Mount:
    """A mounted directory.

    Args:
        place: The directory, which is made.
        options: Arguments of ``mount``, before the directory.
    """

    def __init__(self, place: Path, *options: str) -> None:
        self.place = place
        self._options = options
        place.mkdir(exist_ok=True)
        self.attach()

    def attach(self) -> None:
        """Mount it; skip the test where that is not allowed."""
        ended = subprocess.run(
            ["mount", *self._options, str(self.place)], capture_output=True, text=True, check=False
        )
        if ended.returncode:
            pytest.skip(f"mounting is not possible here: {ended.stderr.strip()}")

    def detach(self) -> None:
        """Unmount it, as soon as nobody uses it any more.

        Never lazily: an image that is mounted again while the old mount lives on has two owners.
        """
        deadline = time.monotonic() + BUSY_S
        while True:
            ended = subprocess.run(
                ["umount", str(self.place)], capture_output=True, text=True, check=False
            )
            if not ended.returncode:
                return
            assert time.monotonic() < deadline, ended.stderr
            time.sleep(0.01)

    def fill(self) -> None:
        """Leave no byte free."""
        with suppressed_full_disk(), self.filler.open("wb", buffering=0) as file:
            while True:
                file.write(bytes(1 << 16))
        with suppressed_full_disk(), self.filler.open("ab", buffering=0) as file:
            while True:
                file.write(b"x")

    def free(self) -> None:
        """Take the filling away."""
        self.filler.unlink()

    @property
    def filler(self) -> Path:
        """What takes the room."""
        return self.place / "filler"


class suppressed_full_disk:  # noqa: N801 - reads as a statement
    """Let a full disk end the block."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> bool:
        return kind is not None and issubclass(kind, OSError)


def tmpfs(place: Path, kib: int) -> Mount:
    """Mount a file system of so many KiB in memory."""
    return Mount(place, "-t", "tmpfs", "-o", f"size={kib}k", "tmpfs")


def ext4(place: Path, image: Path, mib: int = 16) -> Mount:
    """Make and mount an ext4 file system in an image of so many MiB."""
    with image.open("wb") as file:
        file.truncate(mib << 20)
    subprocess.run(["mkfs.ext4", "-q", "-F", str(image)], check=True)
    return Mount(place, "-o", "loop,errors=remount-ro", str(image))
