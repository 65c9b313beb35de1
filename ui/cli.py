"""The command `footnote`. Everything heavy is imported by the command that needs it, so that help is instant.

Standard output carries the result (with `--json`, one JSON document and nothing else); standard error the rest.
Exit codes: 0 done (also when the articles do not say), 1 it failed, 2 wrong usage.
"""

from __future__ import annotations

import io
import json
import os
import shlex
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from index import Index, IndexReport
    from index.types import DocumentInfo
    from rag import Answer, Assistant, Passage

app = typer.Typer(
    name="footnote",
    help="Ask your articles; every answer is footnoted, and every footnote is checked.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
evals_app = typer.Typer(help="Run sets of questions with known answers, and compare runs.", no_args_is_help=True)
app.add_typer(evals_app, name="eval")

IndexOption = Annotated[
    Path | None,
    typer.Option("--index", metavar="DIR", help="Folder of the index [default: $FOOTNOTE_INDEX, else user data]"),
]
LlmOption = Annotated[
    str | None,
    typer.Option(
        "--llm",
        metavar="SPEC",
        help="none, embedded, openai/NAME, anthropic/NAME, ollama/NAME or openai-like/NAME@http://host:port/v1 "
        "[default: $FOOTNOTE_LLM, else none]",
    ),
]
INTERRUPTED = 130  # the exit code that typer gives after Ctrl-C
NAMED = 3  # files that a warning names; `doctor --json` has all

JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON document on standard output")]
HostOption = Annotated[
    str, typer.Option(help="Address to listen on; another one than 127.0.0.1 opens it to the network")
]
PortOption = Annotated[int, typer.Option(min=1, max=65535, help="Port of the page")]
TopOption = Annotated[int, typer.Option("--top-k", min=1, max=100, help="How many passages")]


@app.command()
def add(
    paths: Annotated[list[str], typer.Argument(metavar="PATH|URL...")],
    index: IndexOption = None,
    prune: Annotated[bool, typer.Option("--prune", help="Remove articles whose file is gone from the folders")] = False,
    as_json: JsonOption = False,
) -> None:
    """Add text, markdown, HTML, PDF and DOCX files, folders of them, or web pages.

    Unchanged ones are left alone, changed ones replaced."""
    from rag.contract import report_json

    with _index(index, create=True) as opened, _progress("Adding") as progress:
        report = opened.add(paths, progress, prune)
    done = _counts(report)
    if as_json:
        _print_json(report_json(report))
    elif done:
        print(done)
    if not done:
        _say("footnote: no files there that can be read; check the path")
    for failure in (*report.duplicates, *report.failed):
        _say(f"{failure.source}: {failure.reason}")
    if report.gone:
        _warn_of_gone(report.gone, f"remove {'it' if len(report.gone) == 1 else 'them'} with: {_pruning(paths, index)}")
    if report.failed or not done:
        raise typer.Exit(1)


def _counts(report: IndexReport) -> str:
    """What was done, in words: "2 added, 1 duplicate"; empty when nothing was."""
    names = ("added", "replaced", "unchanged", "removed", "duplicates", "failed")
    counts = [(len(getattr(report, name)), name) for name in names]
    return ", ".join(f"{count} {name if count > 1 else name.removesuffix('s')}" for count, name in counts if count)


def _pruning(paths: list[str], index: Path | None) -> str:
    from index.gone import folders

    place = ["--index", str(index)] if index else []
    return shlex.join(["footnote", "add", *place, "--prune", *map(str, folders(paths))])


def _warn_of_gone(gone: tuple[DocumentInfo, ...], step: str) -> None:
    names = ", ".join(info.source for info in gone[:NAMED]) + (", …" if len(gone) > NAMED else "")
    what = "1 file is gone but still answers" if len(gone) == 1 else f"{len(gone)} files are gone but still answer"
    _say(f"{what}: {names}; {step}")


@app.command("list")
def list_(index: IndexOption = None, as_json: JsonOption = False) -> None:
    """List the articles in the index."""
    from rag.contract import documents_json

    with _index(index, create=True) as opened:
        documents = opened.documents()
    if as_json:
        _print_json(documents_json(documents))
    elif not documents:
        _say("The index is empty; add articles: footnote add PATH")
    else:
        for item in documents:
            print(f"{item.doc_id}  {item.chunks:5d} chunks  {item.title}\n              {item.source}")


@app.command()
def show(doc_id: str, index: IndexOption = None, as_json: JsonOption = False) -> None:
    """Print an article's text, to which all offsets refer. The beginning of an id is enough."""
    from rag.contract import document_json

    with _index(index) as opened:
        document = opened.document(doc_id)
    if as_json:
        _print_json(document_json(document))
    else:
        sys.stdout.write(document.text if document.text.endswith("\n") else document.text + "\n")


@app.command()
def remove(doc_id: str, index: IndexOption = None, as_json: JsonOption = False) -> None:
    """Remove an article from the index. The file itself is not touched."""
    from rag.contract import report_json

    with _index(index) as opened:
        report = opened.remove(doc_id)
    if as_json:
        _print_json(report_json(report))
    else:
        print(f"removed {report.removed[0]}")


@app.command()
def retrieve(question: str, index: IndexOption = None, top_k: TopOption = 5, as_json: JsonOption = False) -> None:
    """Print the passages nearest to a question, without answering it."""
    from time import perf_counter

    from rag import retrieve as find
    from rag.contract import passage_json

    began = perf_counter()
    with _index(index) as opened:
        passages = find(question, top_k, opened)
    seconds = round(perf_counter() - began, 4)
    if as_json:
        found = [passage_json(passage) for passage in passages]
        _print_json({"question": question.strip(), "passages": found, "seconds": seconds})
    else:
        _print_passages(passages)


@app.command()
def ask(question: str, index: IndexOption = None, llm: LlmOption = None, as_json: JsonOption = False) -> None:
    """Answer a question from the articles, with footnotes. Exit code 0 also when the articles do not say."""
    from rag.contract import answer_json

    with _assistant(index, llm) as assistant:
        answer = assistant.ask(question)
    if as_json:
        _print_json(answer_json(answer))
    else:
        _print_answer(answer)


@app.command()
def chat(
    index: IndexOption = None,
    llm: LlmOption = None,
    host: HostOption = "127.0.0.1",
    port: PortOption = 7860,
    browser: Annotated[bool, typer.Option("--browser/--no-browser", help="Open the page in the browser")] = False,
) -> None:
    """Open the chat in the browser: http://127.0.0.1:7860."""
    from ui.app import launch

    with _assistant(index, llm, create=True) as assistant:  # articles may come while it runs
        threading.Thread(target=assistant.warm, daemon=True).start()  # the first question need not wait for torch
        launch(assistant, host=host, port=port, open_browser=browser)


@app.command()
def serve(index: IndexOption = None, llm: LlmOption = None, host: HostOption = "127.0.0.1", port: PortOption = 7860
          ) -> None:  # fmt: skip
    """Serve the chat without opening a browser, for others or behind a web server of yours."""
    chat(index, llm, host, port)


@app.command()
def doctor(
    index: IndexOption = None,
    as_json: JsonOption = False,
    full: Annotated[bool, typer.Option("--full", help="Search every chunk by its own vector, not a sample")] = False,
    repair: Annotated[bool, typer.Option("--repair", help="Mend what can be mended")] = False,
) -> None:
    """Examine the index: texts, word index and vectors must agree. Exit code 1 when something is wrong."""
    from rag.contract import doctor_json

    with _index(index, create=True) as opened:  # an `add` that died at once may have left none
        report = opened.doctor(full, repair)
    if as_json:
        _print_json(doctor_json(report))
    else:
        recall = "" if report.recall is None else f", recall@10 of the vector search {report.recall:.3f}"
        print(f"{report.documents} documents, {report.chunks} chunks, {report.checked} searched for{recall}")
        for line in report.repaired:
            print(f"repaired: {line}")
        for problem in report.problems:
            print(f"{problem.kind}: {problem.detail}")
        well = "the index is sound" if report.gone else "all is well"
        well = well if report.documents else "the index is empty; add articles: footnote add PATH"
        print(well if report.ok else "run: footnote doctor --repair")
    if report.gone:
        _warn_of_gone(report.gone, "remove one with: footnote remove DOC_ID, all of a folder with: "
                      "footnote add --prune FOLDER")  # fmt: skip
    if not report.ok:
        raise typer.Exit(1)


@app.command()
def rebuild(index: IndexOption = None) -> None:
    """Make the vectors anew, also for another embedder ($FOOTNOTE_EMBEDDER). The old ones answer meanwhile."""
    from index import Index

    with Index.open(index, check=False, create=False) as opened, _progress("Embedding") as progress:
        chunks = opened.rebuild(progress)
    print(f"{chunks} chunks have new vectors")


@evals_app.command("run")
def eval_run(
    set_: Annotated[str, typer.Argument(metavar="SET", help="Our JSONL, SQuAD JSON, or a BEIR folder")],
    index: IndexOption = None,
    llm: LlmOption = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Ask only so many of its questions, drawn by --seed")] = None,
    seed: Annotated[int, typer.Option(help="Seed of the draw")] = 0,
    retrieval_only: Annotated[bool, typer.Option("--retrieval-only", help="Measure retrieval, answer nothing")] = False,
    out: Annotated[Path | None, typer.Option(metavar="PATH", help="File or folder for the run")] = None,
    as_json: JsonOption = False,
) -> None:
    """Ask the questions of a set and measure what comes, with 95% intervals."""
    from evals import check_place, load_set, open_index, render, run, save, to_json
    from rag import Assistant

    questions = load_set(set_)
    check_place(out)
    with _progress("Indexing") as progress:
        opened = open_index(questions, index, progress=progress)
    with opened, _progress("Asking") as progress:
        target = opened if retrieval_only else Assistant.open(opened, llm)
        result = run(questions, target, limit=limit, seed=seed, progress=progress)
    path = save(result, out)
    if as_json:
        _print_json(to_json(result, path))
    else:
        render(result)
        print(path)


@evals_app.command("compare")
def eval_compare(run_a: str, run_b: str, as_json: JsonOption = False) -> None:
    """Compare two saved runs of one set, question by question: differences with intervals and p values."""
    from evals import compare, comparison_json, render_comparison

    comparison = compare(run_a, run_b)
    if as_json:
        _print_json(comparison_json(comparison))
    else:
        render_comparison(comparison)


@contextmanager
def _index(path: Path | None, create: bool = False) -> Iterator[Index]:
    """An index that is there; with `create`, for writing, also one that is not there yet."""
    from index import Index

    with Index.open(path, create=create) as opened:
        yield opened


@contextmanager
def _assistant(path: Path | None, llm: str | None, create: bool = False) -> Iterator[Assistant]:
    from rag import Assistant

    with _index(path, create) as opened:
        yield Assistant.open(opened, llm)


@contextmanager
def _progress(label: str) -> Iterator[Callable[[int, int], None]]:
    """A bar on standard error where that is a terminal, and nothing where it is not."""
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), disable=not sys.stderr.isatty(), transient=True) as bars:
        task = bars.add_task(label, total=None)
        yield lambda done, total: bars.update(task, completed=done, total=total)


def _print_answer(answer: Answer) -> None:
    print(answer.text)
    if answer.outcome == "not_found":
        print("\nThe nearest passages:")
        _print_passages(answer.passages[:3])
    shown = {item.marker: item for item in answer.citations}
    if shown:
        print()
    for marker, item in shown.items():
        page = f"page {item.page}, " if item.page else "".join(f"{heading}, " for heading in item.headings[-1:])
        place = f"{item.title} ({page}{item.doc_id}, {item.start}–{item.end})"
        print(f"[{marker}] “{' '.join(item.quote.split())}”\n    {place}")
    for left_out in answer.dropped:
        _say(f"left out: {left_out.text!r}: {left_out.reason}")


def _print_passages(passages: tuple[Passage, ...] | list[Passage]) -> None:
    for passage in passages:
        print(f"{passage.rank}. {passage.title} ({passage.doc_id}, {passage.start}–{passage.end})")
        print("   " + " ".join(passage.text.split()))


def _print_json(value: Any) -> None:
    # ASCII escapes: a lone surrogate in a path or an odd terminal encoding must not break the document.
    print(json.dumps(value, indent=2))


def _say(message: str) -> None:
    print(message, file=sys.stderr)


def main() -> None:
    """Run the command; our errors become one line and exit code 1."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a terminal without “ or … shows a question mark, not a traceback
            stream.reconfigure(errors="replace")
    try:
        try:
            app()
        finally:
            sys.stdout.flush()
    except SystemExit as exc:
        if exc.code == INTERRUPTED:
            _say("footnote: interrupted")
        raise
    except (OSError, UnicodeError) as exc:
        # What was not written would be tried again at exit, and fail with a traceback.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if not isinstance(exc, BrokenPipeError):
            _say(f"footnote: {exc}")
        raise SystemExit(1) from None
    except Exception as exc:
        # Any, to import the errors' module only when there is one: help must not wait for numpy.
        from index.types import FootnoteError

        if not isinstance(exc, FootnoteError):
            raise
        _say(f"footnote: {exc}")
        raise SystemExit(1) from None


if __name__ == "__main__":
    main()
