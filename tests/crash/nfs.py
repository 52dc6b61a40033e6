"""The soak of two hosts on a real NFS export, with the NFS server and client of a Linux kernel.

``python -m tests.crash.nfs --kills 200`` boots a User Mode Linux, which needs neither root nor a
virtual machine: its root is this machine's, which it only reads, and its one disk is a file. It
exports that disk by NFS 4.2 from its kernel; each of the two hosts mounts it through a network of
its own. It needs Debian's ``user-mode-linux nfs-kernel-server nfs-common kmod iproute2``. What is
said beyond ``--mount-options`` and ``--memory`` is said to `tests.crash.hosts`.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

INIT = Path(__file__).with_name("nfs_init.sh")
TREE = Path(__file__).parents[2]
KERNEL = "linux.uml"
DISK_BYTES = 1 << 30


def main() -> int:
    """Boot, soak, print what was found; return 1 if something is wrong."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mount-options", default="vers=4.2")
    parser.add_argument("--memory", default="1G")
    options, arguments = parser.parse_known_args()
    if shutil.which(KERNEL) is None:
        print(f"there is no {KERNEL}: apt-get install user-mode-linux nfs-kernel-server kmod")
        return 2
    home = Path(tempfile.mkdtemp(prefix="nfs-"))
    (home / "arguments").write_text(" ".join(arguments))
    _boot(home, options.mount_options, options.memory)
    code = int((home / "code").read_text()) if (home / "code").exists() else 3
    print((home / "console").read_text().strip(), flush=True)
    if code:
        print(f"kept: {home}")
    else:
        shutil.rmtree(home)
    return code


def _boot(home: Path, mount_options: str, memory: str) -> None:
    disk = home / "disk"
    with disk.open("wb") as file:
        file.truncate(DISK_BYTES)
    subprocess.run(["/sbin/mkfs.ext4", "-q", "-F", disk], check=True)
    command = [
        KERNEL,
        f"mem={memory}",
        "root=/dev/root",
        "rootfstype=hostfs",
        "rootflags=/",
        "ro",
        "quiet",
        f"init={INIT}",
        f"ubda={disk}",
        f"uml_dir={home}",
        "con=null",
        "con0=null,fd:1",
        f"SOAK_HOME={home}",
        f"SOAK_TREE={TREE}",
        f"SOAK_PYTHON={sys.executable}",
        f"SOAK_NFS={mount_options}",
    ]
    subprocess.run(
        command,
        env=os.environ | {"TMPDIR": str(home)},
        stdin=subprocess.DEVNULL,
        stdout=(home / "boot").open("wb"),
        stderr=subprocess.STDOUT,
        check=False,
    )


if __name__ == "__main__":
    sys.exit(main())
