# The front door: what a person types. The build itself is CMakeLists.txt; the sets of flags are CMakePresets.json.
#
#   make            build (installs what is missing first)      make bench     measure beside ONNX Runtime and PyTorch
#   make demo       build and run examples/glyphs               make asan      the tests under ASan and UBSan
#   make check      all tests and lints                         make tsan      the tests under TSan
#   make install    PREFIX=/usr/local DESTDIR=                  make fuzz      FUZZ_SECONDS=60 for each target
#   make lint man dist clean deps                               make check-arm64   the unit tests in QEMU
PREFIX       ?= /usr/local
JOBS         ?= $(shell nproc)
FUZZ_SECONDS ?= 60
BUILD        := build/release

# Everything that building, testing and linting need, by the names of Debian 12; the last line is for tsan and fuzz.
LIBRARIES := libhdf5-dev libzip-dev libyaml-cpp-dev libcli11-dev nlohmann-json3-dev libonnx-dev libprotobuf-dev \
  libgtest-dev libbenchmark-dev
DEPS := g++ cmake ninja-build ccache pkg-config $(LIBRARIES) protobuf-compiler \
  bats hdf5-tools libonnx-testdata time mandoc shellcheck clang-format \
  clang libclang-rt-14-dev
DEPS_ARM64 := g++-aarch64-linux-gnu qemu-user

.PHONY: all deps deps-arm64 demo check check-arm64 bench lint asan tsan fuzz man install dist clean
all: $(BUILD)/build.ninja
	@cmake --build $(BUILD) -j $(JOBS)

# Quick when nothing is missing, and then needs neither root nor the network.
deps-arm64: DEPS := $(DEPS_ARM64)
deps deps-arm64:
	@if ! command -v dpkg-query > /dev/null; then echo "not Debian: wanted the like of $(DEPS)" >&2; exit 0; fi; \
	missing=; for package in $(DEPS); do \
	  dpkg-query -W -f '$${Status}' $$package 2> /dev/null | grep -q '^install ok installed' || missing="$$missing $$package"; \
	done; \
	[ -z "$$missing" ] || { \
	  sudo=; [ "$$(id -u)" = 0 ] || sudo=sudo; \
	  install="$$sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends $$missing"; \
	  $$install || { $$sudo apt-get update && $$install; }; }

# Configured once; from then on ninja looks itself whether the lists of files have changed.
build/%/build.ninja: CMakePresets.json | deps
	@cmake --preset $*

demo: all
	@PATH="$(CURDIR)/$(BUILD)/bin:$$PATH" examples/glyphs/run.sh

check: all
	@tests/check.sh --jobs $(JOBS) $(BUILD) unit cli lint
lint: all
	@tests/check.sh --jobs $(JOBS) $(BUILD) lint

# Nothing but the compiler and the emulator is installed: libraries are unpacked beside the build.
check-arm64: all build/arm64/build.ninja
	@cmake --build build/arm64 -j $(JOBS)
	@tests/arm64/check.sh --jobs $(JOBS) build/arm64 $(BUILD)
build/arm64/build.ninja: | build/arm64-sysroot
build/arm64-sysroot: tests/arm64/sysroot.sh Makefile | deps-arm64
	@tests/arm64/sysroot.sh $@ $(LIBRARIES)

asan tsan: %: build/%/build.ninja
	@cmake --build build/$* -j $(JOBS)
	@tests/check.sh --jobs $(JOBS) build/$* unit cli

# The table of tests/bench/RESULTS.md: RECORD=1 writes it there; BENCH='--quick --only int8' and more is said by run.sh.
bench: all
	@cmake --build $(BUILD) -j $(JOBS) --target q_bench
	@tests/bench/run.sh --build $(BUILD) $(if $(RECORD),--record) $(BENCH)

fuzz: all build/fuzz/build.ninja
	@cmake --build build/fuzz -j $(JOBS) --target fuzz_targets
	@set -e; for target in build/fuzz/fuzz/*; do \
	  name=$${target##*/}; found=build/fuzz/corpus/$$name; seeds=tests/fuzz/corpus/$$name; mkdir -p $$found; \
	  [ -d $$seeds ] || seeds=; \
	  echo "$$name: $(FUZZ_SECONDS) seconds"; \
	  $$target -max_total_time=$(FUZZ_SECONDS) -timeout=10 -rss_limit_mb=2048 -artifact_prefix=build/fuzz/ -print_final_stats=1 \
	    -verbosity=0 $$found $$seeds; \
	done
	@echo "tools: $(FUZZ_SECONDS) seconds"; tests/fuzz/tools.sh $(BUILD) $(FUZZ_SECONDS)

man: all
	@ls $(BUILD)/man/*.[157]

install: all
	@DESTDIR="$(DESTDIR)" cmake --install $(BUILD) --prefix "$(PREFIX)"

dist:
	@version=$$(sed -n 's/^project(q-tools VERSION \([0-9.]*\).*/\1/p' CMakeLists.txt); mkdir -p build; \
	git archive --format=tar.gz --prefix=q-tools-$$version/ -o build/q-tools-$$version.tar.gz HEAD; \
	echo build/q-tools-$$version.tar.gz

clean:
	@rm -rf build
