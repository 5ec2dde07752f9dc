#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# clang-format would change nothing. TAP.
set -u
cd "$1" || exit 1
if ! command -v clang-format >/dev/null; then
	echo "skipped: no clang-format"
	exit 77
fi
echo "1..1"
bad=$(git ls-files '*.[ch]' '*.cc' | xargs -r -n 40 clang-format --dry-run 2>&1 | grep 'warning:')
if [ -z "$bad" ]; then
	echo "ok 1 - clang-format agrees"
else
	head -n 20 <<<"$bad" | sed 's/^/# /'
	echo "# clang-format -i mends it"
	echo "not ok 1 - clang-format agrees"
	exit 1
fi
