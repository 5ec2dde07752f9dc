#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# docs/scsi.md and the tables of scsi-target list the same, and the tests that it names are about that. TAP.
set -u
cd "$1" || exit 1
. tests/style/tap.sh
doc=docs/scsi.md
rows() { # heading: the cells of its table, "a|b|c", unspaced at the borders
	awk -v wanted="## $1" '/^## / { here = index($0, wanted) == 1 } here' $doc |
		grep -E '^\| [0-9A-F]{2}' | sed -E 's/^\| *//; s/ *\|$//; s/ +\| +/|/g; s/ *\| */|/g'
}
# Only the first table: the second one is of what is refused.
command_rows() { rows Commands | awk -F'|' 'NF == 7'; }
refused_codes() { rows Commands | awk -F'|' 'NF == 3 { print $1 }' | sed 's/, /\n/g'; }
entries() { # file, macro: its arguments, a line an entry
	sed 's|/\*.*\*/||' "scsi-target/$1" | tr '\n\t' '  ' | grep -oP "\b$2\(0x[^\"]*\"[^\"]*\"" |
		sed -E "s/^$2\(//; s/, +/,/g; s/\"//g"
}
units() { sed 's/DISK/disk/; s/CDROM/cd/; s/ANY/all/'; }
# "CODE|NAME|UNITS" from "0xCODE,0xSUB,...". A page has a subpage 0, which isn't shown.
keys() { # fields of units and name, subcode that isn't shown
	awk -F, -v u="$1" -v n="$2" -v none="$3" '{
		code = toupper(substr($1, 3))
		if ($2 ~ /^0x/ && $2 != none)
			code = code "/" toupper(substr($2, 3))
		print code "|" $n (u ? "|" $u : "")
	}'
}
differ() { # set of the document, set of the code
	[ -n "$1" ] && [ -n "$2" ] || echo "nothing is listed"
	diff <(sort <<<"$1") <(sort <<<"$2") | sed -n "s|^<|only in $doc:|p; s|^>|only in the code:|p"
}
missing() { # "CODE|...|TESTS" rows: tests that aren't there, codes that none of them has
	while IFS= read -r row; do
		local code=${row%%|*} tests=${row##*|} found=
		for test in ${tests//,/ }; do
			file=$(ls tests/{unit,property}/scsi-target/"$test".c 2>/dev/null)
			[ -n "$file" ] || echo "$code: no test $test"
			[ -n "$file" ] && grep -qiE "0x0*${code%%/*}\b" "$file" && found=yes
		done
		[ -n "$found" ] || echo "$code: not in any of: $tests"
	done
}
echo "1..7"
none "every command" < <(differ "$(command_rows | awk -F'|' '{ print $1 "|" $2 "|" $3 }')" \
	"$(entries commands.def CMD | keys 4 7 NONE | units)")
none "every VPD page" < <(differ "$(rows 'Vital product data' | awk -F'|' '{ print $1 "|" $2 "|" $3 }')" \
	"$(entries vpd_pages.def VPD_PAGE | keys 2 4 0x00 | units)")
none "every mode page" < <(differ "$(rows 'Mode pages' | awk -F'|' '{ print $1 "|" $2 "|" $3 }')" \
	"$(entries mode_pages.def MODE_PAGE | keys 4 6 0x00 | units)")
none "every log page" < <(differ "$(rows 'Log pages' | awk -F'|' '{ print $1 "|" $2 }')" \
	"$(entries log_pages.def LOG_PAGE | keys 0 5 0x00)")
none "what is called refused is in no table" < <(refused_codes | while IFS=/ read -r code action; do
	grep -iE "^CMD\(0x$code, ${action:+0x$action,}" scsi-target/commands.def
done)
none "each named test is there and has the code" < <({
	command_rows
	rows 'Vital product data'
	rows 'Mode pages'
	rows 'Log pages'
} | missing)
none "each state is one that the document explains" < <(command_rows | awk -F'|' '$4 != "done" && $4 != "accepted"')
exit $failed
