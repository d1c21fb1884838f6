# Everything a person types: see README.md and CONTRIBUTING.md.
PYTHON ?= python3
DEBUG ?=
export DEBUG

BIN := .venv/bin
# What the project needs from Debian, by package; `make setup` installs what is missing.
PACKAGES := clang clang-format llvm libbpf-dev linux-libc-dev libbpf1 python3-venv \
	iproute2 iputils-ping ethtool strace nftables

SOURCES := $(wildcard bpf/*.bpf.c bpf/include/ecbpf/*.h)

.DEFAULT_GOAL := help
.PHONY: help setup build demo test lint format bench package completions clean

help:
	@echo "make demo     install what is missing, then show the root array at work in a lab of namespaces"
	@echo "make test     lint, unit tests, and tests on this machine's kernel (as root)"
	@echo "make setup    install what is missing, build; .venv/bin/ then holds every command"
	@echo "make build    compile the kernel programs (DEBUG=1 keeps their debug lines)"
	@echo "make lint     ruff, mypy, clang-format"
	@echo "make format   let ruff and clang-format lay the code out"
	@echo "make bench    packets and processes, in nanoseconds and ratios"
	@echo "make package  sdist and wheel in dist/"

setup: $(BIN)/ecbpf build

# One stamp a line of PACKAGES: apt is asked only when a package is missing.
$(BIN)/ecbpf: pyproject.toml hatch_build.py src/ecbpf/__init__.py
	@missing=$$(for p in $(PACKAGES); do dpkg -s $$p >/dev/null 2>&1 || echo $$p; done); \
	if [ -n "$$missing" ]; then apt-get update -qq && DEBIAN_FRONTEND=noninteractive \
		apt-get install -y -qq --no-install-recommends $$missing >/dev/null; fi
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $@

build: src/ecbpf/objects/.debug-$(or $(DEBUG),0)

src/ecbpf/objects/.debug-$(or $(DEBUG),0): $(SOURCES) src/ecbpf/build.py hatch_build.py $(BIN)/ecbpf
	@$(BIN)/python hatch_build.py
	@rm -f src/ecbpf/objects/.debug-* && touch $@
