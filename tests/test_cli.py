"""The command as a person or a program calls it: real processes where exit codes and streams matter."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from index import Index
from tests.conftest import SEED

ROOT = SEED.parent.parent


def footnote(*args: str, index: Path | None = None, **env: str) -> subprocess.CompletedProcess[str]:
    settings = {"FOOTNOTE_INDEX": str(index), **env} if index else env
    return subprocess.run(
        [sys.executable, "-m", "ui.cli", *args], capture_output=True, text=True, cwd=ROOT, env=os.environ | settings
    )


@pytest.fixture(scope="module")
def seeded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the seed article in a real index: the bundled embedder, once for all tests here."""
    folder = tmp_path_factory.mktemp("seeded")
    done = footnote("add", str(SEED), index=folder)
    assert (done.returncode, done.stdout, done.stderr) == (0, "1 added\n", "")
    return folder


def test_adding_again_changes_nothing(seeded: Path) -> None:
    assert footnote("add", "seeds", index=seeded).stdout == "1 unchanged\n"


def test_list_show_and_retrieve_as_json_agree_on_every_offset(seeded: Path) -> None:
    listed = json.loads(footnote("list", "--json", index=seeded).stdout)["documents"]
    assert [(item["source"], item["chunks"]) for item in listed] == [(str(SEED), 13)]
    shown = json.loads(footnote("show", listed[0]["doc_id"], "--json", index=seeded).stdout)
    assert shown["text"] == SEED.read_bytes().decode()
    found = json.loads(footnote("retrieve", "Who was going to Baghdad?", "--json", "--index", str(seeded)).stdout)
    assert found["passages"][0]["text"] == shown["text"][found["passages"][0]["start"] : found["passages"][0]["end"]]
    assert "Baghdad" in found["passages"][0]["text"]
    assert len(found["passages"]) == 5


def test_ask_answers_with_exact_footnotes(seeded: Path) -> None:
    done = footnote("ask", "On what date was Qassem Soleimani assassinated?", "--json", index=seeded)
    answer = json.loads(done.stdout)
    assert (done.returncode, done.stderr, answer["outcome"]) == (0, "", "answered")
    assert "3 January 2020" in answer["text"]
    text = SEED.read_bytes().decode()
    assert answer["citations"]
    assert all(text[c["start"] : c["end"]] == c["quote"] for c in answer["citations"])


def test_ask_prints_the_answer_and_its_footnotes(seeded: Path) -> None:
    done = footnote("ask", "On what date was Qassem Soleimani assassinated?", index=seeded)
    assert re.search(r"3 January 2020.*\[1\]\n\n\[1\] “.*3 January 2020.*”\n    Iran said", done.stdout, re.S)


def test_what_the_article_does_not_say_is_not_found_with_exit_code_0(seeded: Path) -> None:
    done = footnote("ask", "Which vegetables grow best in a greenhouse?", index=seeded)
    assert done.returncode == 0
    assert done.stdout.startswith("The articles do not say.\n\nThe nearest passages:\n1. ")


def test_eval_run_prints_the_metrics_of_the_contract(seeded: Path, tmp_path: Path) -> None:
    done = footnote(
        *("eval", "run", "evals/sets/seed.jsonl", "--limit", "6", "--json", "--out", str(tmp_path)), index=seeded
    )
    value = json.loads(done.stdout)
    assert value["n"] == 6
    assert value["metrics"]["citation.exact"]["value"] == 1.0
    assert {"retrieval.recall@1", "answer.f1", "abstain.accuracy", "latency.p50"} <= value["metrics"].keys()
    compared = footnote("eval", "compare", value["run"], value["run"])
    assert compared.returncode == 0, compared.stderr


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (("ask", ""), "the question is empty; write one"),
        (("ask", "x" * 100_000), "the question has 100,000 characters"),
        (("ask", "Who?", "--llm", "gpt"), "none, embedded, openai/NAME"),
        (("show", "zzz"), "no document has the id 'zzz'; `footnote list` shows those there are"),
        (("remove", "zzz"), "no document has just the id 'zzz'"),
        (("eval", "run", "nowhere.jsonl"), "nowhere.jsonl"),
        (("eval", "compare", "a.json", "b.json"), "a.json"),
    ],
)
def test_failures_are_one_line_with_exit_code_1(seeded: Path, args: tuple[str, ...], message: str) -> None:
    done = footnote(*args, index=seeded)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("footnote: ")
    assert message in done.stderr
    assert done.stderr.count("\n") == 1


def test_an_empty_index_and_another_embedder(seeded: Path, tmp_path: Path) -> None:
    Index.open(tmp_path / "new").close()
    empty = footnote("ask", "Who?", index=tmp_path / "new")
    assert (empty.returncode, empty.stdout) == (1, "")
    assert "the index is empty; add articles first: footnote add PATH" in empty.stderr
    assert json.loads(footnote("list", "--json", index=tmp_path / "new").stdout) == {"documents": []}
    other = footnote("ask", "Who?", index=seeded, FOOTNOTE_EMBEDDER="/no/such/model")
    assert other.returncode == 1
    assert "the index was built with embedder 'all-MiniLM-L6-v2'" in other.stderr
    missing = footnote("add", "seeds", index=tmp_path / "new2", FOOTNOTE_EMBEDDER=str(tmp_path))
    assert missing.returncode == 1
    assert "could not be loaded" in missing.stderr
    assert missing.stderr.count("\n") == 1


@pytest.mark.parametrize(
    "args",
    [("ask", "Who?"), ("retrieve", "Who?"), ("show", "a"), ("remove", "a"), ("rebuild",),
     ("eval", "run", "evals/sets/seed.jsonl")],
)  # fmt: skip
def test_a_mistyped_index_is_an_error_and_makes_no_folder(tmp_path: Path, args: tuple[str, ...]) -> None:
    done = footnote(*args, "--index", str(tmp_path / "typo"))
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == f"footnote: {tmp_path}/typo: there is no index; add articles first: footnote add PATH\n"
    assert list(tmp_path.iterdir()) == []


def test_files_that_are_gone_are_told_and_pruned(tmp_path: Path) -> None:
    folder, index = tmp_path / "my articles", tmp_path / "index"
    folder.mkdir()
    for name in "abcde":
        (folder / f"{name}.txt").write_text(f"The limit of {name} is 10.")
    footnote("add", str(folder), index=index)
    for name in "bcde":
        (folder / f"{name}.txt").unlink()
    done = footnote("add", str(folder), "--index", str(index))
    assert (done.returncode, done.stdout) == (0, "1 unchanged\n")
    named = ", ".join(f"{folder}/{name}.txt" for name in "bcd")
    assert done.stderr == (
        f"4 files are gone but still answer: {named}, …; remove them with: "
        f"footnote add --index {index} --prune '{folder}'\n"
    )
    seen = footnote("doctor", index=index)
    assert (seen.returncode, seen.stdout.splitlines()[-1]) == (0, "the index is sound")
    assert f"4 files are gone but still answer: {named}, …; remove one with: footnote remove DOC_ID" in seen.stderr
    report = json.loads(footnote("doctor", "--json", index=index).stdout)
    assert (report["ok"], len(report["gone"])) == (True, 4)
    assert json.loads(footnote("add", str(folder), "--json", index=index).stdout)["gone"] == report["gone"]
    pruned = footnote("add", "--prune", str(folder), index=index)
    assert (pruned.returncode, pruned.stdout, pruned.stderr) == (0, "1 unchanged, 4 removed\n", "")
    assert footnote("doctor", index=index).stdout.endswith("all is well\n")


def test_add_and_remove_speak_json(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("Some text.")
    (tmp_path / "b.txt").write_text("Some text.")
    (tmp_path / "bad.txt").write_bytes(b"\xff\x00")
    done = footnote("add", str(tmp_path), "--json", index=tmp_path / "index")
    report = json.loads(done.stdout)
    assert (done.returncode, len(report["added"]), report["gone"]) == (1, 1, [])
    assert [Path(item["source"]).name for item in report["duplicates"] + report["failed"]] == ["b.txt", "bad.txt"]
    assert "bad.txt: it is binary" in done.stderr
    removed = json.loads(footnote("remove", report["added"][0], "--json", index=tmp_path / "index").stdout)
    assert removed["removed"] == report["added"]
    nothing = footnote("add", str(tmp_path / "index"), "--json", index=tmp_path / "index")
    assert (nothing.returncode, json.loads(nothing.stdout)["added"]) == (1, [])


def test_files_that_fail_are_named_and_the_rest_is_added(tmp_path: Path) -> None:
    (tmp_path / "good.txt").write_text("Good text.")
    (tmp_path / "same.txt").write_text("Good text.")
    (tmp_path / "bad.txt").write_bytes(b"\xff\x00")
    done = footnote("add", str(tmp_path), index=tmp_path / "index")
    assert (done.returncode, done.stdout) == (1, "1 added, 1 duplicate, 1 failed\n")
    assert "bad.txt: it is binary, not text" in done.stderr


def test_a_folder_without_articles_is_said_so(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    done = footnote("add", str(tmp_path / "empty"), index=tmp_path / "index")
    assert (done.returncode, done.stdout) == (1, "")
    assert "no files there that can be read" in done.stderr


def test_a_broken_set_names_its_line(seeded: Path, tmp_path: Path) -> None:
    path = tmp_path / "set.jsonl"
    path.write_text((ROOT / "evals/sets/seed.jsonl").read_text().splitlines()[0] + "\n{broken\n")
    done = footnote("eval", "run", str(path), index=seeded)
    assert done.returncode == 1
    assert re.search(r"set\.jsonl.*line 2", done.stderr)


@pytest.mark.parametrize("args", [("ask",), ("nonsense",), ("ask", "x", "--top"), ("eval", "run")])
def test_wrong_usage_has_exit_code_2(args: tuple[str, ...]) -> None:
    done = footnote(*args)
    assert done.returncode == 2
    assert "Usage" in done.stderr


@pytest.mark.parametrize("command", ["add", "list", "show", "remove", "retrieve", "ask", "chat", "serve", "eval"])
def test_every_command_has_help(command: str) -> None:
    done = footnote(command, "--help")
    assert done.returncode == 0
    assert "Usage" in done.stdout


def test_doctor_and_rebuild(seeded: Path) -> None:
    report = json.loads(footnote("doctor", "--full", "--json", index=seeded).stdout)
    assert {name: report[name] for name in ("ok", "documents", "chunks", "problems")} == {
        "ok": True, "documents": 1, "chunks": 13, "problems": []}  # fmt: skip
    assert footnote("rebuild", index=seeded).stdout == "13 chunks have new vectors\n"
    (store,) = seeded.glob("chroma-*")
    for path in store.rglob("*.sqlite3"):
        path.write_bytes(b"noise" * 1000)
    mended = footnote("doctor", "--repair", index=seeded)
    assert (mended.returncode, "all is well" in mended.stdout) == (0, True)


@pytest.mark.parametrize("value", ["abc", "-1", "nan", "inf"])
def test_a_setting_that_is_none_is_named_in_one_line(seeded: Path, value: str) -> None:
    done = footnote("list", index=seeded, FOOTNOTE_LOCK_SECONDS=value)
    assert done.returncode == 1
    assert done.stderr.startswith("footnote: FOOTNOTE_LOCK_SECONDS: ")
    assert done.stderr.count("\n") == 1


def test_an_empty_setting_is_none(tmp_path: Path) -> None:
    env = {"FOOTNOTE_INDEX": "", "FOOTNOTE_LLM": "", "XDG_DATA_HOME": str(tmp_path / "data"), "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "ui.cli", "list"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env=os.environ | env)
    assert (done.returncode, done.stdout) == (0, "")
    assert [each.name for each in tmp_path.iterdir()] == ["data"]


@pytest.mark.parametrize("command", ["list", "show"])
def test_output_that_cannot_be_written_is_one_line(seeded: Path, command: str) -> None:
    doc_id = json.loads(footnote("list", "--json", index=seeded).stdout)["documents"][0]["doc_id"]
    args = [sys.executable, "-m", "ui.cli", command, *([doc_id] if command == "show" else [])]
    env = os.environ | {"FOOTNOTE_INDEX": str(seeded)}
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(args, stdout=full, stderr=subprocess.PIPE, text=True, cwd=ROOT, env=env)
    assert (done.returncode, done.stderr) == (1, "footnote: [Errno 28] No space left on device\n")


def test_a_terminal_without_quotation_marks_shows_the_answer(seeded: Path) -> None:
    done = footnote("ask", "Who was travelling to Baghdad?", index=seeded, PYTHONIOENCODING="ascii")
    assert done.returncode == 0
    assert "Baghdad" in done.stdout


def test_a_set_of_brackets_alone_is_no_set(seeded: Path, tmp_path: Path) -> None:
    (tmp_path / "deep.jsonl").write_text("[" * 100_000)
    done = footnote("eval", "run", str(tmp_path / "deep.jsonl"), index=seeded)
    assert done.returncode == 1
    assert "deep.jsonl: one JSON object a line is needed; this file is a JSON array" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_place_that_cannot_be_written_is_named_before_anything_is_asked(seeded: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = footnote("eval", "run", "evals/sets/seed.jsonl", "--out", str(tmp_path / "file" / "x"), index=seeded)
    assert done.returncode == 1
    assert "choose another with --out" in done.stderr
