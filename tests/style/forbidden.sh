#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Words and shapes that this code does without. TAP.
set -u
. "$(dirname "$0")/tap.sh"
cd "$1" || exit 1
code() { git ls-files '*.[ch]' '*.cc' '*.def' | grep -v '^proxy/qemu/'; }
text() { git ls-files | grep -v '^tests/style/' | grep -vE '\.(bin|img|png|raw)$|/corpus/'; }
in_code() { code | xargs grep -HnE "$@" /dev/null; }

echo "1..11"
none "no volatile" < <(in_code '\bvolatile\b' | grep -vE 'asm volatile|__asm__ volatile|: *(/?\*|//)')
none "no goto" < <(in_code '^[^/*]*\bgoto\b')
none "no // comments in C" < <(in_code '(^|[^:"])//' | grep -vE '^[^:]*\.cc:|https?://|nbd://|null-co://|"[^"]*//')
none "no TODO" < <(in_code '\b(TODO|FIXME|XXX)\b')
none "each atomic access names its memory order" \
	< <(in_code 'atomic_(load|store|exchange|fetch_[a-z]+|compare_exchange_[a-z]+)\(')
none "seq_cst only at the doorbell" \
	< <(in_code 'memory_order_seq_cst' | grep -v atomic_signal_fence | grep -vE '^(doorbell/bell\.[ch]|tests/|bench/)')
none "fences only at the doorbell" \
	< <(in_code 'atomic_thread_fence' | grep -vE '^(doorbell/bell\.[ch]|tests/|bench/)')
none "no unbounded string functions" \
	< <(in_code '\b(strcpy|strcat|sprintf|gets|alloca)\(' | grep -vE 'strcpy\([^,]+, "[^"]*"\)')
none "platforms are chosen in meson" \
	< <(in_code '^#(ifdef|if|elif) .*(__linux__|__x86_64__|__i386__|__GLIBC__)' |
		grep -vE '^(base/|doorbell/pause_|bench/|tests/)')
none "no kernel integer names" < <(in_code '\b(u8|u16|u32|u64)\b' | grep -vE '/\*|^[^:]*:[0-9]+: \*|"')
none "no path of somebody's machine" \
	< <(text | xargs grep -HnE '(^|[^a-z])/(home|work|root)/[a-z]' /dev/null)
exit $failed
