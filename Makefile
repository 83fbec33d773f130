# make          set up .venv and run everything: results/report.html, mlflow.db
# make test     every test            make test-quick   the quick ones
# make check    format, lint, types   make bench        timings against plain PyTorch
# make ui       browse MLflow         make lock         pin the dependencies anew

PYTHON ?= $(shell command -v python3.11 || command -v python3)
CORES  ?= $(shell nproc 2>/dev/null || sysctl -n hw.ncpu)
BIN    := .venv/bin
export PATH := $(CURDIR)/$(BIN):$(PATH)
export MLFLOW_DISABLE_TELEMETRY := true

.PHONY: all setup test test-quick check format bench ui lock clean
.DEFAULT_GOAL := all

all: setup
	snakemake --cores $(CORES)
	@echo "Open results/report.html; browse the runs with: make ui"

# The lock that .venv was made from is kept in it: the same lock installs nothing, another one installs again.
setup:
	@cmp -s requirements.lock .venv/requirements.lock || { \
	  test -x $(BIN)/python || $(PYTHON) -m venv .venv; \
	  $(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.lock && \
	  cp requirements.lock .venv/requirements.lock; }

test: setup
	python -m pytest -n auto

test-quick: setup
	python -m pytest -n auto -m "not slow"

check: setup
	ruff check .
	ruff format --check .
	snakefmt --check Snakefile pipeline/rules
	mypy
	codespell
	snakemake --lint

format: setup
	ruff check --fix .
	ruff format .
	snakefmt Snakefile pipeline/rules

bench: setup
	python -m benchmarks.bench --out results/bench.json

ui: setup
	mlflow ui --host 127.0.0.1 --port 5000

# torch's local version (+cpu, +cu126) says which build was at hand, not which one is needed.
lock: setup
	$(BIN)/python -m venv .venv/lock
	.venv/lock/bin/pip install --quiet pip-tools
	CUSTOM_COMPILE_COMMAND="make lock" .venv/lock/bin/pip-compile --quiet --extra dev --strip-extras \
	  --no-emit-index-url --no-emit-find-links --no-emit-trusted-host --output-file requirements.lock pyproject.toml
	sed -i -E 's/^(torch==[0-9.]+)\+.*/\1/' requirements.lock

clean:
	rm -rf results outputs multirun mlflow.db
