"""Running Snakemake: what it says is handed on, and what went wrong is said last, in one line."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import psutil

GRACE = 3  # seconds for jobs that a terminal has told to end
PATIENCE = 30  # seconds for jobs to end by themselves once they were asked to
SHOWN = 15  # of the engine's last lines, where no job has said what is wrong
_TROUBLE = re.compile(r"^(RuleException|WorkflowError|Error in|Error:|\w*(Error|Exception) in )")
_LOG = re.compile(r"^Complete log\(s\): (.+)")
INTERRUPTED = "steu: interrupted; what is finished is kept, and the same command goes on from there"


def run_engine(
    command: Sequence[str],
    *,
    cluster: bool = False,
    environment: Mapping[str, str] | None = None,
) -> int:
    """Run Snakemake to its end, or to the first job that fails, and return its exit status.

    A failing job stops those beside it, as Ctrl-C does: what they would find, the next run finds.
    From then on nothing of the engine's own is shown. Its log file is named, and the last line is
    the job's. On a cluster a job is tried again, so there all goes on, and is shown, to the end.
    """
    heard = _Heard(cluster)
    with (
        _ending_is_an_interrupt(),
        subprocess.Popen(
            command,
            env={**os.environ, **(environment or {})},
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            errors="replace",
        ) as engine,
    ):
        while True:
            try:
                for line in engine.stderr or ():
                    if heard.trouble_in(line.rstrip()):
                        _stop(engine.pid)
                break
            except KeyboardInterrupt:  # a terminal has told the jobs too, whoever else has not
                heard.said = heard.said or INTERRUPTED
                _later(GRACE, _stop, engine.pid)
    return heard.tell(engine.returncode)


@contextmanager
def _ending_is_an_interrupt() -> Iterator[None]:
    """Who asks the run to end, as a scheduler or a terminal that closes, is answered as Ctrl-C.

    Left to themselves these signals end this process alone, and its jobs go on with nobody there.
    """
    known: dict[int, Any] = {}
    if threading.current_thread() is threading.main_thread():
        asked = (signal.SIGTERM, signal.SIGHUP)
        known = {s: signal.getsignal(s) for s in asked if signal.getsignal(s) is signal.SIG_DFL}
    for number in known:  # not one that is ignored, as under nohup
        signal.signal(number, signal.default_int_handler)
    try:
        yield
    finally:
        for number, before in known.items():
            signal.signal(number, before)


@dataclass
class _Heard:
    """What the engine and its jobs have said.

    Attributes
    ----------
    cluster : bool
    said : str
        The line of the first job that failed.
    after : list of str
        The engine's lines since something went wrong.
    log : str
        Its log file.
    last : str
        Its last line that is not empty.
    """

    cluster: bool
    said: str = ""
    after: list[str] = field(default_factory=list)
    log: str = ""
    last: str = ""

    def trouble_in(self, line: str) -> bool:
        """Take a line, show it if it is worth reading, and say whether the run has to stop now."""
        wrong = bool(self.said or self.after)
        self.last = line.strip() or self.last
        if found := _LOG.match(line):
            self.log = found[1].strip()
        elif line == INTERRUPTED:  # a job's; what interrupted it is said
            pass
        elif line.startswith("steu: ") and not wrong and not self.cluster:
            self.said = line
            return True
        elif wrong or _TROUBLE.match(line):
            self.after.append(line)
        if self.cluster or not (self.said or self.after or self.log):
            print(line, file=sys.stderr, flush=True)
        return bool(self.after) and not wrong and not self.cluster

    def tell(self, status: int) -> int:
        """Say last what went wrong, if anything did; the exit status for the caller."""
        if status == 0 and not self.said:
            return 0
        if not self.said and not self.cluster:
            print(*self.after[-SHOWN:], sep="\n", file=sys.stderr)
        if self.log:
            print(f"the engine's own lines: {self.log}", file=sys.stderr)
        print(self.said or _unsaid(self.after, self.last), file=sys.stderr)
        return 130 if self.said == INTERRUPTED else status or 1


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
    timer = threading.Timer(seconds, call, [given])
    timer.daemon = True
    timer.start()


def _kill(everyone: list[psutil.Process]) -> None:
    for one in everyone:
        with suppress(psutil.NoSuchProcess):
            one.kill()


def _unsaid(lines: Sequence[str], last: str) -> str:
    """What can be said of a job that said nothing itself."""
    rule = next((found[1] for x in lines if (found := re.match(r"Error in rule (\w+)", x))), "")
    kept = next((found[1] for x in lines if (found := re.match(r"\s+log: (\S+)", x))), "")
    if not rule:
        return f"steu: the engine stopped before its jobs were done; its last line: {last}"
    see = f"; its notebook, as far as it came, is {kept}" if kept else ""
    return (
        f"steu: the stage {rule} ended without a word, as one does that is killed or runs out of "
        f"memory{see}"
    )
