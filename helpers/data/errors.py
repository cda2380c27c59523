"""The failures that the data stage explains: every message says what to do next."""

from __future__ import annotations

import contextlib
import errno
import os
import traceback
from collections.abc import Iterator


class DataError(RuntimeError):
    """Something about a data set (manifest, source, archive, protocol) that the user can put right."""

    def _render_traceback_(self) -> list[str]:
        """What IPython shows in a notebook: the sentence, or with HELPERS_TRACEBACK=1 where it came from."""
        if os.environ.get("HELPERS_TRACEBACK"):
            return traceback.format_exception(self)
        return [f"{type(self).__name__}: {self}"]


class ManifestError(DataError):
    """data_manifest.yaml says something that cannot be used."""


class SourceError(DataError):
    """The data were not found, or could not be fetched."""


class StagingError(DataError):
    """An archive is damaged, unsafe, or does not fit on the disk."""


class CountMismatch(DataError):
    """The utterances found are not the utterances that the manifest or the protocol promises."""


class BadAudio(ValueError):
    """One file that cannot be used, with the reason in words; the feature cache lists it in rejected.csv."""


ROOM = "make room, or set HELPERS_WORK to a larger disk"
MOUNT = "a drive over its quota or a broken mount: copy the file to your own drive, mount it again, and call again"
WORDS_OF_ERRNO = {
    errno.EIO: f"the disk or drive gave an input/output error: {MOUNT}",
    errno.ENOTCONN: f"the drive is not connected any more: {MOUNT}",
    errno.ESTALE: f"the drive was mounted anew meanwhile: {MOUNT}",
    errno.ETIMEDOUT: f"the drive does not answer: {MOUNT}",
    errno.ENAMETOOLONG: "a file's name is too long for this file system (mostly 255 bytes, 2 for each Cyrillic "
    "letter): rename it where it comes from, and pack it again",
    errno.ENOSPC: f"the disk is full: {ROOM}",
    errno.EDQUOT: f"the quota of the disk is used up: {ROOM}",
    errno.EROFS: "the disk is read-only: set HELPERS_WORK and HELPERS_RUNS to a folder that can be written",
    errno.EACCES: "permission is denied: change the file's permissions, or set HELPERS_WORK to a folder of your own",
    errno.EPERM: "the system does not allow it: set HELPERS_WORK to a folder of your own",
    errno.EMFILE: "too many files are open: close other programs, or raise the limit with `ulimit -n 4096`",
    errno.ENFILE: "too many files are open: close other programs, or raise the limit with `ulimit -n 4096`",
    errno.EEXIST: "a file and a folder have the same name: rename one of them and try again",
    errno.ENOTDIR: "a file and a folder have the same name: rename one of them and try again",
    errno.EISDIR: "a folder is where a file should be: rename one of them and try again",
    errno.ENOENT: "there is no such file or folder: check its path",
}
WORDS_OF_STATUS = {
    401: "the service does not accept the token: make a new one and save it again",
    403: "the service asks for consent or permission first: open its page in a browser and accept the terms",
    404: "the service has nothing at this address: check the name, or see whether it moved",
    429: "the service is asked too often: wait a few minutes and call again",
    503: "the service is down for the moment: call again later",
}


def say(error: BaseException) -> str:
    """Any error as one sentence with what to do: full disks, broken mounts, refusals of a service, no network."""
    response = getattr(error, "response", None)
    status = getattr(response, "status_code", None) or getattr(error, "code", None)
    if status in WORDS_OF_STATUS:
        return f"{WORDS_OF_STATUS[status]} (status {status})"
    kinds = {kind.__name__ for kind in type(error).__mro__}
    if kinds & {"ConnectionError", "ConnectTimeout", "ReadTimeout", "ProxyError", "URLError", "gaierror"}:
        return "there is no connection: check the network and call again"
    if isinstance(error, UnicodeEncodeError):
        return f"{error.object[error.start : error.end]!r} cannot be shown here: set PYTHONIOENCODING=utf-8"
    if isinstance(error, OSError) and error.errno in WORDS_OF_ERRNO:
        name = os.path.basename(str(error.filename or ""))
        name = name if len(name) <= 60 else name[:57] + "..."
        return (f"{name}: " if name else "") + WORDS_OF_ERRNO[error.errno]
    return " ".join(str(error).split()) or type(error).__name__


@contextlib.contextmanager
def disk_errors(name: str, doing: str = "staged", then: str = "the next call begins anew") -> Iterator[None]:
    """A full disk, a broken mount, a name too long: StagingError in words."""
    try:
        yield
    except OSError as error:
        if isinstance(error, FileNotFoundError) or error.errno not in WORDS_OF_ERRNO:
            raise
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            said = f"the disk filled up while {name} was {doing}: {ROOM}"
        else:
            said = f"{name} could not be {doing}: {say(error)}"
        raise StagingError(f"{said}; {then}") from error
