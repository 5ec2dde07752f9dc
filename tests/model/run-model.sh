#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
#
# run-model.sh MODEL.pml pass|fail [NAME[=VALUE]]... - check a Promela model.
#
# The search is complete and exact: every state is stored (no bit-state hashing,
# no hash compaction, no partial-order reduction), and running out of depth or
# memory is a failure, not a pass. NAMEs are defined; with "fail" they make a
# mutant, which has to break an assertion or get stuck. Exit status 0: as
# expected; 1: not; 77: spin is not there.
set -eu

if [ $# -lt 2 ]; then
	echo "usage: $0 MODEL.pml pass|fail [NAME[=VALUE]]..." >&2
	exit 2
fi
command -v spin >/dev/null || { echo "skipped: spin is not installed"; exit 77; }

model=$(realpath "$1")
expect=$2
shift 2
defs=
for name in "$@"; do
	defs="$defs -D$name"
done

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
trap 'exit 1' INT TERM HUP
cd "$dir"

# shellcheck disable=SC2086 # one word a definition is what is wanted
spin $defs -a "$model" >spin.out 2>&1 || { cat spin.out; exit 1; }
${CC:-cc} -w -O2 -DSAFETY -DNOREDUCE -DMEMLIM=2048 -DVECTORSZ=1024 -o pan pan.c
status=0
./pan -m2000000 -w22 >pan.out 2>&1 || status=$?

for trouble in 'max search depth too small' 'out of memory' 'memory limit' 'hash table full' \
	       'VECTORSZ' 'aborting'; do
	if grep -q "$trouble" pan.out; then
		cat pan.out
		echo "FAIL: the search is not complete ($trouble)"
		exit 1
	fi
done

states=$(sed -n 's/^ *\([0-9.e+]*\) states, stored.*/\1/p' pan.out)
case $expect in
pass)
	if [ $status -ne 0 ] || ! grep -q 'errors: 0$' pan.out; then
		cat pan.out
		spin $defs -t -p -g "$model" 2>&1 | tail -n 60 || true
		echo "FAIL: the model breaks"
		exit 1
	fi
	echo "holds in all $states states"
	;;
fail)
	why=$(sed -n 's/^pan:1: \(assertion violated\|invalid end state\)\(.*\)/\1\2/p' pan.out | head -n 1)
	if [ -z "$why" ]; then
		cat pan.out
		echo "FAIL: the mutant survives"
		exit 1
	fi
	echo "caught: $why"
	;;
*)
	echo "$0: '$expect' is neither pass nor fail" >&2
	exit 2
	;;
esac
