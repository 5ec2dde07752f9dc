#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Sizes, and counters that nobody writes. TAP.
set -u
. "$(dirname "$0")/tap.sh"
cd "$1" || exit 1
# "FILE:LINE: BODY-LINES PARAMETERS" of each function; its braces stand in the first column.
functions() {
	git ls-files '*.c' | grep -v '^proxy/qemu/' | xargs awk '
		FNR == 1 { head = ""; start = 0 }
		start == 0 && /^[a-z].*\(/ && !/;$/ { head = $0; next }
		start == 0 && head != "" && /^[\t ]/ { head = head $0; next }
		start == 0 && /^{$/ && head != "" { start = FNR; next }
		start > 0 && /^}/ {
			# Commas of function pointers, in inner brackets, separate no parameters.
			sub(/^[^(]*\(/, "", head)
			while (gsub(/\([^()]*\)/, "", head))
				;
			n = gsub(/,/, "", head) + 1
			print FILENAME ":" start ": " FNR - start - 1 " " n
			start = 0
			head = ""
		}'
}
echo "1..4"
none "no function above 60 lines" < <(functions | awk '$2 > 60')
# libnbd has chosen the parameters of its callback.
none "no function above 5 parameters" < <(functions | awk '$3 > 5' | grep -v '^block/nbd_extents\.c:.* 6$')
none "no file above 800 lines" < <(git ls-files '*.[ch]' '*.py' '*.sh' | xargs wc -l | awk '$1 > 800 && $2 != "total"')
none "each counter is written" < <(grep -oP 'MP_COUNTER\(\K[A-Z_]+' stats/counters.def | while read -r id; do
	git grep -qwE "(MP_STAT_)?$id" -- proxy remote-worker || echo "$id"
done)
exit $failed
