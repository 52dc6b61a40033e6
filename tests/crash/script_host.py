"""One host of the soak of several: the first process of its namespaces, which starts the others.

It is told by lines on its standard input whom to start, kill or stop for a while. Readers and
writers are forked, so that a death costs no import, and leave a line of evidence for each step.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import select
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from persistq import DONE, ClaimLost, FolderQueue
from persistq.folder import owner
from tests.crash import lost_answers

WRITERS = ("w1", "w2", "w3")
PAUSE_S = 0.01
WORK_S = 0.02
REST_S = 0.004
NEVER = 1_000_000
BEATS = 8
HOLD_S = 1.0


class Host:
    """Starts readers and writers, and ends them.

    Args:
        config: ``name``, ``at`` (where the folder and the sources are), ``home``, ``round``,
            ``lease``, ``settle``, ``mount`` (a command), ``lost`` (how many answers are lost).
    """

    def __init__(self, config: dict[str, Any]) -> None:
        self._config = config
        self._path = Path(config["home"], f"{config['name']}.log")
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
        self._log = os.open(self._path, flags, 0o600)
        self._living: dict[str, tuple[int, str]] = {}
        self._stopped: dict[str, float] = {}

    def live(self) -> int:
        """Do what is said until everybody has come to an end, or nobody says anything any more."""
        socket.sethostname(self._config["name"])
        owner.BEAT_S = self._config["lease"] / BEATS  # type: ignore[misc]
        if self._config["mount"]:
            subprocess.run(self._config["mount"], shell=True, check=True)
        heard = b""
        while True:
            if select.select([0], [], [], PAUSE_S)[0]:
                if not (some := os.read(0, 4096)):
                    return 1
                heard += some
            *lines, heard = heard.split(b"\n")
            for line in lines:
                self._obey(*line.decode().split())
            self._go_on()
            self._collect()

    def _obey(self, word: str, role: str = "", seconds: str = "0") -> None:
        if word == "leave":
            os._exit(0)
        if word == "start":
            self._start(role)
        elif role in self._living:
            self._strike(word, role, float(seconds))

    def _strike(self, word: str, role: str, seconds: float) -> None:
        pid, who = self._living[role]
        if word == "pause":
            if self._stop_with_a_file(pid, who):
                self._stopped[role] = time.monotonic() + seconds
            return
        # Said before it is done: what others do about it comes later.
        self.note(who, word)
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        del self._living[role]
        self._stopped.pop(role, None)
        if word == "kill":
            self._start(role)

    def _stop_with_a_file(self, pid: int, who: str) -> bool:
        """Stop a reader that has a file in hand; return whether it had one in time."""
        deadline = time.monotonic() + HOLD_S
        while time.monotonic() < deadline:
            os.kill(pid, signal.SIGSTOP)
            if self._last_word(who) == "got":
                self.note(who, "pause")
                return True
            os.kill(pid, signal.SIGCONT)
            time.sleep(WORK_S / 10)
        return False

    def _last_word(self, who: str) -> str:
        lines = self._path.read_text().splitlines()
        return next((line.split()[2] for line in reversed(lines) if f" {who} " in line), "")

    def _go_on(self) -> None:
        for role, until in [*self._stopped.items()]:
            if time.monotonic() >= until:
                del self._stopped[role]
                os.kill(self._living[role][0], signal.SIGCONT)

    def _collect(self) -> None:
        for role, (pid, who) in [*self._living.items()]:
            ended, status = os.waitpid(pid, os.WNOHANG)
            if ended:
                del self._living[role]
                self.note(who, "left", str(os.waitstatus_to_exitcode(status)))

    def _start(self, role: str) -> None:
        who = f"{role}.{time.monotonic_ns()}"
        self.note(who, "start")
        if pid := os.fork():
            self._living[role] = pid, who
            return
        code = 1
        try:
            random.seed(who)
            lost_answers.begin(self._config["lost"])
            (self._write if role.startswith("w") else self._read)(role, who)
            code = 0
        except BaseException as error:  # noqa: BLE001 - it is told, and that is an end
            self.note(who, "error", repr(error).replace("\n", " "))
        finally:
            os._exit(code)

    # --- what they do ---

    def _queue(self, **options: Any) -> FolderQueue[Path]:
        config = self._config
        return FolderQueue(
            Path(config["at"], "in"),
            match="*.csv",
            dead_producer="wait",
            max_crashes=NEVER,
            lease=config["lease"],
            settle=config["settle"],
            **options,
        )

    def _read(self, role: str, who: str) -> None:
        queue = self._queue(producers=set(WRITERS))
        self.note(who, "up")
        while (path := queue.get()) is not DONE:
            name = path.name.partition(".")[2]
            self.note(who, "got", name)
            text = path.read_text()
            time.sleep(random.uniform(0, WORK_S))
            self._settle(queue, who, name, whole=text == content_of(name))
        self.note(who, "over")
        queue.release()

    def _settle(self, queue: FolderQueue[Path], who: str, name: str, *, whole: bool) -> None:
        try:
            queue.task_done() if whole else queue.task_failed("it is not whole")
            self.note(who, "did", name)
        except ClaimLost:
            self.note(who, "lost", name)

    def _write(self, role: str, who: str) -> None:
        config = self._config
        enough = Path(config["home"], f"enough.{config['round']}")
        with self._queue(producer=role) as queue:
            self.note(who, "up")
            for source in sorted(Path(config["at"], "sources", role).iterdir()):
                queue.put(source)
                self.note(who, "put", source.name)
                time.sleep(random.uniform(0, REST_S))
            while not enough.exists():
                time.sleep(PAUSE_S)
            self.note(who, "closing")

    def note(self, who: str, word: str, what: str = "") -> None:
        """Leave a line of evidence."""
        os.write(self._log, f"{time.monotonic_ns()} {who} {word} {what}\n".encode())


def content_of(name: str) -> str:
    """Return what a file has in it, which its name says, also when that has a mark."""
    stem = name.partition(".")[0].partition("~")[0]
    return hashlib.sha256(stem.encode()).hexdigest() * 3 + "\n"


if __name__ == "__main__":
    sys.exit(Host(json.loads(sys.argv[1])).live())
