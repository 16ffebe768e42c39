# lansplice - build, check, install.        make help lists the targets
#
# Variables: V=1 shows commands; CC=gcc|clang; SAN=address,undefined; SODIUM=prefix for another
# libsodium than the system's (scripts/sodium-sid); UPNP=0 leaves out UPnP port mappings
# (miniupnpc), TURN=0 TURN (mbedtls); DESTDIR= and PREFIX= for install; B= the build folder.
# CROSS=arm-linux-gnueabihf takes that compiler and Debian's libraries of its architecture
# (scripts/install-deps cross); where there are none kmod-free and its tests are compiled, and no
# more. STATIC=1 links the libraries into the programs, as CC=musl-gcc does, with SODIUM= the prefix
# that scripts/libraries-musl prints. LTO=0: see below.

VERSION := 0.1.0
PREFIX  ?= /usr/local
CC      ?= gcc
ifeq ($(origin CC),default)
CC      := gcc
endif
ifdef CROSS
CC      := $(CROSS)-gcc
AR      := $(CROSS)-ar
PKG_CONFIG_LIBDIR := /usr/lib/$(shell $(CC) -print-multiarch)/pkgconfig
COMPILE_ONLY := $(if $(wildcard $(PKG_CONFIG_LIBDIR)/libsodium.pc),,1)
endif
ifneq ($(SODIUM),)
SODIUM_PC := $(firstword $(wildcard $(SODIUM)/lib/pkgconfig $(SODIUM)/lib/*/pkgconfig))
$(if $(SODIUM_PC),,$(error no libsodium below SODIUM=$(SODIUM)))
endif
# Debian's wrapper for another C library: every library comes from that prefix, and is static there.
ifeq ($(notdir $(firstword $(CC))),musl-gcc)
$(if $(SODIUM),,$(error CC=$(CC) wants SODIUM=, the prefix that scripts/libraries-musl prints))
PKG_CONFIG_LIBDIR := $(SODIUM_PC)
STATIC := 1
endif

# Sanitized and other-compiler objects never mix with the plain ones.
comma   := ,
B       ?= build/$(notdir $(firstword $(CC)))$(if $(SAN),-$(subst $(comma),-,$(SAN)))$(if $(SODIUM),-sodium)$(if $(filter 0,$(UPNP)),-no-upnp)$(if $(filter 0,$(TURN)),-no-turn)$(if $(STATIC),-static)

Q       := $(if $(V),,@)
say      = $(if $(V),,@printf '  %-6s %s\n' '$1' '$2';)

PKGS_CORE   := libsodium
PKGS_DAEMON := libsodium $(if $(STATIC),libuv-static,libuv) libnl-3.0 inih json-c
PKGS_TEST   := check json-c
pkg          = $(shell $(if $(PKG_CONFIG_LIBDIR),PKG_CONFIG_LIBDIR=$(PKG_CONFIG_LIBDIR)) \
                   $(if $(SODIUM),PKG_CONFIG_PATH=$(SODIUM_PC)) pkg-config $(if $(STATIC),--static) $1 $2)

# The compiler's option, or what to take where it does not know it.
flag         = $(shell $(CC) -Werror $1 -x c -c -o /dev/null /dev/null >/dev/null 2>&1 && echo $1 || echo $2)

WARNINGS := -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Werror
CFLAGS   ?= -O2 -g
override CPPFLAGS += -Ikmod-free $(if $(SODIUM),-isystem $(SODIUM)/include) -D_GNU_SOURCE -DLANSPLICE_VERSION='"$(VERSION)"'
ifeq ($(UPNP),0)
override CPPFLAGS += -DNO_UPNP
else
PKGS_DAEMON += miniupnpc
endif
override CFLAGS  += -std=c11 $(WARNINGS) -fstack-protector-strong -ffunction-sections -fdata-sections
override LDFLAGS += -Wl,--gc-sections -Wl,-z,relro,-z,now $(if $(STATIC),-static)
# Debian's mbedtls has no pkg-config file: its header says whether it is there.
ifeq ($(origin TURN),undefined)
TURN := $(shell $(CC) $(CPPFLAGS) -include mbedtls/md.h -E -x c /dev/null >/dev/null 2>&1 && echo 1)
endif
ifeq ($(filter-out 0,$(TURN)),)
override CPPFLAGS += -DNO_TURN
else
LIBS_TURN := -lmbedcrypto
endif
ifneq ($(SODIUM),)
SODIUM_LIBS := $(call pkg,--variable=libdir,libsodium)
override LDFLAGS += -L$(SODIUM_LIBS) -Wl,-rpath,$(SODIUM_LIBS)
endif
ifdef SAN
override CFLAGS  += -fsanitize=$(SAN) -fno-sanitize-recover=all -fno-omit-frame-pointer
override LDFLAGS += -fsanitize=$(SAN)
else
# What frames do not pass may be small rather than fast: routers have little flash. Nor need large
# tables begin at a cache line.
SMALL    := $(call flag,-Oz,-Os) $(call flag,-fno-guess-branch-probability)
override CFLAGS  += $(call flag,-malign-data=abi)
FAST     := $(patsubst %,kmod-free/%.c,address mailbox crypto/aead crypto/replay \
                $(addprefix frame/,checksum coalesce codel fdb gateway guard mss multicast offload \
                    packet segment storm ttl) \
                $(addprefix tunnel/,chunk session reassembly) \
                $(addprefix site/,delivering from_lan from_peer judging outgoing))
override CPPFLAGS += -D_FORTIFY_SOURCE=2
# Nothing unwinds at run time; a debugger finds its tables in .debug_frame.
override CFLAGS  += -fno-asynchronous-unwind-tables
# A call by the address table is shorter there than one by a stub.
ifneq ($(findstring x86_64,$(shell $(CC) -dumpmachine)),)
override CFLAGS  += -fno-plt
endif
# The programs are optimised as a whole when gcc links them. Objects are whole without it, too: the
# tests are linked from the same ones, in a moment.
LTO      := $(if $(findstring gcc,$(notdir $(firstword $(CC)))),1)
LTO_C    := $(if $(filter-out 0,$(LTO)),-flto -ffat-lto-objects)
LTO_LINK := $(if $(filter-out 0,$(LTO)),-flto -flto-partition=none)
NO_LTO   := $(if $(filter-out 0,$(LTO)),-fno-lto)
# Fewer pages in the file; and short relocations where linker and C library (glibc 2.36) know them.
NEW_LIBC := \#include <features.h>\n_Static_assert(__GLIBC_PREREQ(2, 36), "");int main(void){}
RELR      = -Wl,-z,pack-relative-relocs
LINK_SMALL = -Wl,-z,noseparate-code $(shell printf '$(NEW_LIBC)' | $(CC) -Werror -x c -o /dev/null \
                 -Wl,--fatal-warnings $(RELR) - >/dev/null 2>&1 && echo $(RELR))
endif

CORE_SRC   := $(wildcard kmod-free/*.c kmod-free/*/*.c)
# lansplice is daemon/; lansplice-tools is daemon/tools/ and what it shares with daemon/.
DAEMON_SRC := $(filter-out daemon/main.c $(if $(filter 0,$(UPNP)),daemon/upnp.c),$(wildcard daemon/*.c))
TOOLS_SRC  := $(wildcard daemon/tools/*.c)
UNIT_SRC   := $(wildcard tests/unit/check_*.c)
SIM_SRC    := $(wildcard tests/sim/check_*.c)
SIM_LIB    := $(filter-out $(SIM_SRC),$(wildcard tests/sim/*.c))
FUZZ_SRC   := $(wildcard tests/fuzz/fuzz_*.c)
TOOL_SRC   := $(wildcard tests/lab/tools/*.c)
PROBE_SRC  := $(wildcard tests/lab/*_probe.c)
BENCH_SRC  := $(wildcard scripts/benchmark/*.c)
MICRO_SRC  := $(wildcard tests/micro/micro_*.c)

obj         = $(1:%.c=$B/%.o)
UNIT_BIN   := $(UNIT_SRC:%.c=$B/%)
SIM_BIN    := $(SIM_SRC:%.c=$B/%)
FUZZ_BIN   := $(FUZZ_SRC:%.c=$B/%)
TOOL_BIN   := $(TOOL_SRC:%.c=$B/%)
PROBE_BIN  := $(PROBE_SRC:%.c=$B/%)
BENCH_BIN  := $(BENCH_SRC:%.c=$B/%)
MICRO_BIN  := $(MICRO_SRC:%.c=$B/%)
CORE_LIB   := $B/libkmod-free.a
DAEMON_LIB := $B/libdaemon.a

.PHONY: all check check-unit check-sim check-threads check-packaging check-lab check-long fuzz \
        lint demo bench micro install clean help test-programs lab-programs lab-daemon \
        bench-programs
all: $(if $(COMPILE_ONLY),test-objects,$B/lansplice $B/lansplice-tools)

help:
	@echo 'make all | check | check-unit | check-sim | check-threads | check-packaging | check-lab'
	@echo '     check-long | fuzz | lint | demo | bench BENCH=--quick | micro'
	@echo '     install DESTDIR= PREFIX= | clean        V=1 SAN=address,undefined CC=clang TURN=0 UPNP=0'
	@echo '                                      CROSS=arm-linux-gnueabihf STATIC=1 LTO=0'

$(CORE_LIB): $(call obj,$(CORE_SRC))
$(DAEMON_LIB): $(call obj,$(DAEMON_SRC))
$(CORE_LIB) $(DAEMON_LIB):
	$(call say,AR,$@)
	$Qrm -f $@ && $(AR) rcs $@ $^

$B/lansplice $B/testing/lansplice: $B/daemon/main.o
$B/lansplice-tools $B/testing/lansplice-tools: $(call obj,$(TOOLS_SRC))
$(addprefix $B/testing/,lansplice lansplice-tools): $B/testing/daemon/config_values.o
$(foreach folder,$B $B/testing,$(folder)/lansplice $(folder)/lansplice-tools): \
        $(DAEMON_LIB) $(CORE_LIB)
	$(call say,LD,$@)
	$Q$(CC) $(CFLAGS) $(LTO_LINK) $(LDFLAGS) $(LINK_SMALL) -o $@ $(filter %.o,$^) \
	    $(DAEMON_LIB) $(CORE_LIB) $(call pkg,--libs,$(PKGS_DAEMON)) $(LIBS_TURN)

# On the Makefile, too: flags and the version stand in it.
$B/kmod-free/%.o: kmod-free/%.c Makefile
	$(call say,CC,$<)
	$Qmkdir -p $(@D) && $(CC) $(CPPFLAGS) $(CFLAGS) $(LTO_C) $(if $(filter-out $(FAST),$<),$(SMALL)) -MMD -MP \
	    $(call pkg,--cflags,$(PKGS_CORE)) -c -o $@ $<

define compile
	$(call say,CC,$<)
	$Qmkdir -p $(@D) && $(CC) $(CPPFLAGS) $(CFLAGS) $(if $(filter daemon/%,$<),$(LTO_C) $(SMALL)) -MMD -MP \
	    $(call pkg,--cflags,$(if $(filter daemon/%,$<),$(PKGS_DAEMON),$(PKGS_CORE) $(PKGS_TEST))) -c -o $@ $<
endef
$B/%.o: %.c Makefile
	$(compile)
# The programs in testing/ are all the same but for this: they know the section [test].
$B/testing/%.o: override CPPFLAGS += -DTESTING
$B/testing/%.o: %.c Makefile
	$(compile)

$(UNIT_BIN): $B/%: $B/%.o $(CORE_LIB)
	$(call say,LD,$@)
	$Q$(CC) $(CFLAGS) $(LDFLAGS) $(NO_LTO) -o $@ $^ $(call pkg,--libs,$(PKGS_CORE) $(PKGS_TEST))

$(SIM_BIN): $B/%: $B/%.o $(call obj,$(SIM_LIB)) $(CORE_LIB)
	$(call say,LD,$@)
	$Q$(CC) $(CFLAGS) $(LDFLAGS) $(NO_LTO) -o $@ $^ $(call pkg,--libs,$(PKGS_CORE) $(PKGS_TEST))

$(TOOL_BIN) $(BENCH_BIN) $(MICRO_BIN): $B/%: $B/%.o $(CORE_LIB)
	$(call say,LD,$@)
	$Q$(CC) $(CFLAGS) $(LDFLAGS) $(NO_LTO) -o $@ $^ $(call pkg,--libs,$(PKGS_CORE))

# Parts of the daemon, driven by a test; the linker puts the probe's __wrap_ functions in between.
$B/tests/lab/%_probe.o: override CPPFLAGS += -Idaemon
$B/tests/lab/udp_probe: override LDFLAGS += -Wl,--wrap=sendmmsg
$B/tests/lab/state_probe: override LDFLAGS += -Wl,--wrap=renameat,--wrap=unlinkat
$B/tests/lab/state_probe: $B/testing/daemon/config_values.o
$(PROBE_BIN): $B/%: $B/%.o $(DAEMON_LIB) $(CORE_LIB)
	$(call say,LD,$@)
	$Q$(CC) $(CFLAGS) $(LDFLAGS) $(NO_LTO) -o $@ $(filter %.o,$^) $(DAEMON_LIB) $(CORE_LIB) \
	    $(call pkg,--libs,$(PKGS_DAEMON)) $(LIBS_TURN)

# libFuzzer is clang's: make CC=clang SAN=fuzzer,address,undefined fuzz-programs
$(FUZZ_BIN): $B/%: $B/%.o $(CORE_LIB)
	$(call say,LD,$@)
	$Q$(CC) $(CFLAGS) $(LDFLAGS) $(NO_LTO) -o $@ $^ $(call pkg,--libs,$(PKGS_CORE))
fuzz-programs: $(FUZZ_BIN)

test-programs: $(UNIT_BIN) $(SIM_BIN)
lab-daemon: $(addprefix $B/testing/,lansplice lansplice-tools) $(PROBE_BIN)
lab-programs: lab-daemon $(TOOL_BIN)
bench-programs: all $(TOOL_BIN) $(BENCH_BIN)
unit-programs: $(UNIT_BIN)
sim-programs: $(SIM_BIN)
test-objects: $(call obj,$(CORE_SRC) $(UNIT_SRC) $(SIM_SRC) $(SIM_LIB))

# What each target runs stands in scripts/check, which counts and prints the closing line.
check check-long:
	$Qscripts/install-deps tests
	$Qscripts/install-deps $(if $(filter %-long,$@),cross,foreign) || \
	    echo 'going on: what cannot be built for other machines is skipped by name'
	$Qscripts/$@
check-unit check-sim check-threads check-packaging check-lab fuzz lint:
	$Qscripts/check $(@:check-%=%)
demo:
	$Qscripts/install-deps demo
	$Q$(MAKE) --no-print-directory all CC=gcc B=build/gcc
	$Qscripts/demo
# BENCH='--quick --only lansplice fastd' and the like: scripts/bench --help.
bench:
	$Qscripts/install-deps bench
	$Q$(MAKE) --no-print-directory bench-programs CC=gcc B=build/gcc
	$Qscripts/bench $(BENCH)
micro: $(MICRO_BIN)
	$Qfor program in $^; do echo "== $${program##*/}"; $$program || exit; done

install: all
	install -D -m 0755 -t $(DESTDIR)$(PREFIX)/sbin $B/lansplice $B/lansplice-tools
	install -D -m 0644 packaging/man/lansplice.8 $(DESTDIR)$(PREFIX)/share/man/man8/lansplice.8
	install -D -m 0644 packaging/man/lansplice.conf.5 $(DESTDIR)$(PREFIX)/share/man/man5/lansplice.conf.5
	install -D -m 0644 packaging/completions/lansplice.bash \
	    $(DESTDIR)$(PREFIX)/share/bash-completion/completions/lansplice

clean:
	rm -rf build

-include $(wildcard $B/*/*.d $B/*/*/*.d $B/*/*/*/*.d)
.SECONDARY:
