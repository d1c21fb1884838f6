# Every command for developers; README.md and CONTRIBUTING.md say more.
PYTHON ?= python3
DEBUG ?=
# Which kernels guests boot: one, or several; tests/vm/kernels.py lists them.
KERNEL ?= 6.1-cloud
KERNELS ?=
TESTS ?=
export DEBUG

BIN := .venv/bin
# The Debian packages that the project needs; `make setup` installs the missing ones.
PACKAGES := clang clang-format llvm libbpf-dev linux-libc-dev libbpf1 python3-venv \
	binutils iproute2 iputils-ping ethtool procps strace
# For drawing docs/pictures/: graphviz, and a font with the widths of Helvetica and Arial.
PICTURE_PACKAGES := graphviz fonts-liberation
# For the guests that tests boot.
GUEST_PACKAGES := qemu-system-x86 busybox-static kmod util-linux ipvsadm iperf3 nftables curl

# In a guest hypothesis takes ten seconds to import, and its plugin imports it even if no test uses it.
GUEST_PYTEST := -p no:cacheprovider -p no:hypothesispytest

# Status 125: qemu or the kernel died, which can happen on an emulated CPU (tests/vm/README.md).
IN_GUEST = $(BIN)/python -m tests.vm --kernel $(KERNEL) --timeout 2400 -- \
	$(BIN)/python -m pytest -q $(GUEST_PYTEST) tests/vm/guest

C_SOURCES = $(shell find bpf tests bench -name '*.c' -o -name '*.h')
OBJECTS := src/ecbpf/objects/.built-debug-$(or $(DEBUG),0)

.DEFAULT_GOAL := help
.PHONY: help setup setup-guests build demo test test-vm test-kernels kernels lint format bench package completions tables pictures clean

help:
	@echo "make demo         install what is missing, then show a root array at work in a lab of namespaces"
	@echo "make test         lint, unit tests, tests on this machine's kernel and make test-vm; as root"
	@echo "make test-vm      the tests that need IPVS, bonding, VLANs, in a guest; KERNEL=5.10 for another kernel"
	@echo "make test-kernels tests in guests with Linux 5.10 to 7.x, and a table; KERNELS='5.10 6.1' TESTS=FILES"
	@echo "make kernels      fetch the newest version of each guest kernel; KERNELS='5.10 6.1'"
	@echo "make setup        install what is missing, and build; .venv/bin/ then has every command"
	@echo "make build        compile the kernel programs; DEBUG=1 keeps their debug lines"
	@echo "make bench        nanoseconds per packet and ratios, as a table"
	@echo "make lint         ruff, mypy, import-linter, clang-format; make format formats the code"
	@echo "make package      sdist and wheel in dist/"
	@echo "make completions  write completions/, from the commands' parsers"
	@echo "make tables       write the tables of settings in docs/, from the rows that the commands read"
	@echo "make pictures     draw docs/pictures/*.svg, from the .dot files beside them"

# Compiled ahead, as pip does: with PYTHONDONTWRITEBYTECODE set, every command would compile all that it imports.
setup: $(BIN)/ecbpf build
	@$(BIN)/python -m compileall -q src/ecbpf

# Install the packages in the argument that are missing.
define install
	@missing=$$(for package in $(1); do \
		dpkg-query -W -f '$${Status}' $$package 2>/dev/null | grep -q 'ok installed' || echo $$package; \
	done); \
	if [ -n "$$missing" ]; then \
		echo "installing" $$missing; \
		apt-get update -qq && DEBIAN_FRONTEND=noninteractive \
			apt-get install -y -qq --no-install-recommends $$missing >/dev/null; \
	fi
endef

$(BIN)/ecbpf: pyproject.toml hatch_build.py
	$(call install,$(PACKAGES))
	@echo "setting up .venv"
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $@

setup-guests: setup
	$(call install,$(GUEST_PACKAGES))

build: $(OBJECTS)

$(OBJECTS): $(wildcard bpf/*.bpf.c bpf/*/*.h bpf/include/ecbpf/*.h src/ecbpf/build/*.py src/ecbpf/kernel/*.py) \
		hatch_build.py $(BIN)/ecbpf
	@$(BIN)/python hatch_build.py
	@rm -f src/ecbpf/objects/.built-* && touch $@

demo: setup
	@$(BIN)/python tools/demo.py

test: lint setup-guests
	@$(BIN)/python -m tests.vm.fetch --missing 6.1-cloud
	@$(BIN)/python -m pytest -q
	@$(MAKE) --no-print-directory test-vm

test-vm: setup-guests
	@$(BIN)/python -m tests.vm.fetch --missing $(KERNEL)
	@$(IN_GUEST) || { test $$? = 125 && echo "the guest died, see tests/vm/README.md: once more" && $(IN_GUEST); }

test-kernels: setup-guests
	@$(BIN)/python -m tests.vm.fetch --missing $(KERNELS)
	@$(BIN)/python -m tests.vm.matrix $(if $(KERNELS),--kernels '$(KERNELS)') $(TESTS)

kernels: setup-guests
	@$(BIN)/python -m tests.vm.fetch $(KERNELS)

lint: setup
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check --quiet
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-logo --no-cache
	@clang-format --dry-run -Werror $(C_SOURCES)

format: setup
	@$(BIN)/ruff check --fix --quiet
	@$(BIN)/ruff format --quiet
	@clang-format -i $(C_SOURCES)

bench: setup
	@$(BIN)/python -m bench

package: setup
	@$(BIN)/python -m build --no-isolation

tables: setup
	@$(BIN)/python -m tools.settings_tables

completions: setup
	@$(BIN)/python tools/completions.py

pictures:
	$(call install,$(PICTURE_PACKAGES))
	@$(PYTHON) tools/pictures.py

clean:
	rm -rf .venv dist build src/ecbpf/objects
