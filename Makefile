# Two commands do everything on a machine with Python 3.11+, Maven and a JDK (Chromium for the tests): make demo, make test.
PYTHON ?= python3
VENV ?= .venv
PIP = $(VENV)/bin/python -m pip install --disable-pip-version-check
SHELL = /bin/bash

.PHONY: help demo test tower matrix lint format clients clean browser

help:  ## show this
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 10

# glibc gives big buffers back at once, and torch asks for them again: in virtual machines that takes longer than the work.
test tower: export MALLOC_TRIM_THRESHOLD_ = 8000000000
test tower: export MALLOC_MMAP_THRESHOLD_ = 8000000000

demo: $(VENV)/.models  ## environment, a local Elasticsearch if none is named, the sample loaded and searched
	@$(VENV)/bin/esmm demo

test: $(VENV)/.dev lint browser  ## lint, types and all tests, against a real Elasticsearch
	@$(VENV)/bin/python -m pytest -n 2 --dist loadfile

matrix: $(VENV)/.dev  ## server tests and strategies on each version of Elasticsearch (or VERSIONS="8.19.13"), into the README
	@$(VENV)/bin/python -m benchmarks.matrix $(VERSIONS)

tower: $(VENV)/.dev  ## train the projection of the photo tower that travels with esmm anew (ESMM_BENCH_DATA names the data)
	@$(VENV)/bin/python -m benchmarks.tower

lint: $(VENV)/.dev  ## ruff and mypy
	@$(VENV)/bin/ruff check . && $(VENV)/bin/ruff format --check . && $(VENV)/bin/mypy

format: $(VENV)/.dev  ## let ruff write the layout
	@$(VENV)/bin/ruff format . && $(VENV)/bin/ruff check --fix .

clients: $(VENV)/.models  ## the search of examples/clients in five languages, before and after, compared
	@$(VENV)/bin/python examples/clients/run.py

# What tests/browser drive. Where it cannot be installed, those tests say what to do.
browser:
	@{ command -v chromium && command -v chromedriver; } >/dev/null || { \
	 echo "Chromium or chromedriver is missing, which tests/browser need."; \
	 [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null && echo "Installing both from Debian:" && \
	 export DEBIAN_FRONTEND=noninteractive && apt-get update -qq && \
	 apt-get install -qq --yes --no-install-recommends chromium chromium-driver >/dev/null; } || \
	 echo "They could not be installed by this user here: install the packages chromium and chromium-driver."

clean:  ## remove the environment; caches and the local node's data stay
	rm -rf $(VENV) .venv-client8

# .dev holds .models, so that make test after make demo only adds the tools.
$(VENV)/.models $(VENV)/.dev: pyproject.toml
	@echo "Setting up $(VENV): torch on Linux comes with CUDA libraries, about 3 GB to fetch and 6.5 GB on disk;"
	@echo "pip keeps what it fetched in its cache, so the next time is faster."
	@start=$$SECONDS; test -x $(VENV)/bin/python || $(PYTHON) -m venv $(VENV); \
	 $(PIP) --quiet --editable '.[$(patsubst .%,%,$(notdir $@))]' && touch $@ && \
	 echo "environment ready after $$((SECONDS - start)) s"
