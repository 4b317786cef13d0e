# Conclave. Two commands: `make rehearsal` and `make check`; both install what is missing first.
#
#   make              build everything into build/
#   make check        all tests, as CI runs them
#   make rehearsal    a whole election with nine tokens    [PRECINCTS=24 BALLOTS=25 SEED=1] [IMPORT=results.csv]
#   make bench        table of figures, build/bench.json   [RUNS=3]
#   make bench-compare BASE=old.json [NEW=build/bench.json]      fails if a figure got worse; measures without NEW
#   make fuzz         libFuzzer on each parser             [SECONDS_EACH=60]
#   make SAN=1 ...    the same under AddressSanitizer and UndefinedBehaviorSanitizer, in build/san/
#   make clean

PACKAGES := gcc clang make git pkg-config p11-kit libp11-kit-dev libssl-dev libgmp-dev libsodium-dev \
	libncurses-dev libqrencode-dev libcmocka-dev libcbor-dev libjansson-dev libsqlite3-dev libzstd-dev \
	libunistring-dev libcsv-dev libzbar-dev libpng-dev libjpeg62-turbo-dev softhsm2 libnss3 libnss3-tools \
	openmpi-bin libopenmpi-dev python3-yaml libclang-rt-14-dev tmux xxd jq \
	valgrind libc6-dbg binutils procps iproute2 e2fsprogs mount

CC := gcc
OUT := build
WARN := -Wall -Wextra -Werror -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wvla -Wformat=2
CFLAGS := -std=c17 -D_GNU_SOURCE $(shell pkg-config --cflags p11-kit-1 2>/dev/null || echo -I/usr/include/p11-kit-1) -O2 -g -fPIE -fstack-protector-strong -D_FORTIFY_SOURCE=2 -ffunction-sections -fdata-sections -fopenmp $(WARN) -I.
LDFLAGS := -pie -Wl,-z,relro,-z,now -fopenmp
ifdef SAN
OUT := build/san
CFLAGS := $(filter-out -D_FORTIFY_SOURCE=2 -O2,$(CFLAGS)) -O1 -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
LDFLAGS += -fsanitize=address,undefined
endif

# Rooms, lowest first; each is one static library. Arrows of #include point down only (tests/lint/).
ROOMS := ceremony/base ceremony/math ceremony ui hsm tally appliance
MAINS := appliance/main.c tally/main.c tally/verify_main.c tally/verify_mpi_main.c
room_src = $(filter-out $(MAINS),$(wildcard $(1)/*.c))
room_lib = $(OUT)/lib/$(subst /,-,$(1)).a
libs = $(foreach r,$(1),$(call room_lib,$(r)))
objs = $(patsubst %.c,$(OUT)/obj/%.o,$(1))

BASE_LIBS := -lcbor -lunistring -lsodium -lcrypto -lgmp
TALLY_LIBS := -lsqlite3 -lzstd -ljansson -lcsv -lm
UI_LIBS := -lqrencode -lzbar -lpng -ljpeg
HSM_LIBS := -lp11-kit -ldl
APPLIANCE_LIBS := -lncursesw -ltinfo

PROGRAMS := $(patsubst %,$(OUT)/%,$(if $(wildcard appliance/main.c),conclave) \
	$(if $(wildcard tally/main.c),conclave-tally) $(if $(wildcard tally/verify_main.c),conclave-verify) $(if $(SAN),,conclave-verify-mpi))

all: $(PROGRAMS)

$(OUT)/obj/%.o: %.c | $(OUT)/.deps
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) -MMD -MP -c -o $@ $<

define room_rule
$(call room_lib,$(1)): $(call objs,$(call room_src,$(1)))
	@mkdir -p $$(@D)
	@rm -f $$@
	ar rcs $$@ $$^
endef
$(foreach r,$(ROOMS),$(eval $(call room_rule,$(r))))

$(OUT)/conclave: $(OUT)/obj/appliance/main.o $(call libs,appliance tally hsm ui ceremony ceremony/math ceremony/base)
	$(CC) $(LDFLAGS) -o $@ $^ $(HSM_LIBS) $(UI_LIBS) $(TALLY_LIBS) $(BASE_LIBS) $(APPLIANCE_LIBS)

$(OUT)/conclave-tally: $(OUT)/obj/tally/main.o $(call libs,tally ui ceremony ceremony/math ceremony/base)
	$(CC) $(LDFLAGS) -o $@ $^ $(UI_LIBS) $(TALLY_LIBS) $(BASE_LIBS)

# What cannot be reached is left out: nothing that could hold a secret is in it (tests/lint/verify_links.sh).
$(OUT)/conclave-verify: $(OUT)/obj/tally/verify_main.o $(call libs,tally ui ceremony ceremony/math ceremony/base)
	$(CC) $(LDFLAGS) -Wl,--gc-sections -o $@ $^ $(UI_LIBS) $(TALLY_LIBS) $(BASE_LIBS)

# The same for the ranks of an Open MPI job. Not under the sanitizers: Open MPI itself does not pass.
MPI_CFLAGS = $(patsubst -I%,-isystem %,$(shell pkg-config --cflags ompi-c 2>/dev/null))
MPI_LIBS = $(shell pkg-config --libs ompi-c 2>/dev/null)
$(OUT)/obj/tally/verify_mpi_main.o: CFLAGS += $(MPI_CFLAGS)
$(OUT)/conclave-verify-mpi: $(OUT)/obj/tally/verify_mpi_main.o $(call libs,tally ui ceremony ceremony/math ceremony/base)
	$(CC) $(LDFLAGS) -Wl,--gc-sections -o $@ $^ $(UI_LIBS) $(TALLY_LIBS) $(BASE_LIBS) $(MPI_LIBS)

# promtool is in Debian's package prometheus, which would start a server on every address of this machine: only the
# one program is taken out of it. Without it, that part of tests/e2e/monitoring.sh is skipped.
define GET_PROMTOOL
if ! command -v promtool >/dev/null && [ ! -x build/promtool/usr/bin/promtool ]; then \
  echo "fetching promtool"; mkdir -p build/promtool && cd build/promtool && \
  { apt-get download -q prometheus 2>/dev/null || echo "no package prometheus here"; } && \
  for p in prometheus_*.deb; do [ ! -f "$$p" ] || dpkg-deb --fsys-tarfile "$$p" | tar -x ./usr/bin/promtool; rm -f "$$p"; done; \
fi
endef

# --- packages: only asked for when one is missing ---

$(OUT)/.deps: Makefile
	@mkdir -p $(OUT)
	@missing=; for p in $(PACKAGES); do dpkg -s $$p >/dev/null 2>&1 || missing="$$missing $$p"; done; \
	if [ -n "$$missing" ]; then \
	  echo "installing:$$missing"; \
	  sudo=; [ "$$(id -u)" = 0 ] || sudo=sudo; \
	  $$sudo apt-get update -q && \
	  $$sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends $$missing; \
	fi
	@$(GET_PROMTOOL)
	@touch $@

# --- tests ---

TEST_SUPPORT := $(OUT)/lib/tests-support.a
$(TEST_SUPPORT): $(call objs,$(wildcard tests/support/*.c) $(filter-out %/mutate.c,$(wildcard tests/mutants/*.c)))
	@mkdir -p $(@D)
	@rm -f $@
	ar rcs $@ $^

# Fuzz targets are a table that test_fuzz and libFuzzer share.
$(OUT)/tests/fuzz/test_fuzz: $(OUT)/obj/tests/fuzz/targets.o $(OUT)/obj/tests/fuzz/targets_chain.o $(OUT)/obj/tests/fuzz/targets_export.o \
	$(OUT)/obj/tests/fuzz/targets_run.o $(OUT)/obj/tests/fuzz/targets_part.o $(OUT)/obj/tests/fuzz/targets_state.o

TESTS := $(patsubst tests/%.c,$(OUT)/tests/%,$(wildcard tests/*/test_*.c))
ALL_LIBS := $(call libs,appliance tally hsm ui ceremony ceremony/math ceremony/base)

$(OUT)/tests/%: $(OUT)/obj/tests/%.o $(TEST_SUPPORT) $(ALL_LIBS)
	@mkdir -p $(@D)
	$(CC) $(LDFLAGS) -o $@ $(filter %.o,$^) -Wl,--start-group $(TEST_SUPPORT) $(ALL_LIBS) -Wl,--end-group -lcmocka \
	  $(HSM_LIBS) $(UI_LIBS) $(TALLY_LIBS) $(BASE_LIBS) $(APPLIANCE_LIBS) -lm

# Elections of any size, for tests/bench/scale.sh.
$(OUT)/tests/bench/scale_tool: $(OUT)/obj/tests/bench/pool.o

# --- mock PKCS#11 module, for tests/hsm and whoever wants a token that fails on cue ---

MOCK_P11 := $(OUT)/tests/mock_p11.so
$(MOCK_P11): tests/mock_p11/mock.c hsm/rv.c hsm/rv.h | $(OUT)/.deps
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) -fPIC -shared -o $@ $(filter %.c,$^) -ldl
$(OUT)/tests/hsm/test_hsm $(OUT)/tests/hsm/test_mock: | $(MOCK_P11)

# --- fault injection: tests/faults/inject.c wraps what it makes fail ---

comma := ,
FAULT_TESTS := $(patsubst tests/%.c,$(OUT)/tests/%,$(wildcard tests/faults/test_*.c))
FAULT_CALLS := __gmp_set_memory_functions sodium_malloc sodium_free mlock read __read_chk write pread __pread_chk pwrite \
	ftruncate fdatasync open opendir fopen \
	fdopen fread __fread_chk fwrite fflush fclose fsync syncfs link rename renameat2 mkostemp mkdir fchmod
ifdef SAN
FAULT_CALLS += malloc calloc realloc
endif
$(FAULT_TESTS): $(OUT)/obj/tests/faults/inject.o
$(FAULT_TESTS): LDFLAGS += $(patsubst %,-Wl$(comma)--wrap=%,$(FAULT_CALLS))

# tests/e2e/ctime_tool.c marks what these give as secret, and what is said to be public as public.
$(OUT)/tests/e2e/ctime_tool: LDFLAGS += -Wl$(comma)--wrap=random_bytes -Wl$(comma)--wrap=secret_equal \
	-Wl$(comma)--wrap=secret_declassify

# Its generator can be stuck.
$(OUT)/tests/tally/test_ballot_nonces: LDFLAGS += -Wl$(comma)--wrap=random_bytes

# Its processor computes wrongly.
$(OUT)/tests/ceremony/test_glitch: LDFLAGS += -Wl$(comma)--wrap=scalar_mul -Wl$(comma)--wrap=point_mul -Wl$(comma)--wrap=point_mul_base

tests: $(TESTS)

# Everything CI runs: lints, unit tests, the same under the sanitizers (in build/san/), end-to-end scripts, and those
# that feed bad input again under the sanitizers.
LINTS := $(wildcard tests/lint/*.sh)
E2E := $(filter-out %/lib.sh,$(wildcard tests/e2e/[a-z]*.sh))
E2E_TOOLS := $(patsubst tests/%.c,$(OUT)/tests/%,$(wildcard tests/e2e/*_tool.c tests/bench/*_tool.c tests/screens/*.c))
check: all tests $(E2E_TOOLS) $(MOCK_P11)
	+@$(MAKE) --no-print-directory SAN=1 all tests
	@OUT=$(OUT) tests/run.sh $(LINTS) $(TESTS) $(patsubst $(OUT)/%,$(OUT)/san/%,$(TESTS)) $(E2E) \
	  san:tests/e2e/badinput.sh san:tests/e2e/hostile.sh san:tests/e2e/ceremony.sh tests/screens/run.sh

# Keys in, expected screen out.
screens: all $(E2E_TOOLS) $(MOCK_P11)
	@OUT=$(OUT) bash tests/screens/run.sh
	@OUT=$(OUT) bash tests/e2e/nine.sh

check-quick: all tests
	@OUT=$(OUT) tests/run.sh $(LINTS) $(TESTS)

# --- the rehearsal ---

PRECINCTS := 24
BALLOTS := 25
SEED := 1
rehearsal: all
	@$(OUT)/conclave rehearse --dir $(OUT)/rehearsal --precincts $(PRECINCTS) --ballots $(BALLOTS) --seed $(SEED) \
	  $(if $(IMPORT),--import $(IMPORT))

# --- coverage-guided fuzzing: all of it built by clang, a while for each target ---

SECONDS_EACH := 60
FUZZ_TARGETS := cbor cose manifest places entry statement record sealed ballot count export node plan result receipt \
	resultqr anchor fingerprint medsl qrtext base45 words image chainheader chaintally chainsnapshot finality envelope \
	segment journal chains chainexport metrics request settings part chainnode chainsigned resume hashed partids signers chainanchor
FUZZ_SRC := $(foreach r,$(filter-out appliance,$(ROOMS)),$(call room_src,$(r))) $(wildcard tests/support/*.c) \
	tests/fuzz/targets.c tests/fuzz/targets_chain.c tests/fuzz/targets_export.c tests/fuzz/targets_run.c tests/fuzz/targets_part.c \
	tests/fuzz/targets_state.c tests/fuzz/libfuzzer.c
fuzz: $(OUT)/.deps
	@mkdir -p $(OUT)/fuzz
	clang $(filter-out -O2 -D_FORTIFY_SOURCE=2,$(CFLAGS)) -Wno-unknown-warning-option -O1 -fsanitize=fuzzer,address,undefined \
	  -o $(OUT)/fuzz/fuzz $(FUZZ_SRC) -lcmocka $(HSM_LIBS) $(UI_LIBS) $(TALLY_LIBS) $(BASE_LIBS) $(APPLIANCE_LIBS) -lm
	@for t in $(FUZZ_TARGETS); do \
	  mkdir -p $(OUT)/fuzz/$$t && echo "== $$t" && \
	  FUZZ_TARGET=$$t FUZZ_SEEDS=$(OUT)/fuzz/$$t $(OUT)/fuzz/fuzz -max_total_time=$(SECONDS_EACH) -verbosity=0 \
	    -artifact_prefix=$(OUT)/fuzz/crash-$$t- $(OUT)/fuzz/$$t || exit 1; \
	done

# --- figures ---

BENCHES := $(patsubst tests/%.c,$(OUT)/tests/%,$(wildcard tests/bench/bench_*.c))
RUNS := 3
bench: all $(BENCHES)
	@OUT=$(OUT) RUNS=$(RUNS) bash tests/bench/run.sh $(BENCHES)

bench-compare: $(if $(NEW),,bench)
	@bash tests/bench/compare.sh "$(BASE)" "$(or $(NEW),$(OUT)/bench.json)"

.PHONY: all tests check screens check-quick rehearsal bench bench-compare fuzz clean
.SECONDARY:

clean:
	rm -rf build

-include $(shell find $(OUT)/obj -name '*.d' 2>/dev/null)
