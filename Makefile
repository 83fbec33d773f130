# make          set up .venv and run everything: results/report.html, mlflow.db
#               make ARGS="--config 'studies=[textbook]' 'measurements=[]'" runs the chapter's own runs only
# make test     every test            make test-quick   the quick ones      make test-gpu   those for a GPU
# make check    format, lint, types   make bench        timings against plain PyTorch and JAX
# make kill     kill the workflow at 20 random moments: kill-report.json says what came of it
# make ui       browse MLflow         make lock         pin the dependencies anew
# make compare  which conclusions changed since baselines/reference.json, which `make baseline` stores
# make coverage branches of pipeline/ that the tests reach    make mutate   edits of it that they do not notice
# make picture  the README's picture and verdicts, from finished results
# make docs     the site: docs/_build/html/index.html; each warning is an error
# make sbom     results/sbom.json: the bill of materials of requirements.lock

PYTHON ?= $(shell command -v python3.11 || command -v python3)
CORES  ?= $(shell nproc 2>/dev/null || sysctl -n hw.ncpu)
BIN    := .venv/bin
COMPILE = .venv/lock/bin/pip-compile --quiet --strip-extras --no-emit-index-url --no-emit-find-links --no-emit-trusted-host
BASELINE ?= reference
export PATH := $(CURDIR)/$(BIN):$(PATH)
export MLFLOW_DISABLE_TELEMETRY := true
# A stage is a process of its own: without cached byte code each one compiles its imports again, which takes longer
# than everything else that most of them do.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: all setup setup-dev test test-quick test-gpu kill check format bench baseline compare coverage mutate ui referee picture docs sbom lock clean
.DEFAULT_GOAL := all

all: setup
	snakemake --cores $(CORES) $(ARGS)

# torch's wheels differ by machine (CPU, CUDA), so its version is pinned and its hash is not; all else is checked by hash.
TORCH := $(shell sed -n 's/^ *"\(torch==[0-9.]*\)".*/\1/p' pyproject.toml)
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-compile

# The lock that .venv was made from is kept in it: the same lock installs nothing, another one installs again.
# Byte code is left to the first import: compiling what is never imported takes half a minute.
define install
@cmp -s $(1) .venv/$(1) || { \
  test -x $(BIN)/python || $(PYTHON) -m venv .venv; \
  $(PIP) $(TORCH) && $(PIP) --no-deps --require-hashes -r $(1) && cp $(1) .venv/$(1); }
endef

setup:
	$(call install,requirements.lock)

setup-dev: setup
	$(call install,requirements-dev.lock)

# A file's tests on one worker: what they share is made once, and documented commands run in the order of their pages.
test: setup-dev
	python -m pytest -n auto --dist loadfile

test-quick: setup-dev
	python -m pytest -n auto --dist loadfile -m "not slow"

# One process: a GPU is not shared. Where torch finds none, each is skipped and says so.
test-gpu: setup-dev
	python -m pytest -m gpu -rs

SEED ?= 1
kill: setup-dev
	python -m tests.faults.kill --seed $(SEED) --kills 20 --jobs $(CORES) --report kill-report.json

check: setup-dev
	ruff check .
	ruff format --check .
	snakefmt --check Snakefile pipeline/workflow/rules
	mypy
	codespell
	nbstripout --verify --keep-id notebooks/*.ipynb
	snakemake --lint

format: setup-dev
	ruff check --fix .
	ruff format .
	snakefmt Snakefile pipeline/workflow/rules
	nbstripout --keep-id notebooks/*.ipynb

bench: setup-dev
	python -m benchmarks.bench --out results/bench.json

baseline: setup
	python -m pipeline.contrib.baseline store --baseline baselines/$(BASELINE).json

compare: setup
	python -m pipeline.contrib.baseline compare --baseline baselines/$(BASELINE).json --out results/comparison.json

# 90 % of the branches; what is left out, and why, is said in pyproject.toml.
coverage: setup-dev
	python -m pytest -n auto --cov --cov-report=term --cov-report=json
	@python -c "import json, sys; found = json.load(open('coverage.json'))['totals']['percent_branches_covered']; \
	  print(f'{found:.1f} % of the branches'); sys.exit(found < 90)"

# Takes hours on two cores: MUTANTS of each part, chosen at random by a seed; 0 for all.
MUTANTS ?= 150
mutate: setup-dev
	python -m benchmarks.mutants --sample $(MUTANTS)

referee: setup
	snakemake --cores $(CORES) referee
	cp results/referee.json conf/referee.json

picture: setup-dev
	python -m pipeline.contrib.picture --out docs/images/theory-and-verdicts.png
	python docs/_ext/screenshot.py results/report.html docs/images/report.png
	python -m pipeline.contrib.verdicts README.md
	python -m pipeline.contrib.ledger_page docs/ledger.md

# Needs no network, and no results: the notebooks train what they show.
docs: setup-dev
	sphinx-build --quiet --fail-on-warning --keep-going docs docs/_build/html

# Every pinned package, for whoever must know what is in here; needs no network.
sbom: setup-dev
	mkdir -p results
	{ echo "$(TORCH)"; cat requirements.lock; } | \
	  cyclonedx-py requirements --pyproject pyproject.toml --mc-type application --output-reproducible \
	  --output-format JSON --output-file results/sbom.json -

# To this machine alone; docs/security.md says how to look at it from elsewhere.
ui: setup
	MLFLOW_SERVER_ENABLE_JOB_EXECUTION=false mlflow ui --host 127.0.0.1 --port 5000

# pip-compile chooses the versions, uv adds the hashes of every wheel of theirs. environment.yml gets the versions alone:
# pip, called by conda, would demand a hash of torch as well.
lock: setup
	$(BIN)/python -m venv .venv/lock
	.venv/lock/bin/pip install --quiet pip-tools uv
	$(COMPILE) --no-annotate --output-file .venv/lock/requirements.lock pyproject.toml
	$(COMPILE) --no-annotate --extra dev --constraint .venv/lock/requirements.lock \
	  --output-file .venv/lock/requirements-dev.lock pyproject.toml
	for lock in requirements.lock requirements-dev.lock; do \
	  { echo "# Made from pyproject.toml by \`make lock\`; torch is pinned there."; \
	    grep -v '^torch==' .venv/lock/$$lock | .venv/lock/bin/uv pip compile --quiet --no-config --no-deps --universal \
	      --generate-hashes --no-annotate --no-header -; } > $$lock; done
	sed -i '/^      - /d' environment.yml
	sed -E -n 's/^([A-Za-z0-9_.-]+==[^ +]+).*/      - \1/p' .venv/lock/requirements.lock | sed -i '/- pip:/r /dev/stdin' environment.yml

clean:
	rm -rf results outputs multirun mlflow.db* mlruns
