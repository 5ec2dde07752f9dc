#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# What the documents point at is there: links, and the files that they name in backquotes. TAP.
set -u
cd "$1" || exit 1
. tests/style/tap.sh
docs() { git ls-files '*.md'; }
dead_links() {
	docs | while read -r md; do
		grep -oE '\]\([^)#: ]+' "$md" | cut -c3- | while read -r target; do
			[ -e "$(dirname "$md")/$target" ] || echo "$md: links to $target, which isn't there"
		done
	done
}
# Only names in a folder of ours: `build/` comes later, and globs aren't names.
dead_names() {
	local folders
	folders=$(git ls-files | sed -n 's|/.*||p' | sort -u | paste -sd'|')
	docs | while read -r md; do
		grep -oE "\`($folders)/[A-Za-z0-9_./-]+\.[a-z]+\`" "$md" | tr -d '`' | while read -r target; do
			[ -e "$target" ] || echo "$md: names $target, which isn't there"
		done
	done
}
echo "1..2"
none "every relative link has its file" < <(dead_links)
none "every file that a document names exists" < <(dead_names)
exit $failed
