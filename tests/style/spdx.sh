#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Each file says its licence in its first lines; proxy/qemu/ has QEMU's. TAP.
set -u
cd "$1" || exit 1
failed=0
check() { # number, claim, expected, files on stdin
	local bad=
	while read -r f; do
		[ -s "$f" ] || continue
		head -n 4 "$f" | grep -q "SPDX-License-Identifier: $3" || bad+="# $f"$'\n'
	done
	if [ -z "$bad" ]; then
		echo "ok $1 - $2"
	else
		printf '%s' "$bad"
		echo "not ok $1 - $2"
		failed=1
	fi
}
files() {
	git ls-files | grep -vE '^LICENSES/|\.md$|\.gitignore$|^\.editorconfig$|\.txt$|/corpus/|\.json$|\.bin$|\.expect$' ||
		true
}
echo "1..2"
check 1 "BSD-3-Clause outside proxy/qemu" "BSD-3-Clause" < <(files | grep -v '^proxy/qemu/')
check 2 "GPL-2.0-or-later in proxy/qemu" "GPL-2.0-or-later" < <(files | grep '^proxy/qemu/')
exit $failed
