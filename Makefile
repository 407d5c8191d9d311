# make demo       clean the bundled rows with the embedded models
# make test       lint, types, layers, tests: at most 10 minutes on two cores
# make test-all   the same, and all that needs a browser, Ray or a fresh install; fails where one lacks
# make bench      speed and memory, side by side; make bench-corpus: killed runs, long runs
# make prove      fine-tune a small model on raw and cleaned rows and measure what it writes: DATA=DIR,
#                 or SMALL=1 for the bundled rows, in a quarter of an hour
# make mutants    break the core on purpose 50 times and count what the tests catch
# make readme     run the examples of README and docs and write down what they print
# make screenshots  the pictures in docs, from a real report and a real playground
# make notebooks  run the notebooks and store what they print
# make walk       from toxic rows to a served model and a watched prompt, all on this machine
# make lint | wheel | clean
#
# All that is needed is make and Python 3.11, 3.12 or 3.13 with its venv module. pip's own
# settings (PIP_*, pip.conf) decide where packages come from. PYTHON=… picks the interpreter.

VENV := .venv
BIN := $(VENV)/bin
CORE := trustydetox/errors.py,trustydetox/spans.py,trustydetox/records.py,trustydetox/roles.py,trustydetox/detoxifier.py,trustydetox/rows/*
DEMO := build/demo.jsonl

# Nothing here asks a network but pip; two test workers share the cores rather than fight for them.
export HF_HUB_OFFLINE := 1
export TOKENIZERS_PARALLELISM := false

.PHONY: demo test test-all lint unit cover smoke pythons bench bench-corpus prove mutants readme screenshots notebooks walk wheel clean
.DELETE_ON_ERROR:

demo: $(VENV)/run.stamp
	@rm -rf $(DEMO) $(DEMO).detox
	@mkdir -p build
	$(BIN)/trustydetox clean trustydetox/embedded/demo.jsonl -o $(DEMO) --field text
	@echo
	@echo "The first edits ($(BIN)/trustydetox diff $(DEMO).detox shows all):"
	@$(BIN)/trustydetox diff $(DEMO).detox | head -n 15
	@echo "Cleaned rows: $(DEMO). To read: $(DEMO).detox/report.html"

test: lint unit cover

test-all: test smoke pythons $(VENV)/all.stamp
	$(BIN)/python -m pytest -m needs --require-tools

lint: $(VENV)/dev.stamp
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/lint-imports --no-logo
	$(BIN)/mypy

unit: $(VENV)/dev.stamp
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 -m "not needs" --cov --cov-report=
	@echo "SKIPPED: what is marked needs(...), which make test-all insists on"

# Branches taken, not lines: a line can be reached with its other way out never seen.
cover: unit
	@$(BIN)/coverage json -q -o build/coverage.json --include='$(CORE)'
	@$(BIN)/coverage report --include='$(CORE)'
	@$(BIN)/python -c 'import json; t = json.load(open("build/coverage.json"))["totals"]; \
	share = t["covered_branches"] / t["num_branches"]; \
	print(f"branch coverage of the core: {share:.1%} (95 % wanted)"); raise SystemExit(share < 0.95)'

# The wheel alone, installed as a user would, cleans a file outside of this checkout.
smoke: wheel
	rm -rf build/smoke
	$(BASE_PYTHON) -m venv build/smoke
	build/smoke/bin/python -m pip install -q -c constraints.txt dist/*.whl
	echo '{"text": "You are an idiot."}' > build/smoke/in.jsonl
	cd build/smoke && bin/trustydetox clean in.jsonl -o out.jsonl --field text && cat out.jsonl
	rm -rf build/smoke

# The core, which needs no framework, on every other Python that is here.
pythons:
	@for p in python3.11 python3.12 python3.13; do \
	if $$p $(HAS_VENV); then \
	echo "== the core on $$p" && $$p -m venv build/$$p && \
	build/$$p/bin/python -m pip install -q -c constraints.txt pytest hypothesis && \
	build/$$p/bin/python -m compileall -q trustydetox && \
	build/$$p/bin/python -m pytest -q tests/core --ignore=tests/core/test_public.py || exit 1; \
	else echo "SKIPPED: the core on $$p, which is not here"; fi; done

bench: $(VENV)/all.stamp
	$(BIN)/python -m benchmarks

bench-corpus: $(VENV)/all.stamp
	$(BIN)/python -m benchmarks kills growth scaling memory -o benchmarks/results/corpus

prove: $(VENV)/dev.stamp
	$(BIN)/python -m proof $(if $(SMALL),--small,--data "$(DATA)")

mutants: $(VENV)/dev.stamp
	$(BIN)/python -m tests.mutants

readme: $(VENV)/dev.stamp
	$(BIN)/python -m tests.readme

screenshots: $(VENV)/all.stamp
	$(BIN)/python docs/screenshots.py

notebooks: $(VENV)/all.stamp
	$(BIN)/python -m tests.notebooks.running

walk: $(VENV)/all.stamp
	$(BIN)/python -m tests.serving.walk

wheel: $(VENV)/dev.stamp
	rm -rf dist
	$(BIN)/python -m hatchling build -t wheel

clean:
	rm -rf $(VENV) build dist .coverage .coverage.* .*_cache .hypothesis *.egg-info

# ----------------------------------------------------------------------------------- environment

CANDIDATES = $(or $(PYTHON),python3 python3.11 python3.12 python3.13)
# `true`: make takes a last status of 127 (a version manager's stand-in) for no answer at all.
IS_SUITABLE = -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' 2>/dev/null
HAS_VENV = -c 'import ensurepip, venv' 2>/dev/null
# Asked only where something is to be installed, and then once.
SUITABLE = $(eval SUITABLE := $(shell for p in $(CANDIDATES); do $$p $(IS_SUITABLE) && echo $$p; done; true))$(SUITABLE)
BASE_PYTHON = $(eval BASE_PYTHON := $(shell for p in $(SUITABLE); do $$p $(HAS_VENV) && echo $$p && break; done; true))$(BASE_PYTHON)
FREE_GB = $(shell df -Pk . | awk 'NR == 2 { print int($$4 / 1048576) }')

define require_python
$(if $(SUITABLE),,$(error no Python 3.11, 3.12 or 3.13 among: $(CANDIDATES). \
Install one, or say make PYTHON=/path/to/python3))
$(if $(BASE_PYTHON),,$(error $(firstword $(SUITABLE)) has no venv module: \
install it (Debian: apt-get install python3-venv) or say make PYTHON=/path/to/python3))
endef

define require_disk
$(if $(wildcard $(BIN)/python),,$(if $(filter 0 1 2 3 4 5 6 7,$(FREE_GB)),$(error 8 GB of free disk are needed here \
(PyTorch is most of it), $(FREE_GB) GB are free)))
endef

$(VENV)/run.stamp: pyproject.toml constraints.txt
	$(require_python)
	$(require_disk)
	@echo "Installing the tested versions into $(VENV): some minutes, once"
	@$(BASE_PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install -q -c constraints.txt -e .
	@touch $@

$(VENV)/dev.stamp: $(VENV)/run.stamp
	@echo "Installing the developers' tools into $(VENV)"
	@$(BIN)/python -m pip install -q -c constraints.txt -e '.[dev]'
	@touch $@

$(VENV)/all.stamp: $(VENV)/dev.stamp
	@echo "Installing what only make test-all needs into $(VENV)"
	@$(BIN)/python -m pip install -q -c constraints.txt -e '.[all-tests]'
	@touch $@
