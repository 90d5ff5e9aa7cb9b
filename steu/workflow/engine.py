"""Running Snakemake: what it says is handed on, and what went wrong is said last, in one line."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from threading import Timer
from typing import Any

import psutil

GRACE = 3  # seconds for jobs that a terminal has told to end
PATIENCE = 30  # seconds for jobs to end by themselves once they were asked to
SHOWN = 15  # of the engine's last lines, where no job has said what is wrong
_TROUBLE = re.compile(r"^(RuleException|WorkflowError|Error in|Error:|\w*(Error|Exception) in )")
_LOG = re.compile(r"^Complete log\(s\): (.+)")
INTERRUPTED = "steu: interrupted; what is finished is kept, and the same command goes on from there"


def run_engine(command: Sequence[str]) -> int:
    """Run Snakemake to its end, or to the first job that fails, and return its exit status.

    A failing job stops those beside it, as Ctrl-C does: what they would find, the next run finds.
    From then on nothing of the engine's own is shown. Its log file is named, and the last line is
    the job's.
    """
    said, after, log = "", list[str](), ""
    with subprocess.Popen(
        command, stderr=subprocess.PIPE, text=True, encoding="utf-8", errors="replace"
    ) as engine:
        assert engine.stderr is not None  # it is a pipe
        while True:
            try:
                for line in engine.stderr:
                    if found := _LOG.match(line):
                        log = found[1].strip()
                    elif line.rstrip() == INTERRUPTED:  # a job's; what interrupted it is said
                        continue
                    elif line.startswith("steu: ") and not said and not after:
                        said = line.rstrip()
                        _stop(engine.pid)
                    elif after or said:
                        after.append(line.rstrip())
                    elif _TROUBLE.match(line):
                        after.append(line.rstrip())
                        _stop(engine.pid)
                    else:
                        print(line, end="", file=sys.stderr, flush=True)
                break
            except KeyboardInterrupt:  # a terminal has told the jobs too, whoever else has not
                said = said or INTERRUPTED
                _later(GRACE, _stop, engine.pid)
    if engine.returncode == 0 and not said:
        return 0
    for line in () if said else after[-SHOWN:]:
        print(line, file=sys.stderr)
    if log:
        print(f"the engine's own lines: {log}", file=sys.stderr)
    print(said or _unsaid(after), file=sys.stderr)
    return 130 if said == INTERRUPTED else engine.returncode or 1


def _stop(pid: int) -> None:
    """Ask the engine and all jobs below it to end, as Ctrl-C does, and make sure that they do."""
    with suppress(psutil.NoSuchProcess):
        engine = psutil.Process(pid)
        everyone = [*engine.children(recursive=True), engine]
        for one in everyone:
            with suppress(psutil.NoSuchProcess):
                one.send_signal(signal.SIGINT)
        _later(PATIENCE, _kill, everyone)


def _later(seconds: float, call: Callable[[Any], None], given: Any) -> None:
    timer = Timer(seconds, call, [given])
    timer.daemon = True
    timer.start()


def _kill(everyone: list[psutil.Process]) -> None:
    for one in everyone:
        with suppress(psutil.NoSuchProcess):
            one.kill()


def _unsaid(lines: Sequence[str]) -> str:
    """What can be said of a job that said nothing itself."""
    rule = next((found[1] for x in lines if (found := re.match(r"Error in rule (\w+)", x))), "")
    kept = next((found[1] for x in lines if (found := re.match(r"\s+log: (\S+)", x))), "")
    if not rule:
        return "steu: the engine stopped before its jobs were done; its last lines are above"
    see = f"; its notebook, as far as it came, is {kept}" if kept else ""
    return (
        f"steu: the stage {rule} ended without a word, as one does that is killed or runs out of "
        f"memory{see}"
    )
