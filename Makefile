# `make demo` and `make test` work on a fresh clone: they make .venv with the newest Python >= 3.11 that runs here.

.DEFAULT_GOAL := help
.NOTPARALLEL:
MAKEFLAGS += --no-builtin-rules --no-print-directory
SHELL := /bin/bash

BIN := .venv/bin
INSTALL := $(BIN)/python -m pip install --quiet --quiet --disable-pip-version-check --constraint constraints.txt
# Two workers: the tests that use the machine itself (mounts, memory) share the xdist group `machine`, hence one worker.
PYTEST := $(BIN)/python -m pytest -n 2 --dist loadgroup

# Each candidate is run, not only looked up: a shim of a version manager exists whether or not its Python does.
define FIND_PYTHON
for python in python3.13 python3.12 python3.11 python3; do \
	if "$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then break; fi; \
	python=; \
done; \
if [ -z "$$python" ]; then \
	echo 'colab_resume needs Python 3.11 or newer, and none of python3.13, python3.12, python3.11, python3 is one.' >&2; \
	echo '  -> install one, for example: sudo apt-get install python3 python3-venv' >&2; \
	exit 1; \
fi; \
if ! "$$python" -c 'import ensurepip, venv' 2>/dev/null; then \
	echo "$$("$$python" --version) cannot make a virtual environment: its module venv or ensurepip is missing." >&2; \
	echo '  -> sudo apt-get install python3-venv (or python3.X-venv, for the version above), then run make again' >&2; \
	exit 1; \
fi
endef

.PHONY: help
help: ## this list
	@sed -nE 's/^([a-z]+):.*## (.*)/make \1\t\2/p' Makefile | expand -t 14

.PHONY: demo
demo: .venv/.demo-ready ## train, be killed, resume, and compare bit for bit, on this machine
	$(BIN)/colab-resume demo

.PHONY: test
test: check ## check, then every test
	$(PYTEST)

.PHONY: quick
quick: .venv/.test-ready ## the tests that are not slow, with fewer examples: about a minute
	$(PYTEST) -m "not slow" --hypothesis-profile quick --ignore tests/frameworks --ignore tests/notebooks

.PHONY: check
check: .venv/.test-ready ## lint, format and types
	$(BIN)/ruff check --quiet
	$(BIN)/ruff format --check --quiet
	$(BIN)/mypy --no-error-summary

.PHONY: bench
bench: .venv/.bench-ready ## what saving costs, measured beside the others
	$(BIN)/python -m benchmarks

.PHONY: docs
docs: .venv/.docs-ready ## the documentation as a site, in build/site
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

.PHONY: clean
clean: ## remove .venv, caches and build output
	rm -rf .venv .hypothesis .mypy_cache .pytest_cache .ruff_cache build dist *.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(BIN)/python:
	@$(FIND_PYTHON); "$$python" -m venv --clear .venv || { rm -rf .venv; exit 1; }

.venv/.demo-ready: $(BIN)/python pyproject.toml constraints.txt
	$(INSTALL) --editable ".[demo]"
	@touch $@

.venv/.docs-ready: $(BIN)/python pyproject.toml constraints.txt
	$(INSTALL) --editable ".[docs]"
	@touch $@

# The test extra contains the demo and the docs extra.
.venv/.test-ready: $(BIN)/python pyproject.toml constraints.txt .venv/.torchvision-ready .venv/.colab-ready .venv/.notebook6-ready .venv/.tensorflow-ready .venv/.jax-ready .venv/.skorch-ready
	$(INSTALL) --editable ".[test]"
	@touch $@ .venv/.demo-ready .venv/.docs-ready

# The bench extra contains the test extra, and the tools that colab_resume is measured beside.
.venv/.bench-ready: .venv/.test-ready
	$(INSTALL) --editable ".[bench]"
	@touch $@

# Beside the other packages, where only a test that asks for it finds it: with the CPU build of torch it cannot be
# imported without tests/shim, and packages that use it where it is there would fail.
.venv/.torchvision-ready: $(BIN)/python constraints.txt
	rm -rf .venv/torchvision
	$(INSTALL) --no-deps --target .venv/torchvision torchvision
	@touch $@

# Beside the other packages as well, which are newer: what Colab's kernels run on. Only tests/colab looks there.
.venv/.colab-ready: $(BIN)/python tests/colab/kernel.txt
	rm -rf .venv/colab
	$(INSTALL) --no-deps --target .venv/colab --requirement tests/colab/kernel.txt
	@touch $@

# Beside the other packages as well, which are newer: the notebook, and the widgets in it, that are like Colab's.
.venv/.notebook6-ready: $(BIN)/python tests/display/notebook6.txt
	rm -rf .venv/notebook6
	$(INSTALL) --target .venv/notebook6 --requirement tests/display/notebook6.txt
	@touch $@

# Beside the other packages as well: it is large, and only processes of tests/frameworks/on_tensorflow look there. What it
# shares with them (numpy, Keras, h5py) it finds among them.
.venv/.tensorflow-ready: $(BIN)/python tests/frameworks/tensorflow.txt
	rm -rf .venv/tensorflow
	$(INSTALL) --no-deps --target .venv/tensorflow --requirement tests/frameworks/tensorflow.txt
	@touch $@

# In the same way for tests/frameworks/on_jax.
.venv/.jax-ready: $(BIN)/python tests/frameworks/jax.txt
	rm -rf .venv/jax
	$(INSTALL) --no-deps --target .venv/jax --requirement tests/frameworks/jax.txt
	@touch $@

# It needs tabulate; where that can be imported torch does so at exit, and a process that was interrupted ends otherwise.
.venv/.skorch-ready: $(BIN)/python tests/folders/skorch.txt
	rm -rf .venv/skorch
	$(INSTALL) --no-deps --target .venv/skorch --requirement tests/folders/skorch.txt
	@touch $@
