#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Each acquire, release and fence has a label above it, and docs/ordering.md has each label. TAP.
set -u
. "$(dirname "$0")/tap.sh"
cd "$1" || exit 1
sources() { git ls-files '*.[ch]' | grep -vE '^(tests|bench|examples)/'; }

echo "1..2"
# Five lines up is a comment's length. A signal fence orders a thread with itself.
unlabelled=$(sources | xargs awk '
	FNR == 1 { seen = -10 }
	/[A-Z][0-9]: (acquire|release|full fence)/ { seen = FNR }
	/mp_bell_full_fence\(void\)/ { seen = FNR + 4 }
	/memory_order_(acquire|release|acq_rel|seq_cst)|__ATOMIC_[AS]/ && !/signal_fence/ && FNR - seen > 5 {
		print FILENAME ":" FNR ": " $0
	}')
none "each acquire, release and fence has a label" <<<"$unlabelled"
in_code=$(sources | xargs grep -hoE '\b[A-Z][0-9]: (acquire|release|full fence)' | cut -c1-2 | sort -u)
in_docs=$(grep -oE '^\| [A-Z][0-9] \|' docs/ordering.md | cut -c3-4 | sort -u)
none "docs/ordering.md has the labels of the code" \
	< <(diff <(echo "$in_code") <(echo "$in_docs") | sed -n 's/^</only in code:/p; s/^>/only in docs:/p')
exit $failed
