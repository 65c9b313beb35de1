"""Break a writing process at random moments, in four ways, and look at what it leaves.

    python -m tests.faults --fault kill --times 200 --seed 1

kill: the process gets SIGKILL. damage: the same, and then Chroma's folder is deleted, cut short or overwritten with
noise. disk: it writes until a disk of a few MiB is full. server: its Chroma server gets SIGKILL and comes back.

After each, another process opens the index and must find: whole documents only, each a version that was written, a
question answered, and `doctor --full` clean, at the latest after one repair.
"""

from __future__ import annotations

import argparse
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.servers import free_port, start_chroma

ROOT = Path(__file__).parent.parent
NAMES = 12
SECONDS = 1.0  # of writing, at most, before the fault
STOPPED = 3  # exit code of a writer that an IndexStateError ended
DISK, ROOM = 48 * 2**20, 3 * 2**20  # bytes of the small disk, and at most so many of them free when writing begins


@dataclass
class Result:
    """`changes`: faults after which the index was another than before; `repairs`: those that needed a repair."""

    faults: int = 0
    changes: int = 0
    repairs: int = 0
    broken: list[str] = field(default_factory=list)


# ---- the process that is broken


def text(name: int, version: int) -> str:
    """A document of many chunks that tells in every sentence which and what version it is."""
    return "\n\n".join(f"Part {part} of document {name} in version {version}. " * 4 for part in range(version % 40 + 3))


def write_for_ever(folder: Path, seed: int) -> None:
    """Add, replace and remove by chance until killed, or until the index says that it cannot."""
    from index import Document, Index, IndexStateError
    from index.embed import HashEmbedder

    rng = random.Random(seed)
    try:
        with Index.open(folder, HashEmbedder()) as index:
            print("ready", flush=True)
            while True:
                name, version = rng.randrange(NAMES), rng.randrange(10**6)
                there = [info.doc_id for info in index.documents()]
                if there and rng.random() < 0.25:
                    index.remove(rng.choice(there))
                else:
                    made = [Document(f"d{n:02d}", f"T{n}", text(n, version), f"s{n}", f"{n}-{version}")
                            for n in {name, rng.randrange(NAMES)}]  # fmt: skip
                    index.add_documents(made)
    except IndexStateError as exc:
        print(exc, flush=True)
        sys.exit(STOPPED)


@contextmanager
def writer(home: Path, seed: int, limit: Callable[[], None] | None = None) -> Iterator[subprocess.Popen[str]]:
    """A process that writes; killed at the end, if it still runs."""
    command = [sys.executable, "-m", "tests.faults", "--write", str(home / "index"), "--seed", str(seed)]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, preexec_fn=limit)
    assert process.stdout
    try:
        process.stdout.readline()
        yield process
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def stopped(process: subprocess.Popen[str]) -> list[str]:
    """What is wrong with how a writer ended that could not go on: it must say the reason, without a traceback."""
    assert process.stdout
    said = process.stdout.read()
    code = process.wait()
    return [] if code == STOPPED and ";" in said else [f"the writer ended with {code} and said {said[-300:]!r}"]


# ---- the faults: each breaks a writer once, and says what was wrong already then


def kill(home: Path, rng: random.Random) -> list[str]:
    with writer(home, rng.randrange(10**6)) as process:
        time.sleep(rng.uniform(0, SECONDS))
        process.send_signal(signal.SIGKILL)
    return []


def damage(home: Path, rng: random.Random) -> list[str]:
    kill(home, rng)
    for store in sorted((home / "index").glob("chroma-*")):
        harm(store, rng.choice(["deleted", "truncated", "noise"]), rng)
    return []


def harm(store: Path, how: str, rng: random.Random) -> None:
    """Delete a folder, or cut its files to half or fill them with noise."""
    if how == "deleted":
        shutil.rmtree(store)
        return
    for path in sorted(path for path in store.rglob("*") if path.is_file()):
        data = path.read_bytes()
        path.write_bytes(rng.randbytes(len(data)) if how == "noise" else data[: len(data) // 2])


def disk(home: Path, rng: random.Random) -> list[str]:
    """Write until the disk is full, look at it as it is, and make room again."""
    ballast, free = home / "ballast", shutil.disk_usage(home).free
    if free > DISK:  # no small disk here: no file may grow beyond a size instead
        most = rng.randrange(200_000, 2_000_000)
        with writer(home, rng.randrange(10**6), lambda: no_file_above(most)) as process:
            return stopped(process)
    ballast.write_bytes(bytes(max(0, free - rng.randrange(ROOM // 10, ROOM))))
    with writer(home, rng.randrange(10**6)) as process:
        wrong = stopped(process)
    wrong += [f"on the full disk {what}" for what in documents_that_are_not_whole(home)]
    ballast.unlink()
    return wrong


def no_file_above(most: int) -> None:
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))


def server(home: Path, rng: random.Random) -> list[str]:
    """`$FOOTNOTE_CHROMA` names a server that is killed while the process writes, and then comes back."""
    port = int(os.environ["FOOTNOTE_CHROMA"].rsplit(":", 1)[1])
    process = start_chroma(home / "server", port)
    with writer(home, rng.randrange(10**6)) as at_work:
        time.sleep(rng.uniform(0, SECONDS))
        process.kill()
        process.wait()
        return stopped(at_work)


FAULTS = {"kill": kill, "damage": damage, "disk": disk, "server": server}


# ---- what is left


def documents_that_are_not_whole(home: Path) -> list[str]:
    from index import Index
    from index.embed import HashEmbedder

    wrong = []
    with Index.open(home / "index", HashEmbedder()) as index:
        for info in index.documents():
            name, version = info.sha256.split("-")
            if index.document(info.doc_id).text != text(int(name), int(version)):
                wrong.append(f"{info.doc_id} is not whole")
    return wrong


def look(home: Path) -> tuple[str, bool, list[str]]:
    """(what the index holds, whether a repair was needed, what is wrong)."""
    from index import Index
    from index.embed import HashEmbedder
    from rag import retrieve

    wrong = documents_that_are_not_whole(home)
    with Index.open(home / "index", HashEmbedder()) as index:
        held = index.documents()
        if held and not retrieve("part of a document in version", 5, index):
            wrong.append("no passage is found")
        report = index.doctor(full=True)
        repair = not report.ok
        if repair:
            report = index.doctor(full=True, repair=True)
        wrong += [f"{problem.kind}: {problem.detail}" for problem in report.problems]
        return repr([(info.doc_id, info.sha256) for info in held]), repair, wrong


def looked(home: Path, before: str) -> tuple[str, bool, list[str]]:
    """`look`, with an index that cannot be used as one more thing that is wrong."""
    from index import IndexStateError

    try:
        return look(home)
    except IndexStateError as exc:
        return before, True, [str(exc)]


@contextmanager
def place(fault: str) -> Iterator[Path]:
    """A folder to work in: for `disk` a disk of its own where one can be mounted, for `server` with an address set."""
    from index.settings import settings

    with tempfile.TemporaryDirectory() as folder:
        mounted = fault == "disk" and mount(Path(folder))
        if fault == "server":
            os.environ["FOOTNOTE_CHROMA"] = f"http://127.0.0.1:{free_port()}"
            settings.cache_clear()
        try:
            yield Path(folder)
        finally:
            if mounted:
                subprocess.run(["umount", "--lazy", folder], check=True)  # Chroma lets go of its files late
            if fault == "server":
                del os.environ["FOOTNOTE_CHROMA"]
                settings.cache_clear()


def mount(folder: Path) -> bool:
    """Whether a small disk could be put there, which takes root."""
    command = ["mount", "-t", "tmpfs", "-o", f"size={DISK}", "tmpfs", str(folder)]
    return bool(shutil.which("mount")) and subprocess.run(command, capture_output=True).returncode == 0


@contextmanager
def back(home: Path, fault: str) -> Iterator[None]:
    """What the fault took away is there again."""
    if fault != "server":
        yield
        return
    process = start_chroma(home / "server", int(os.environ["FOOTNOTE_CHROMA"].rsplit(":", 1)[1]))
    try:
        yield
    finally:
        process.kill()
        process.wait()


def main(fault: str, times: int, seed: int) -> Result:
    """Break it so many times; every moment is drawn by the seed, what it meets is up to the machine."""
    rng, result, before = random.Random(seed), Result(), ""
    with place(fault) as home:
        for at in range(times):
            wrong = FAULTS[fault](home, rng)
            with back(home, fault):
                held, repair, more = looked(home, before)
            result.faults += 1
            result.changes += held != before
            result.repairs += repair
            result.broken += [f"{fault} {at}: {what}" for what in [*wrong, *more]]
            before = held
    return result


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--fault", choices=sorted(FAULTS), default="kill")
    parser.add_argument("--times", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--write", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.write:
        write_for_ever(options.write, options.seed)
    found = main(options.fault, options.times, options.seed)
    print(found)
    sys.exit(bool(found.broken))
