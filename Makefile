# `make demo` runs Sekisho in front of a cluster, and `make test` runs the tests. Both set up a
# virtual environment in .venv. `make help` lists all targets.

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed
# Test processes. Most tests wait for other processes, so this can exceed the number of cores.
JOBS   ?= 3

FUZZ_SECONDS ?= 600

.DEFAULT_GOAL := help
.PHONY: help setup demo test test-compiled compiled bench soak screenshots fuzz lint dashboards docs format types contracts check kubernetes \
  lock advisories client chart image image-test base-image clean

help: ## Show this help
	@awk 'BEGIN {FS = ":.*## "} /^[a-z-]+:.*## / {printf "  make %-13s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(STAMP) ## Make .venv with all dependencies (other targets do this when they need it)

$(STAMP): pyproject.toml requirements/dev.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "Sekisho needs Python 3.11 or newer; name it with: make PYTHON=python3.12 …"; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV) \
	  || { echo "python3 -m venv failed; on Debian and Ubuntu: apt-get install python3-venv"; exit 1; }
	@echo "==> installing dependencies (a minute, the first time)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.txt
	@# uv's launchers import nothing; those of pip before 25.2 import re, which doubles the start of `sekisho credential`.
	@$(BIN)/uv pip install --quiet --no-deps --no-build-isolation --python $(BIN)/python --editable .
	@touch $@

demo: $(STAMP) ## Run Sekisho in front of a cluster, with a user who may enter; Ctrl-C removes everything
	@$(BIN)/sekisho demo

test: $(STAMP) ## Run the tests, against real servers if this machine can run them
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps \
	  -r requirements/bench.txt -r requirements/advisories.txt
	@$(BIN)/python -m pytest -n $(JOBS) --dist loadscope --no-loadscope-reorder $(TESTS)

screenshots: $(STAMP) ## Renew the pictures of docs/pages
	@SEKISHO_SCREENSHOTS=docs/pages $(BIN)/python -m pytest -q tests/e2e/test_documented_pages.py tests/e2e/test_documented_orders.py

fuzz: $(STAMP) ## Fuzz the request path for FUZZ_SECONDS (600); findings stay in .fuzz
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps \
	  -r requirements/fuzz.txt
	@mkdir -p .fuzz/corpus
	@$(BIN)/python -m tests.fuzz.fuzz -max_total_time=$(FUZZ_SECONDS) -max_len=4096 -len_control=10 \
	  -timeout=30 -dict=tests/fuzz/http.dict -artifact_prefix=.fuzz/ -print_final_stats=1 \
	  .fuzz/corpus tests/fuzz/corpus

compiled: $(STAMP) ## Compile the request path into .compiled, as in the container image
	@rm -rf .compiled
	@mkdir -p build
	@SEKISHO_COMPILE=1 $(BIN)/python -W ignore setup.py --quiet build --build-lib .compiled \
	  > build/compiled.log 2>&1 || { cat build/compiled.log; \
	  echo "A C compiler and Python's headers are required; on Debian: apt-get install gcc python3-dev"; exit 1; }

test-compiled: compiled ## Run the tests of proxy and security with the request path compiled
	@PYTHONPATH=$(CURDIR)/.compiled PYTHONSAFEPATH=1 $(BIN)/python -m pytest \
	  -o pythonpath=".compiled ." -n $(JOBS) --dist loadscope --no-loadscope-reorder \
	  $(or $(TESTS),tests/proxy tests/security)

bench: compiled ## Compare Sekisho with Go, nginx and HAProxy (needs Go and wrk); BENCH=--help
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps \
	  -r requirements/bench.txt
	@$(BIN)/python -m bench $(BENCH)

soak: $(STAMP) ## Send mixed traffic for 20 minutes and look for leaks; SOAK="--minutes 5"
	@$(BIN)/python -m bench.soak $(SOAK)

lint: $(STAMP) ## Check style, formatting and words
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/python -m tests.docs.words

dashboards: $(STAMP) ## Write the dashboards of deploy/chart/files/dashboards from deploy/dashboards
	@$(BIN)/python deploy/dashboards/build.py

release-fixture: $(STAMP) ## Keep the code of HEAD, and of one release before, to test upgrades and downgrades
	@git archive --format=zip -9 -o tests/fixtures/releases/schema-$$($(BIN)/python -c \
	  'from store.schema import HEAD; print(HEAD)').zip HEAD \
	  agent config impersonation management providers proxy store
	@ls tests/fixtures/releases/*.zip | sort | head -n -2 | xargs -r rm -f

docs: $(STAMP) ## Write docs/cli.md from the commands
	@$(BIN)/python -m tests.docs.command_line

format: $(STAMP) ## Format the code and fix what can be fixed
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

types: $(STAMP) ## Check types (mypy --strict)
	@$(BIN)/mypy

contracts: $(STAMP) ## Check that imports go downward only
	@$(BIN)/lint-imports

check: lint types contracts test ## Run lint, types, contracts and test, as CI does

kubernetes: $(STAMP) ## Build kube-apiserver, etcd and kubectl for demo and tests (minutes, once)
	@$(BIN)/python tests/kubernetes/build.py

lock: $(STAMP) ## Write the exact versions of all dependencies into requirements/
	@# dev holds everything; all others take its versions.
	@for extra in dev test traces ""; do \
	  $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	    --no-emit-index-url --no-emit-find-links --custom-compile-command "make lock" \
	    $${extra:+--extra $$extra} $$(test "$$extra" = dev || echo --constraint requirements/dev.txt) \
	    --no-emit-package sekisho pyproject.toml -o requirements/$${extra:-runtime}.txt || exit 1; \
	done
	@echo 'atheris==3.0.0' | $(BIN)/uv pip compile --quiet --universal --python-version 3.11 \
	  --generate-hashes --no-emit-index-url --no-emit-find-links \
	  --custom-compile-command "make lock" - -o requirements/fuzz.txt
	@$(BIN)/uv pip compile --quiet --universal --python-version 3.11 \
	  --generate-hashes --no-emit-index-url --no-emit-find-links --constraint requirements/dev.txt \
	  --custom-compile-command "make lock" --group bench -o requirements/bench.txt
	@printf 'click\nh11\nPyYAML\n' | $(BIN)/uv pip compile --quiet --universal --python-version 3.11 \
	  --generate-hashes --no-emit-index-url --no-emit-find-links --constraint requirements/dev.txt \
	  --custom-compile-command "make lock" - -o requirements/client.txt
	@echo 'cyclonedx-bom==7.5.0' | $(BIN)/uv pip compile --quiet --universal --python-version 3.11 \
	  --generate-hashes --no-emit-index-url --no-emit-find-links --constraint requirements/dev.txt \
	  --custom-compile-command "make lock" - -o requirements/image.txt
	@echo 'pip-audit==2.10.1' | $(BIN)/uv pip compile --quiet --universal --python-version 3.11 \
	  --generate-hashes --no-emit-index-url --no-emit-find-links --constraint requirements/dev.txt \
	  --constraint requirements/bench.txt --custom-compile-command "make lock" - \
	  -o requirements/advisories.txt

advisories: $(STAMP) ## Look for advisories about pinned dependencies; ADVISORIES=--required
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps \
	  -r requirements/advisories.txt
	@$(BIN)/python requirements/advisories.py $(ADVISORIES)

client: $(STAMP) ## Build the client: dist/sekisho_client-*.whl and dist/sekisho.pyz
	@$(BIN)/python deploy/client/build.py

chart: $(STAMP) ## Write what is made from the Helm chart: its table of values, and deploy/manifests
	@$(BIN)/python tests/kubernetes/build.py --component helm
	@$(BIN)/python deploy/render_chart.py --helm "$$($(BIN)/python tests/kubernetes/build.py --path helm)"

image: ## Build the container image, for REGISTRY and PLATFORM, with SBOM and provenance in dist
	@$(PYTHON) deploy/image/build.py --registry "$(REGISTRY)" --platform "$(PLATFORM)"

image-test: $(STAMP) ## Build the image on a base made by debootstrap, and start it (minutes, as root)
	@SEKISHO_TEST_IMAGE=1 $(BIN)/python -m pytest -q -rs tests/deploy/image/test_image.py

base-image: $(STAMP) ## Write the current digest of the base image into the Dockerfile (needs docker)
	@$(BIN)/python deploy/base_image.py

clean: ## Remove what the other targets created in this folder
	@rm -rf $(VENV) build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .demo .fuzz .compiled
