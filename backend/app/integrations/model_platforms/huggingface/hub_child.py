"""A program of its own: asks the Hub by the official library.

A process, because the library blocks, is heavy, and can't be told to stop: this one can be killed at any moment,
and the platform's own never sees the library. It imports nothing of the platform, gets no secret but the Hub's
token, and runs nothing that it fetches.

Each line that it reads is a question as JSON; it ends when its input is closed, so it outlives nobody. Each line
that it writes is JSON: {"progress": ...} any number of times, then {"answer": ...} or {"failure": ...}.
"""

import fcntl
import hashlib
import json
import os
import queue
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, cast

Json = dict[str, Any]

TELL_SECONDS = 0.1
"""Least time between two lines of progress."""

_CHUNK = 1 << 18
_NO_SPACE = (28, 27, 122)  # ENOSPC, EFBIG, EDQUOT

# What a listing is asked to tell of each model, beside its name.
_TOLD = [
    "downloads",
    "likes",
    "gated",
    "tags",
    "pipeline_tag",
    "lastModified",
    "library_name",
    "gguf",
    "safetensors",
]


def search(question: Json) -> list[Json]:
    from huggingface_hub import HfApi

    found = HfApi(question["endpoint"], token=question["token"] or False).list_models(
        search=question["query"] or None,
        limit=question["limit"],
        filter=question["tags"] or None,
        author=question["author"],
        pipeline_tag=question["task"],
        sort=question["sort"],
        expand=_TOLD,  # type: ignore[arg-type]  # a list of its literals
    )
    return [_described(model) for model in found]


def info(question: Json) -> Json:
    """With every file's size, and its sha256 or the digest that git has of it."""
    from huggingface_hub import HfApi

    api = HfApi(question["endpoint"], token=question["token"] or False)
    model = api.model_info(
        question["repository"], revision=question["revision"], files_metadata=True, timeout=question["timeout"]
    )
    files = [
        {
            "name": each.rfilename,
            "size": each.size,
            "sha256": each.lfs.sha256 if each.lfs else None,
            "blob": each.blob_id,
        }
        for each in model.siblings or ()
    ]
    return {**_described(model), "commit": model.sha, "private": bool(model.private), "files": files}


def fetch(question: Json) -> Json:
    """The files into `folder`, each under its `path` once it is whole and its digest fits."""
    from huggingface_hub import constants, hf_hub_url
    from huggingface_hub.file_download import http_get

    # By default 10 MiB, of which all that has come is lost when a download breaks off.
    constants.DOWNLOAD_CHUNK_SIZE = _CHUNK

    folder = Path(question["folder"])
    headers = {"authorization": f"Bearer {question['token']}"} if question["token"] else {}
    files: list[Json] = question["files"]
    tell = _teller(sum(file["size"] for file in files))
    with _alone(folder):
        for file in files:
            whole = folder / file["path"]
            whole.parent.mkdir(exist_ok=True)
            if whole.exists() and whole.stat().st_size == file["size"]:
                tell(file, file["size"])
                continue
            part = whole.with_name(f"{whole.name}.part")
            with part.open("ab+") as opened, Sink(opened, file, tell) as sink:
                url = hf_hub_url(
                    question["repository"],
                    file["name"],
                    revision=question["commit"],
                    endpoint=question["endpoint"],
                )
                there = sink.tell()
                http_get(url, cast(BinaryIO, sink), resume_size=there, headers=headers, expected_size=file["size"])
                sink.check()
            part.replace(whole)
    return {}


class WrongDigest(Exception):
    pass


class Sink:
    """As much of a file as the library's download needs. What there is already is gone through first, for the
    digest is of all of it.
    """

    def __init__(self, file: BinaryIO, wanted: Json, tell: Callable[[Json, int], None]) -> None:
        self._file = file
        self._wanted = wanted
        self._tell = tell
        if os.fstat(file.fileno()).st_size > wanted["size"]:
            file.truncate(0)
        self._begin()

    def __enter__(self) -> "Sink":
        return self

    def __exit__(self, *_: object) -> None:
        self._file.flush()

    def tell(self) -> int:
        return self._size

    def write(self, chunk: bytes) -> int:
        self._file.write(chunk)
        self._take(chunk)
        return len(chunk)

    def seek(self, position: int) -> int:
        """Only before `truncate`, when the server does not go on from where it was."""
        self._size = position
        return position

    def truncate(self) -> int:
        self._file.truncate(self._size)
        self._begin()
        return self._size

    def check(self) -> None:
        """Raises WrongDigest, and then nothing of it is left."""
        if self._digest.hexdigest() != (self._wanted["sha256"] or self._wanted["blob"]):
            os.unlink(self._file.name)
            raise WrongDigest(self._wanted["name"])
        self._file.flush()
        os.fsync(self._file.fileno())

    def _begin(self) -> None:
        self._digest = hashlib.sha256() if self._wanted["sha256"] else _git_digest(self._wanted["size"])
        self._size = 0
        self._file.seek(0)
        while chunk := self._file.read(_CHUNK):
            self._take(chunk)

    def _take(self, chunk: bytes) -> None:
        self._digest.update(chunk)
        self._size += len(chunk)
        self._tell(self._wanted, self._size)


def _git_digest(size: int) -> Any:
    """https://git-scm.com/book/en/v2/Git-Internals-Git-Objects"""
    return hashlib.sha1(b"blob %d\0" % size, usedforsecurity=False)


def _teller(total: int) -> Callable[[Json, int], None]:
    done: dict[str, int] = {}
    told_at = 0.0

    def tell(file: Json, size: int) -> None:
        nonlocal told_at
        done[file["name"]] = size
        if size == file["size"] or time.monotonic() - told_at >= TELL_SECONDS:
            told_at = time.monotonic()
            say({"progress": {"file": file["name"], "completed": sum(done.values()), "total": total}})

    return tell


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Waits for one that is about to end. Two would write into the same files."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _described(model: Any) -> Json:
    gguf = model.gguf or {}
    return {
        "id": model.id,
        "downloads": model.downloads,
        "likes": model.likes,
        "gated": bool(model.gated),
        "tags": model.tags or [],
        "task": model.pipeline_tag,
        "library": model.library_name,
        "parameters": gguf.get("total") or (model.safetensors.total if model.safetensors else None),
        "context_window": gguf.get("context_length"),
        "updated": model.last_modified.timestamp() if model.last_modified else None,
    }


def kind_of(error: BaseException) -> str:
    """What went wrong, in a word, by the library's own classes."""
    from huggingface_hub import errors

    kinds: list[tuple[type[BaseException], str]] = [
        (WrongDigest, "digest"),
        (errors.OfflineModeIsEnabled, "offline"),
        (errors.GatedRepoError, "gated"),
        (errors.DisabledRepoError, "disabled"),
        (errors.RepositoryNotFoundError, "missing"),
        (errors.RevisionNotFoundError, "no_revision"),
        (errors.EntryNotFoundError, "no_file"),
        (errors.HFValidationError, "missing"),
    ]
    for kind, word in kinds:
        if isinstance(error, kind):
            return word
    if isinstance(error, errors.HfHubHTTPError):
        return _by_status(error)
    return _by_system(error)


def _by_status(error: Any) -> str:
    status = error.response.status_code
    if status == 401:
        told = error.response.headers.get("X-Error-Message")
        return "unauthorized" if told == "Invalid credentials in Authorization header" else "missing"
    named = {403: "forbidden", 404: "missing", 429: "limited"}
    return named.get(status, "unreachable" if status >= 500 else "refused")


def _by_system(error: BaseException) -> str:
    from httpx2 import HTTPError  # what the library itself speaks HTTP with

    if isinstance(error, OSError) and error.errno in _NO_SPACE:
        return "disk_full"
    if isinstance(error, (HTTPError, ConnectionError, TimeoutError)):
        return "unreachable"
    if isinstance(error, OSError) and "Consistency check failed" in str(error):
        return "unreachable"
    return "disk" if isinstance(error, OSError) else "defect"


def say(line: Json) -> None:
    print(json.dumps(line), flush=True)  # noqa: T201


def main() -> None:
    questions: queue.SimpleQueue[str] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=[questions], daemon=True).start()
    while True:
        question = json.loads(questions.get())
        try:
            say({"answer": {"search": search, "info": info, "fetch": fetch}[question["ask"]](question)})
        except Exception as error:
            where = traceback.format_tb(error.__traceback__)  # not what it says, which may hold a signed address
            say({"failure": {"kind": kind_of(error), "type": type(error).__name__, "where": "".join(where)}})


def _listen(questions: "queue.SimpleQueue[str]") -> None:
    for line in sys.stdin:
        questions.put(line)
    os._exit(0)


if __name__ == "__main__":
    main()
