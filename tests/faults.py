"""Kill a process that adds, replaces and removes, at random moments, and look at what it leaves.

    python -m tests.faults --kills 200 --seed 1

After each kill the index is opened by another process, which must find: whole documents only, each the version that
was written before or after, a question answered, and `doctor --full` clean, at the latest after one repair.
"""

from __future__ import annotations

import argparse
import random
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parent.parent
NAMES = 12


@dataclass
class Result:
    """`changes`: kills after which the index was another than before; `repairs`: those that needed a repair."""

    kills: int = 0
    changes: int = 0
    repairs: int = 0
    broken: list[str] = field(default_factory=list)


def text(name: int, version: int) -> str:
    """A document of many chunks that tells in every sentence which and what version it is."""
    return "\n\n".join(f"Part {part} of document {name} in version {version}. " * 4 for part in range(version % 40 + 3))


def write_for_ever(folder: Path, seed: int) -> None:
    """Add, replace and remove by chance until killed."""
    from index import Document, Index
    from index.embed import HashEmbedder

    rng = random.Random(seed)
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


def look(folder: Path) -> tuple[str, bool, list[str]]:
    """(what the index holds, whether a repair was needed, what is wrong)."""
    from index import Index
    from index.embed import HashEmbedder
    from rag import retrieve

    wrong = []
    with Index.open(folder, HashEmbedder()) as index:
        held = index.documents()
        for info in held:
            name, version = info.sha256.split("-")
            if index.document(info.doc_id).text != text(int(name), int(version)):
                wrong.append(f"{info.doc_id} is not whole")
        if held and not retrieve("part of a document in version", 5, index):
            wrong.append("no passage is found")
        report = index.doctor(full=True)
        repair = not report.ok
        if repair:
            report = index.doctor(full=True, repair=True)
        wrong += [f"{problem.kind}: {problem.detail}" for problem in report.problems]
        return repr([(info.doc_id, info.sha256) for info in held]), repair, wrong


def main(folder: Path, kills: int, seed: int) -> Result:
    """Kill so many times; every moment is drawn by the seed, what it meets is up to the machine."""
    rng, result, before = random.Random(seed), Result(), ""
    for at in range(kills):
        command = [sys.executable, "-m", "tests.faults", "--write", str(folder / "index"), "--seed", str(seed + at)]
        process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE)
        assert process.stdout
        process.stdout.readline()
        time.sleep(rng.uniform(0, 1.0))
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()
        held, repair, wrong = look(folder / "index")
        result.kills += 1
        result.changes += held != before
        result.repairs += repair
        result.broken += [f"kill {at}: {what}" for what in wrong]
        before = held
    return result


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--write", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.write:
        write_for_ever(options.write, options.seed)
    with tempfile.TemporaryDirectory() as place:
        found = main(Path(place), options.kills, options.seed)
    print(found)
    sys.exit(bool(found.broken))
