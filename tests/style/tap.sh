# SPDX-License-Identifier: BSD-3-Clause
# Sourced by the style tests: a claim is kept when nothing speaks against it.
nr=0 failed=0
none() { # claim; faults on stdin
	local faults
	faults=$(grep .)
	nr=$((nr + 1))
	if [ -z "$faults" ]; then
		echo "ok $nr - $1"
	else
		head -n 20 <<<"$faults" | sed 's/^/# /'
		echo "not ok $nr - $1"
		failed=1
	fi
}
