"""What is seen of a run: on a terminal, in a log, by a program, and by who wants it quiet."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from .conftest import MakeProgram
from .program import Program
from .screen import Terminal

NOISY = """
    import logging
    pipeline = Pipeline("demo", workers=1)

    @pipeline.source
    def numbers():
        for number in range(40):
            if number % 10 == 0: print("source is at", number, "s" * 150)
            if number == 25: logging.getLogger("etl").warning("a warning at %s", number)
            yield number

    @pipeline.stage
    def clean(number):
        print("cleaned", number, "x" * 140)
        if number == 9: print("told", number, file=sys.stderr)
        if number == 7: raise ValueError("[red]bad[/red] :bomb: https://me:secret@host/")
        return number

    @pipeline.stage
    def store(number): time.sleep(0.01)

    logging.basicConfig(format="%(message)s")
    pipeline.run()
"""
"""What is printed is longer than two lines of a narrow terminal."""


def unbroken(lines: list[str], width: int) -> str:
    """Return lines in which those that fill the terminal go on in the next one."""
    return "".join(line if len(line) == width else f"{line}\n" for line in lines)


@pytest.mark.parametrize("width", [80, 200])
def test_lines_stay_whole_above_the_picture_and_its_last_state_is_left(
    program: MakeProgram, width: int
) -> None:
    """What handlers and sources print and log, and what fails; one picture is left below it."""
    terminal = Terminal(program(NOISY), width)
    assert terminal.wait() == 6
    lines = terminal.lines()
    seen = unbroken(lines, width).splitlines()
    for number in range(40):
        assert seen.count(f"cleaned {number} {'x' * 140}") == 1
    for number in range(0, 40, 10):
        assert seen.count(f"source is at {number} {'s' * 150}") == 1
    assert seen.count("a warning at 25") == 1
    told = "demo: clean:8 failed: ValueError: [red]bad[/red] :bomb: https://me:***@host/ (parked)"
    assert seen.count(told) == 1
    assert seen.count(told.removeprefix("demo: ")) == 1, "it is logged as well"
    [top] = [at for at, line in enumerate(seen) if " elapsed" in line]
    assert re.fullmatch(r"demo, load 1 · \d:\d\d elapsed", seen[top])
    assert re.fullmatch(r"clean +█+▒? +100% +39 +40 +1 .*", seen[top + 2])
    assert re.fullmatch(r"store +█+ +100% +39 +39 .*", seen[top + 3])
    assert seen[top + 4].startswith("demo: load 'demo' has nothing outstanding, and 1 item parked")


KILLED = """
    pipeline = Pipeline("demo", workers=2)
    pipeline.source(lambda: range(600))

    @pipeline.stage
    def work(number):
        time.sleep(0.01)
        if number == 300 and not (HERE / "go").exists(): os.kill(os.getppid(), signal.SIGKILL)

    pipeline.run()
"""


def test_who_resumes_sees_at_once_how_long_it_takes(program: MakeProgram) -> None:
    """From the first picture on, with what was done before apart; the killed one left no mess."""
    script = program(KILLED)
    killed = Terminal(script, 80, PERSISTQ_START_METHOD="fork")
    assert killed.wait() == -9
    # A cursor that was hidden would stay so.
    assert "\x1b[?25l" not in killed.written
    script.vanish()
    script.touch("go")
    terminal = Terminal(script, 80, NO_COLOR="1", PERSISTQ_START_METHOD="fork")
    assert terminal.wait() == 0
    first = terminal.plain.partition("elapsed")[2].partition("elapsed")[0]
    [left] = re.findall(r"about (\d+) s left", first)
    assert 1 <= int(left) <= 30
    [done] = re.findall(r"▓+░+ +\d+% +(\d+) +0 +600", first)
    assert 250 <= int(done) < 600
    [(before, now)] = re.findall(r"100% +(\d+) +(\d+) +600", "\n".join(terminal.lines()))
    assert (before, int(now)) == (done, 600 - int(done))
    assert not re.search(r"\x1b\[[0-9;]*3[0-9][0-9;]*m", terminal.written), "there is no colour"


def test_the_item_that_takes_longest_is_named_while_it_does(program: MakeProgram) -> None:
    """And for how long, by a clock that goes on while nothing else happens."""
    script = program(
        """
        pipeline = Pipeline("demo", workers=2)
        pipeline.source(lambda: range(20))

        @pipeline.stage
        def work(number):
            if number == 3: await_file("go")

        pipeline.run()
        """
    )
    terminal = Terminal(script, 100)
    terminal.await_text("1 at work · longest: work:4 for 0.", "longest: work:4 for 1.")
    script.touch("go")
    assert terminal.wait() == 0


BESIDE = """
    pipeline = Pipeline("demo", workers=1)
    pipeline.source(lambda: range(3))

    @pipeline.stage
    def work(number):
        print("by a handler", number)
        if number == 2: await_file("go")

    live = pipeline.start()
    while not (HERE / "go").exists():
        print("be", end="", flush=True)
        print("side", "b" * 150)
        time.sleep(0.05)
    live.wait()
"""


def test_what_the_program_prints_beside_a_run_stays_whole(program: MakeProgram) -> None:
    """Above the picture as well."""
    script = program(BESIDE)
    terminal = Terminal(script, 80)
    terminal.await_text("longest: work:3 for 0.", "beside", "beside")
    script.touch("go")
    assert terminal.wait() == 0
    seen = unbroken(terminal.lines(), 80).splitlines()
    assert seen.count(f"beside {'b' * 150}") >= 2
    assert [line for line in seen if "beside" in line and line != f"beside {'b' * 150}"] == []
    assert len([line for line in seen if " elapsed" in line]) == 1


def test_what_a_forked_process_prints_draws_nothing(program: MakeProgram) -> None:
    """The picture is its parent's; where it writes is where it always did."""
    script = program(
        """
        pipeline = Pipeline("demo", workers=1)
        pipeline.source(lambda: range(2))

        @pipeline.stage
        def work(number):
            if os.fork() == 0:
                print("forked, in a terminal of", sys.stdout.encoding, flush=True)
                os._exit(0)
            os.wait()

        pipeline.run()
        """
    )
    terminal = Terminal(script, 80, PERSISTQ_START_METHOD="fork")
    assert terminal.wait() == 0
    assert terminal.written.count("forked, in a terminal of utf-8") == 2
    assert not re.search(r"\x1b\[2Kforked", terminal.written)


def test_standard_output_that_goes_elsewhere_goes_there(program: MakeProgram) -> None:
    """What handlers print, and what the program prints; the picture stays on the terminal."""
    script = program(BESIDE)
    with (script.home / "out").open("w") as out:
        terminal = Terminal(script, 80, stdout=out, PYTHONUNBUFFERED="1")
    terminal.await_text("longest: work:3 for 0.")
    script.touch("go")
    assert terminal.wait() == 0
    printed = (script.home / "out").read_text().splitlines()
    assert {f"by a handler {number}" for number in range(3)} <= {*printed}
    assert f"beside {'b' * 150}" in printed
    assert "beside" not in terminal.written
    assert "\x1b" not in "".join(printed)


def test_a_terminal_that_cannot_be_drawn_on_gets_lines(program: MakeProgram) -> None:
    """Such as that of an editor."""
    terminal = Terminal(program(NOISY), 80, TERM="dumb")
    assert terminal.wait() == 6
    assert "\x1b" not in terminal.written
    assert re.search(r"demo: clean 39/40, 1 failed \| store 39/39 \| [\d,.]+/s", terminal.written)


def objects(script: Program, **env: str) -> tuple[int, list[dict[str, Any]], list[str]]:
    """Run a script for a program that reads objects; return its code, these, and other lines."""
    ended = script.run(PERSISTQ_PROGRESS="json", PERSISTQ_PROGRESS_INTERVAL="0.1", **env)
    lines = ended.err.splitlines()
    found = [json.loads(line) for line in lines if line.startswith("{")]
    return ended.code, found, [line for line in lines if not line.startswith("{")]


def test_a_program_gets_an_object_for_each_thing_that_comes_up(program: MakeProgram) -> None:
    """The last one says how it ended; standard output, and handlers of logs, are the script's."""
    code, found, others = objects(program(NOISY.replace('print("cleaned"', 'note("cleaned"')))
    assert code == 6
    # What is logged is that of the run as well.
    assert {line.split()[0] for line in others} == {"source", "a", "clean:8", "load"}
    kinds = [one["kind"] for one in found]
    assert kinds[0] == "said"
    assert set(kinds) == {"said", "progress", "failure", "printed", "end"}
    [failure] = [one for one in found if one["kind"] == "failure"]
    assert (failure["item"], failure["stage"]) == ("clean:8", "clean")
    assert "me:***@host" in failure["text"]
    assert [one["text"] for one in found if one["kind"] == "printed"] == ["told 9"]
    last = [one for one in found if one["kind"] == "progress"][-1]
    assert [stage["percent"] for stage in last["stages"]] == [100, 100]
    assert [stage["done"] for stage in last["stages"]] == [39, 39]
    end = found[-1]
    assert (end["kind"], end["outcome"], end["exit_code"]) == ("end", "DONE", 6)
    assert (end["done"], end["parked"], end["outstanding"]) == (78, 1, 0)


def test_a_program_hears_of_a_run_that_stands_still(program: MakeProgram) -> None:
    """Objects go on coming, so that who reads them knows that it lives."""
    script = program(
        """
        pipeline = Pipeline("demo", workers=1)
        pipeline.source(lambda: range(3))

        @pipeline.stage
        def work(number):
            if number == 1: await_file("go")

        pipeline.run()
        """
    )
    env = {"PERSISTQ_PROGRESS": "json", "PERSISTQ_PROGRESS_INTERVAL": "0.1"}
    process = script.start(env=env)
    script.await_said(process, '"what": "work:2", "seconds": 0.5')
    script.touch("go")
    assert script.wait(process).code == 0


def test_who_wants_it_quiet_hears_what_has_gone_wrong(program: MakeProgram) -> None:
    """What failed, and that something is left; nothing of a run without faults."""
    script = program(NOISY.replace('print("cleaned"', 'note("cleaned"'))
    ended = script.run(PERSISTQ_QUIET="1", PERSISTQ_PROGRESS="plain")
    own = [line for line in ended.err.splitlines() if line.startswith("demo")]
    assert len(own) == 2
    assert own[0].startswith("demo: clean:8 failed: ValueError")
    assert own[1].startswith("demo: load 'demo' has nothing outstanding, and 1 item parked")
    script.write(
        NOISY.replace("number == 7", "False")
        .replace('print("s', 'note("s')
        .replace('print("c', 'note("c')
    )
    ended = script.run(PERSISTQ_QUIET="1")
    assert (ended.code, {*ended.err.splitlines()}) == (0, {"told 9", "a warning at 25"})
