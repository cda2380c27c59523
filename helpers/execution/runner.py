"""The runner: each job one papermill subprocess, what is finished skipped, what breaks reported, the others go on."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from filelock import Timeout

from helpers.environment import EXIT_FAILED, EXIT_OK, EXIT_PAUSED
from helpers.execution import child
from helpers.execution.child import PORT_TAKEN, Slot, diagnose, failure
from helpers.execution.jobs import Job
from helpers.execution.states import (
    FINISHED,
    INTERRUPTED,
    OUTDATED,
    PAUSED,
    State,
    aligned,
    duration,
    key_figure,
    state_of,
)
from helpers.runs import HANDED_DATA, LOCKS, lock_of, publish, read_metrics, take_folder

WAITING, STARTED, DONE, SKIPPED, SAVED, FAILED, BLOCKED, STOPPED = (
    "waiting", "running", "done", "skipped", "paused", "failed", "blocked", "stopped"
)  # fmt: skip
GOOD = (DONE, SKIPPED)
POLL_SECONDS = 0.1
SAVE_SECONDS = 180  # between two copies of the runs while notebooks are at work
CELL_MINUTES = 12 * 60  # the longest that a cell may take: the length of a hosted session


@dataclass(eq=False)
class Work:
    """A job on its way."""

    job: Job
    state: str = WAITING
    figure: str = ""
    failure: str = ""
    seconds: float = 0.0
    process: subprocess.Popen[bytes] | None = None
    slot: Slot | None = None
    folder: Path = Path()  # in which it works
    locks: ExitStack = field(default_factory=ExitStack)
    began: float = 0.0
    starts: int = 0
    held_elsewhere: bool = False


@dataclass
class Runner:
    """Runs jobs in order of need, longest first, one per slot. `say` gets one line at each change, `save` is called
    after every notebook and every few minutes."""

    jobs: list[Job]
    slots: list[Slot] = field(default_factory=child.slots)
    minutes: float = 0.0  # for all of it, 0 is no limit: trainings stop and save in time
    say: Callable[[str], Any] = print
    save: Callable[[], Any] = lambda: None

    def __post_init__(self) -> None:
        self.works = [Work(job) for job in self.jobs]
        self.of_job = {work.job: work for work in self.works}
        self.digests: dict[str, str] = {}
        self.width = max(len(job.label) for job in self.jobs)
        self.began = self.saved = time.monotonic()
        self.runs_dir = self.jobs[0].folder.parent
        (self.runs_dir / LOCKS).mkdir(parents=True, exist_ok=True)
        self.environ = dict(os.environ)
        path = [str(self.jobs[0].project), self.environ.get("PYTHONPATH", "")]
        self.environ["PYTHONPATH"] = os.pathsep.join(filter(None, path))
        self.environ["JUPYTER_PREFER_ENV_PATH"] = "1"  # a user's own `python3` may be another Python
        for name in ("HELPERS_WORK", "HELPERS_MANIFEST"):  # the children work in notebooks/
            if self.environ.get(name):
                self.environ[name] = str(Path(self.environ[name]).expanduser().absolute())
        self.environ["HELPERS_RUNS"] = str(self.runs_dir)

    def run(self) -> list[Work]:
        """All jobs to their end. Ctrl-C, SIGTERM and a closed terminal end the children; KeyboardInterrupt goes on."""
        handlers = {
            number: signal.signal(number, signal.default_int_handler)
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
            if signal.getsignal(number) is not signal.SIG_IGN  # as below nohup
        }
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
            for number, handler in handlers.items():
                signal.signal(number, handler)
        return self.works

    def _step(self) -> bool:
        """One look at everything; True when something changed, so that the next look follows at once."""
        changed = [self._watch(work) for work in self.works if work.state == STARTED]
        changed += [self._try_to_start(work) for work in self._ready()]
        if any(changed) or time.monotonic() - self.saved > SAVE_SECONDS:
            self.save()
            self.saved = time.monotonic()
        return any(changed)

    def _ready(self) -> list[Work]:
        """Waiting jobs whose needs have ended, the longest first."""
        ready = []
        for work in [work for work in self.works if work.state == WAITING]:
            notebook = work.job.notebook
            before = [w for w in self.works if notebook.reads_runs and w.job.notebook.stem < notebook.stem]
            needs = [self.of_job[need] for need in work.job.needs]
            broken = [need for need in needs if need.state not in (WAITING, STARTED, *GOOD)]
            if any(other.state in (WAITING, STARTED) for other in before):
                continue
            if self.minutes and self._minutes_left() < 1:
                self._end(work, SAVED, note="no time left, run again")
            elif broken:
                self._end(work, BLOCKED, note=f"needs {broken[0].job.label}, which is {broken[0].state}")
            elif all(need.state in GOOD for need in needs):
                ready.append(work)
        return sorted(ready, key=lambda work: -work.job.notebook.minutes_cpu)

    def _minutes_left(self) -> float:
        return self.minutes - (time.monotonic() - self.began) / 60

    def _try_to_start(self, work: Work) -> bool:
        """Skip what is finished; start where a slot is free and no other runner works on it."""
        if self._is_finished(work, state_of(work.job, self.digests)):
            return True
        used = [id(other.slot) for other in self.works if other.state == STARTED]
        work.slot = next((slot for slot in self.slots if id(slot) not in used), None)
        if work.slot is None:
            return False
        try:
            work.locks.enter_context(lock_of(self.runs_dir, f"{work.job.name}.runner"))
        except Timeout:
            if not work.held_elsewhere:
                self._tell(work, "another runner works on it")
            work.held_elsewhere = True
            return False
        # Looked at again under the lock: another runner may have finished it a moment ago.
        state = state_of(work.job, self.digests, held_here=True)
        if not self._is_finished(work, state):
            try:
                work.folder, lock = take_folder(self.runs_dir, work.job.name)
                work.locks.callback(lock.release, force=True)
                self._start(work, state)
            except OSError as error:
                work.failure = failure(f"could not start: {error}", advice="free some room and run again")
                self._end(work, FAILED)
        return True

    def _is_finished(self, work: Work, state: State) -> bool:
        if state.kind != FINISHED or work.job.forced:
            return False
        self._end(work, SKIPPED, state.figure, f"finished {state.why}")
        return True

    def _start(self, work: Work, found: State) -> None:
        assert work.slot is not None
        job, overrides, seconds = work.job, dict(work.job.overrides), 60.0 * CELL_MINUTES
        child.clear_leftovers(work.folder)
        # What a stopped attempt left must not be taken for the result of this one.
        for part in [work.folder / child.EXECUTED, *work.folder.glob("**/*.part")]:
            part.unlink(missing_ok=True)
        if self.minutes:
            left = self._minutes_left()
            seconds = min(seconds, 60 * left)
            if "max_minutes" in job.parameters:  # a tenth for what comes before and after the epochs
                limit = round(0.9 * left, 2)
                overrides["max_minutes"] = min(limit, job.parameters["max_minutes"] or limit)
        environ = {**work.slot.environ(self.environ), HANDED_DATA: job.fingerprint}
        work.process = child.start(job.source, work.folder, overrides, environ, max(1, round(seconds)))
        work.state, work.began, work.starts = STARTED, time.monotonic(), work.starts + 1
        how = {PAUSED: found.why, INTERRUPTED: found.why, OUTDATED: f"anew: {found.why}"}.get(found.kind)
        self._tell(work, how or f"about {duration(self._planned(work))}", "started")

    def _watch(self, work: Work) -> bool:
        """True when the notebook has ended."""
        assert work.process is not None
        code = work.process.poll()
        if code is None:
            return False
        child.clear_leftovers(work.folder)
        metrics = read_metrics(work.folder)
        if metrics.get("complete"):
            work.folder = publish(work.folder)
            if code > 0:  # a cell behind run.finish raised: the results stay, and the fault is told
                work.failure = diagnose(work.folder, code)
            self._end(work, FAILED if work.failure else DONE, key_figure(metrics))
        elif metrics and code == 0:
            self._end(work, SAVED, key_figure(metrics), "saved, run again and it resumes")
        else:
            work.failure = diagnose(work.folder, code)
            if PORT_TAKEN in work.failure and work.starts < 2:
                work.locks.close()
                work.state, work.failure = WAITING, ""
                self._tell(work, f"{PORT_TAKEN}: once more")
            else:
                self._end(work, FAILED)
        return True

    def _end(self, work: Work, state: str, figure: str = "", note: str = "") -> None:
        if work.process is not None:
            child.stop(work.process, work.folder)
            work.seconds = time.monotonic() - work.began
        work.locks.close()
        work.state, work.figure = state, figure
        left = self._seconds_left()
        self._tell(work, note or (f"left ~{duration(left)}" if left else ""))

    def _tell(self, work: Work, note: str, state: str = "") -> None:
        """One line, and why it failed; a full disk under the log must not stop the runs."""
        ended = sum(other.state not in (WAITING, STARTED) for other in self.works)
        taken = duration(work.seconds) if work.seconds else ""
        line = f"[{ended:>2}/{len(self.works)}] {work.job.label:<{self.width}}  {state or work.state:<8} {taken:>9}"
        with suppress(OSError):
            self.say(f"{line}  {work.figure:<16} {note}".rstrip())
            if work.failure:
                self.say(work.failure)

    def _planned(self, work: Work) -> float:
        """Seconds by the plan."""
        return 60 * (work.job.notebook.minutes_gpu if self.slots[0].gpu else work.job.notebook.minutes_cpu)

    def _seconds_left(self) -> float:
        """The plan's times of what is left, corrected by how long the notebooks before really took."""
        measured = [work for work in self.works if work.state == DONE]
        pace = sum(work.seconds for work in measured) / sum(map(self._planned, measured)) if measured else 1.0
        to_do = sum(pace * self._planned(work) for work in self.works if work.state == WAITING)
        for work in self.works:
            if work.state == STARTED:
                to_do += max(0.0, pace * self._planned(work) - (time.monotonic() - work.began))
        return to_do / len(self.slots)


def summary(works: list[Work], seconds: float) -> str:
    """A line a notebook, then one sentence."""
    rows = [["notebook", "state", "time", "figure", "run folder"]]
    for work in works:
        taken = duration(work.seconds) if work.seconds else "-"
        folder = work.job.name if work.job.folder.is_dir() else "-"
        rows.append([work.job.label, work.state, taken, work.figure or "-", folder])
    states = [work.state for work in works]
    total = ", ".join(f"{states.count(state)} {state}" for state in sorted(set(states)))
    return f"{aligned(rows)}\n{total} in {duration(seconds)}; run folders in {works[0].job.folder.parent}"


def exit_code(works: list[Work]) -> int:
    """0 when all are complete, 3 when some are saved to be resumed, 1 when anything else happened."""
    states = {work.state for work in works}
    if states <= set(GOOD):
        return EXIT_OK
    return EXIT_PAUSED if states <= {*GOOD, SAVED} else EXIT_FAILED
