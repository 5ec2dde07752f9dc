#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
#
# insn-gate.sh PROGRAM BASELINE [--update] - hot-path instruction counts.
#
# Counts the instructions of the hot paths in PROGRAM (bench_*_insns) under callgrind
# and compares with BASELINE: lines of "compiler operation count-for-1024". More
# than 1 % above is a failure, more than 1 % below asks for an update, so that
# the gate stays tight. Exit status 77 when valgrind or this compiler's numbers
# are missing.
set -eu

if [ $# -lt 2 ]; then
	echo "usage: $0 PROGRAM BASELINE [--update]" >&2
	exit 2
fi
program=$1
baseline=$2
update=${3:-}
command -v valgrind >/dev/null || { echo "skipped: valgrind is not installed"; exit 77; }

compiler=$("$program" --compiler)
if [ "$update" != --update ] && ! "$program" --operations | tr ' ' '\n' | sed "s/.*/^$compiler & /" |
	grep -qf - "$baseline"; then
	echo "skipped: no counts for $compiler in $baseline; run with --update to add them"
	exit 77
fi

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
trap 'exit 1' INT TERM HUP

# count FUNCTION - instructions inside it, callees included
count()
{
	valgrind --tool=callgrind --collect-atstart=no --toggle-collect="$1" \
		--callgrind-out-file=/dev/null "$program" 2>"$dir/log" || { cat "$dir/log" >&2; return 1; }
	sed -n 's/^.*Collected : \([0-9]*\).*/\1/p' "$dir/log"
}

failed=0
for op in $("$program" --operations); do
	now=$(count "insn_$op")
	if [ -z "$now" ] || [ "$now" -lt 1024 ]; then
		echo "FAIL: insn_$op was not counted"
		exit 1
	fi
	echo "$compiler $op $now" >>"$dir/new"
	was=$(sed -n "s/^$compiler $op //p" "$baseline" 2>/dev/null || true)
	echo "$op: $now instructions for 1024 ($((now / 1024)) each), baseline ${was:-none}"
	[ "$update" = --update ] && continue
	if [ -z "$was" ] || [ $((now * 100)) -gt $((was * 101)) ]; then
		echo "FAIL: $op takes more than 1 % more instructions"
		failed=1
	elif [ $((now * 100)) -lt $((was * 99)) ]; then
		echo "FAIL: $op takes fewer instructions: run $0 $program $baseline --update"
		failed=1
	fi
done

if [ "$update" = --update ]; then
	{
		cut -d' ' -f1,2 "$dir/new" | sed 's/.*/^& /' >"$dir/replaced"
		grep -vf "$dir/replaced" "$baseline" 2>/dev/null || true
		cat "$dir/new"
	} | sort >"$dir/all"
	cp "$dir/all" "$baseline"
fi
exit $failed
