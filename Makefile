# Everything a newcomer needs: `make demo` shows Sekisho at work, `make test` runs its tests.
# Both set up a virtual environment in .venv by themselves; `make help` lists the rest.

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed
# Test processes: most tests wait for other processes, so more than there are cores.
JOBS   ?= 3

FUZZ_SECONDS ?= 600

.DEFAULT_GOAL := help
.PHONY: help setup demo test test-compiled compiled bench soak fuzz lint format types contracts check kubernetes lock image clean

help: ## Show this help
	@awk 'BEGIN {FS = ":.*## "} /^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(STAMP) ## Make .venv with everything in it (the other targets do it by themselves)

$(STAMP): pyproject.toml requirements/dev.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "Sekisho needs Python 3.11 or newer; say which with: make PYTHON=python3.12 …"; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV) \
	  || { echo "python3 -m venv failed; on Debian and Ubuntu: apt-get install python3-venv"; exit 1; }
	@echo "==> installing dependencies (a minute, the first time)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

demo: $(STAMP) ## Start Sekisho in front of a cluster, with a user who may enter it; Ctrl-C cleans up
	@$(BIN)/sekisho demo

test: $(STAMP) ## Run the tests, against real servers where they can be had
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps \
	  -r requirements/bench.txt
	@$(BIN)/python -m pytest -n $(JOBS) --dist loadscope --no-loadscope-reorder $(TESTS)

fuzz: $(STAMP) ## Fuzz the request path for FUZZ_SECONDS (600); what it finds stays in .fuzz
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps \
	  -r requirements/fuzz.txt
	@mkdir -p .fuzz/corpus
	@$(BIN)/python -m tests.fuzz.fuzz -max_total_time=$(FUZZ_SECONDS) -max_len=4096 -len_control=10 \
	  -timeout=30 -dict=tests/fuzz/http.dict -artifact_prefix=.fuzz/ -print_final_stats=1 \
	  .fuzz/corpus tests/fuzz/corpus

compiled: $(STAMP) ## Compile the request path, as the container image has it, into .compiled
	@mkdir -p build
	@SEKISHO_COMPILE=1 $(BIN)/python -W ignore setup.py --quiet build --build-lib .compiled \
	  > build/compiled.log 2>&1 || { cat build/compiled.log; \
	  echo "It needs a C compiler and Python's headers; on Debian: apt-get install gcc python3-dev"; exit 1; }

test-compiled: compiled ## Hold the compiled request path to the tests of proxy and security
	@PYTHONPATH=$(CURDIR)/.compiled PYTHONSAFEPATH=1 $(BIN)/python -m pytest \
	  -o pythonpath=".compiled ." -n $(JOBS) --dist loadscope --no-loadscope-reorder \
	  $(or $(TESTS),tests/proxy tests/security)

bench: compiled ## Measure the gate beside Go, nginx and haproxy (needs Go and wrk); BENCH=--help
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps \
	  -r requirements/bench.txt
	@$(BIN)/python -m bench $(BENCH)

soak: $(STAMP) ## Mixed traffic for 20 minutes, and whether anything of it stays; SOAK="--minutes 5"
	@$(BIN)/python -m bench.soak $(SOAK)

lint: $(STAMP) ## Check style and formatting
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .

format: $(STAMP) ## Format the code and fix what can be fixed
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

types: $(STAMP) ## Check types (mypy --strict)
	@$(BIN)/mypy

contracts: $(STAMP) ## Check that imports go downward only
	@$(BIN)/lint-imports

check: lint types contracts test ## All of the above, as CI does

kubernetes: $(STAMP) ## Build the real kube-apiserver that demo and tests use (minutes, once; needs Go)
	@$(BIN)/python tests/kubernetes/build.py

lock: $(STAMP) ## Write the exact versions of every dependency into requirements/
	@for extra in "" test dev; do \
	  $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	    --no-emit-index-url --no-emit-find-links --custom-compile-command "make lock" \
	    $${extra:+--extra $$extra} --no-emit-package sekisho \
	    pyproject.toml -o requirements/$${extra:-runtime}.txt || exit 1; \
	done
	@echo 'atheris==3.0.0' | $(BIN)/uv pip compile --quiet --universal --python-version 3.11 \
	  --generate-hashes --no-emit-index-url --no-emit-find-links \
	  --custom-compile-command "make lock" - -o requirements/fuzz.txt
	@$(BIN)/uv pip compile --quiet --universal --python-version 3.11 \
	  --generate-hashes --no-emit-index-url --no-emit-find-links --constraint requirements/dev.txt \
	  --custom-compile-command "make lock" --group bench -o requirements/bench.txt

image: ## Build the container image
	@docker build -f deploy/Dockerfile -t sekisho .

clean: ## Remove what the other targets made in this folder
	@rm -rf $(VENV) build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .demo .fuzz .compiled
