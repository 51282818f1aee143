# Every target sets itself up: on a machine with Python 3.11 or newer and make, nothing else is needed first.
#   make book   train at toy scale, run the chapters, render the book      make test   everything we check
SHELL := /bin/bash
.DEFAULT_GOAL := help
PY := .venv/bin/python

# Tests run on one thread a process: on two cores two threads are slower than one as soon as anything else runs, and a
# fixed number keeps sums in the same order. Training for the book takes the cores that are idle (tatslib/training/device.py).
ONE_THREAD := export OMP_NUM_THREADS=1;
export PYTHONPATH :=
# The chapters' kernels come from .venv, not from a kernel of the same name in the user's home.
export JUPYTER_PREFER_ENV_PATH := 1
export PYDEVD_DISABLE_FILE_VALIDATION := 1
CHAPTER_SECONDS := 1200
NBVAL := --nbval-lax --nbval-current-env --nbval-cell-timeout=$(CHAPTER_SECONDS) --nbval-sanitize-with=notebooks/sanitize.cfg --timeout=$(CHAPTER_SECONDS)

.NOTPARALLEL:
.PHONY: help env book pdf test unit book-test chapters-test page-test demo serve chapters results gpu lint clean

help:  ## this list
	@grep -hE '^[a-z-]+:.*##' Makefile | sed -E 's/^([a-z-]+):.*## /  make \1\t/' | expand -t 24

env:  ## create or update .venv (every other target does this by itself)
	@command -v python3 >/dev/null || { echo "Python 3.11 or newer is needed, and there is no python3 on the PATH."; exit 1; }
	@python3 tools/environment.py

book: env  ## run the chapters that this machine has not run yet, render the book, print where it is
	@$(PY) book/run_chapters.py
	@$(PY) book/render.py --chapters book/_build/notebooks

serve: book  ## the same, then show it on http://localhost:8000
	@cd book/_build/html && ../../../$(PY) -m http.server 8000 --bind 127.0.0.1

pdf: book  ## the same as one PDF for print, through a Chromium
	@$(PY) tools/browser.py --install
	@PYTHONPATH=tools $(PY) book/make_pdf.py

test: lint unit book-test chapters-test page-test  ## lint; unit and parity tests; the book; every chapter; the built page in a browser; the README

unit: env
	$(ONE_THREAD) $(PY) -m pytest -m "not slow" --ignore=tests/browser -n 2

book-test: env
	@# what `make book` does, for two chapters; the others run in the next target, and are rendered as they are stored
	@$(PY) book/run_chapters.py 00 01
	@$(PY) book/render.py --chapters book/_build/notebooks --or-stored

chapters-test: env
	@# the long chapters come last in the book and first here, so that neither process waits for the other in the end
	$(ONE_THREAD) TATS_STATIC=1 $(PY) -m pytest $(NBVAL) -n 2 --dist loadfile $$(ls -r notebooks/*.ipynb)

page-test: env
	@$(PY) tools/browser.py --install
	@# side by side: the browser waits for videos to play while the commands of the README compute
	$(ONE_THREAD) $(PY) -m pytest tests/browser tests/test_readme.py tests/parity/test_full_size.py -n 2 --dist loadfile

demo: env  ## one long video at toy scale, from nothing, in under five minutes
	@set -euo pipefail; PATH="$$PWD/.venv/bin:$$PATH"; \
	vqgan=$$(tats recipes get actions/vqgan-replicate); \
	transformer=$$(tats recipes get actions/gpt-replicate); \
	tats sample --vqgan "$$vqgan" --transformer "$$transformer" --label 5 --frames 1024 --out demo.mp4

chapters: env  ## for authors: run changed chapters and store their outputs in notebooks/*.ipynb
	@$(PY) book/run_chapters.py --in-place --fresh
	@# a claim names the cell that computes it, by an id that follows from the source of the cell
	@$(PY) book/make_claims.py

results: env  ## recompute every number and video under book/results and book/_static/media
	$(PY) book/make_results.py
	$(PY) book/make_costs.py
	$(PY) book/make_media.py
	$(PY) book/make_claims.py

gpu: env  ## with a GPU: the same studies at gpu scale, into book/results/*-gpu.json
	TATS_SCALE=gpu $(PY) book/make_results.py
	$(PY) book/make_claims.py

lint: env
	$(PY) -m ruff check . && $(PY) -m ruff format --check . && $(PY) -m mypy

clean:  ## remove the rendered book and caches; .venv and trained artefacts stay
	rm -rf book/_build .tatslib/chapters-* .pytest_cache .mypy_cache .ruff_cache .hypothesis build dist
