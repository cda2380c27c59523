"""The runner: each job one papermill subprocess, what is finished skipped, what breaks reported, the others go on."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from helpers.execution import child, machine
from helpers.execution.diagnose import PORT_TAKEN, Failure, diagnose
from helpers.execution.folders import adopt, aside, put_aside
from helpers.execution.jobs import Job
from helpers.execution.machine import Slot
from helpers.execution.states import (
    FINISHED,
    INTERRUPTED,
    OUTDATED,
    PAUSED,
    RUNNING,
    State,
    key_figure,
    read_metrics,
    state_of,
)

WAITING, STARTED, DONE, SKIPPED, SAVED, FAILED, BLOCKED, STOPPED = (
    "waiting", "running", "done", "skipped", "paused", "failed", "blocked", "stopped"
)  # fmt: skip
GOOD = (DONE, SKIPPED)
POLL_SECONDS = 0.1
STARTS = 3  # of one notebook whose kernel's port is taken each time, before that is a failure
DEFAULT_TIMEOUT_MINUTES = 12 * 60  # for one cell: the length of a hosted session


@dataclass(eq=False)
class Work:
    """A job on its way."""

    job: Job
    state: str = WAITING
    figure: str = ""
    note: str = ""
    failure: Failure | None = None
    seconds: float = 0.0
    process: subprocess.Popen[bytes] | None = None
    slot: Slot | None = None
    lock: child.Lock | None = None
    began: float = 0.0
    log_offset: int = 0
    starts: int = 0
    held_elsewhere: bool = False


@dataclass
class Runner:
    """Runs jobs in order of need, longest first, one per slot. `say` gets one line at each change."""

    jobs: list[Job]
    slots: list[Slot] = field(default_factory=list)
    timeout_minutes: float = DEFAULT_TIMEOUT_MINUTES
    say: Callable[[str], Any] = print
    environ: dict[str, str] = field(default_factory=lambda: dict(os.environ))

    def __post_init__(self) -> None:
        self.slots = list(self.slots) or machine.slots()
        self.works = [Work(job) for job in self.jobs]
        self.of_job = {work.job: work for work in self.works}
        self.digests: dict[str, str] = {}
        self.width = max((len(job.label) for job in self.jobs), default=0)
        project = str(self.jobs[0].project) if self.jobs else ""
        self.environ["PYTHONPATH"] = os.pathsep.join(
            filter(None, [project, self.environ.get("PYTHONPATH", "")])
        )
        for name in ("HELPERS_WORK", "HELPERS_MANIFEST"):  # the children work in notebooks/
            if self.environ.get(name):
                self.environ[name] = str(Path(self.environ[name]).expanduser().absolute())
        if self.jobs:
            self.environ["HELPERS_RUNS"] = str(self.jobs[0].folder.parent)

    def run(self) -> list[Work]:
        """All jobs to their end. On Ctrl-C or SIGTERM the children are ended and KeyboardInterrupt goes on upwards."""
        with _termination_as_interrupt():
            try:
                while any(work.state in (WAITING, STARTED) for work in self.works):
                    if not self._step():
                        time.sleep(POLL_SECONDS)
            finally:
                # A second Ctrl-C must not leave children behind; ending them is bounded by seconds.
                signal.signal(signal.SIGINT, signal.SIG_IGN)
                for work in self.works:
                    if work.state == STARTED:
                        self._end(work, STOPPED, note="what it saved is kept")
        return self.works

    def _step(self) -> bool:
        """One look at everything; True when something changed, so that the next look follows at once."""
        changed = False
        for work in self.works:
            if work.state == STARTED:
                changed |= self._watch(work)
        for work in self._ready():
            changed |= self._try_to_start(work)
        return changed

    def _ready(self) -> list[Work]:
        """Waiting jobs whose needs have ended, the longest first."""
        ready = []
        for work in self.works:
            if work.state != WAITING:
                continue
            needs = [self.of_job[need] for need in work.job.needs]
            if work.job.notebook.reads_runs:
                stem = work.job.notebook.stem
                before = [other for other in self.works if other.job.notebook.stem < stem]
                if any(other.state in (WAITING, STARTED) for other in before):
                    continue
            broken = [need for need in needs if need.state not in (WAITING, STARTED, *GOOD)]
            if broken:
                self._end(work, BLOCKED, note=f"needs {broken[0].job.label}, which is {broken[0].state}")
            elif all(need.state in GOOD for need in needs):
                ready.append(work)
        return sorted(ready, key=lambda work: -work.job.notebook.minutes_cpu)

    def _try_to_start(self, work: Work) -> bool:
        """Skip what is finished; start where a slot is free and no other runner holds the folder."""
        job = work.job
        state = state_of(job, self.digests)
        if state.kind == FINISHED and not job.forced:
            self._end(work, SKIPPED, state.figure, f"finished {state.why}")
            return True
        slot = self._free_slot()
        if slot is None:
            return False
        lock = child.Lock(job.folder.parent, job.name)
        try:
            if state.kind == RUNNING or not lock.take():
                if not work.held_elsewhere:
                    self._tell(self._line(work, "waiting", "", "another runner is at it"))
                work.held_elsewhere = True
                return False
            work.lock, work.slot = lock, slot
            # Looked at again under the lock: another runner may have finished it a moment ago.
            state = state_of(job, self.digests, held_here=True)
            if state.kind == FINISHED and not job.forced:
                self._end(work, SKIPPED, state.figure, f"finished {state.why}")
            else:
                self._start(work, state)
        except OSError as error:
            work.failure = Failure(
                f"could not start: {error}", advice="free some room on the disk and run again"
            )
            self._end(work, FAILED)
        return True

    def _start(self, work: Work, found: State) -> None:
        job, kind = work.job, found.kind
        child.clear_leftovers(job.folder)
        if kind == OUTDATED or (job.forced and kind == FINISHED):
            put_aside(job.folder)
        # What stands here from a stopped attempt must not be taken for the result of this one.
        (job.folder / child.EXECUTED).unlink(missing_ok=True)
        for part in job.folder.glob("**/*.part"):
            part.unlink(missing_ok=True)
        work.log_offset = child.log_start(job.folder)
        assert work.slot is not None
        cell_seconds = max(1, round(60 * self.timeout_minutes)) if self.timeout_minutes else 0
        environ = work.slot.environ(self.environ)
        work.process = child.start(job.source, job.folder, job.overrides, environ, cell_seconds)
        work.state, work.began, work.starts = STARTED, time.monotonic(), work.starts + 1
        how = {PAUSED: found.why, INTERRUPTED: found.why, OUTDATED: f"anew: {found.why}"}.get(kind, "")
        expected = job.notebook.minutes_gpu if work.slot.gpu else job.notebook.minutes_cpu
        self._tell(self._line(work, "started", "", how or f"about {duration(60 * expected)}"))

    def _watch(self, work: Work) -> bool:
        assert work.process is not None
        code = work.process.poll()
        elapsed = time.monotonic() - work.began
        # papermill's own limit is for one cell; this one is for a papermill that hangs itself.
        if code is None and self.timeout_minutes and elapsed > 120 * self.timeout_minutes + 600:
            child.stop(work.process, work.job.folder)
            work.failure = diagnose(work.job.folder, None, work.log_offset, timed_out=round(elapsed / 60, 1))
            self._end(work, FAILED)
            return True
        if code is None:
            return False
        since = time.time() - elapsed - 1
        job = work.job
        child.clear_leftovers(job.folder)
        job.folder = adopt(job.folder, job.name, job.notebook.stem, job.parameters, since)
        metrics = read_metrics(job.folder)
        if metrics.get("complete"):
            shutil.rmtree(aside(work.job.folder), ignore_errors=True)
            self._end(work, DONE, key_figure(metrics))
        elif metrics and code == 0:
            self._end(work, SAVED, key_figure(metrics), "saved, run again and it goes on")
        else:
            failure = diagnose(work.job.folder, code, work.log_offset)
            if failure.what == PORT_TAKEN and work.starts < STARTS:
                self._tell(self._line(work, WAITING, "", f"{PORT_TAKEN}: once more"))
                self._release(work)
                work.state = WAITING
            else:
                work.failure = failure
                self._end(work, FAILED)
        return True

    def _release(self, work: Work) -> None:
        if work.lock is not None:
            work.lock.release()
            work.lock = None

    def _end(self, work: Work, state: str, figure: str = "", note: str = "") -> None:
        if work.process is not None:
            child.stop(work.process, work.job.folder)
            work.seconds = time.monotonic() - work.began
        self._release(work)
        work.state, work.figure, work.note = state, figure, note
        left = self._left()
        self._tell(self._line(work, state, figure, note or (f"left ~{duration(left)}" if left else "")))
        if work.failure is not None:
            self._tell(work.failure.as_text())

    def _tell(self, line: str) -> None:
        """Report, where there is still somebody to report to: a full disk under the log must not stop the runs."""
        try:
            self.say(line)
        except OSError:
            pass

    def _line(self, work: Work, state: str, figure: str, note: str) -> str:
        ended = sum(other.state not in (WAITING, STARTED) for other in self.works)
        taken = duration(work.seconds) if work.seconds else ""
        line = f"[{ended:>2}/{len(self.works)}] {work.job.label:<{self.width}}  {state:<8} {taken:>9}  {figure:<16} {note}"
        return line.rstrip()

    def _free_slot(self) -> Slot | None:
        used = [id(work.slot) for work in self.works if work.state == STARTED]
        return next((slot for slot in self.slots if id(slot) not in used), None)

    def _left(self) -> float:
        """Seconds to go: the plan's minutes, corrected by how long the notebooks before really took."""

        def planned(work: Work) -> float:
            notebook = work.job.notebook
            return 60 * (notebook.minutes_gpu if self.slots[0].gpu else notebook.minutes_cpu)

        measured = [work for work in self.works if work.state == DONE]
        pace = sum(work.seconds for work in measured) / sum(map(planned, measured)) if measured else 1.0
        left = 0.0
        for work in self.works:
            if work.state == WAITING:
                left += pace * planned(work)
            elif work.state == STARTED:
                left += max(0.0, pace * planned(work) - (time.monotonic() - work.began))
        return left / len(self.slots)


def duration(seconds: float) -> str:
    """`41 s`, `12 min`, `3 h 05`."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 5400:
        return f"{seconds / 60:.0f} min"
    return f"{seconds // 3600:.0f} h {seconds % 3600 / 60:02.0f}"


@contextmanager
def _termination_as_interrupt():  # type: ignore[no-untyped-def]
    """SIGTERM and a closed terminal end the run as Ctrl-C does."""

    def interrupt(number: int, frame: object) -> None:
        raise KeyboardInterrupt

    earlier = {number: signal.signal(number, interrupt) for number in (signal.SIGTERM, signal.SIGHUP)}
    earlier[signal.SIGINT] = signal.getsignal(signal.SIGINT)
    try:
        yield
    finally:
        for number, handler in earlier.items():
            signal.signal(number, handler)
