#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Layers: what each folder may include, and which files are the one door to a library. TAP.
set -u
cd "$1" || exit 1

# folder: folders of ours that it may include, beside itself
layers='
base:
ring:base
doorbell:base
stats:base
block:base
lsi-core:base
scsi-target:base block
wire:base ring doorbell
proxy:base ring doorbell stats wire
remote-worker:base ring doorbell stats wire block scsi-target lsi-core
launcher:base stats wire
'
# header pattern | the files that may include it, as a pattern of paths
doors='
liburing\.h|^block/uring\.[ch]$
hwloc\.h|^(launcher/placement\.c|bench/.*)$
seccomp\.h|^remote-worker/sandbox\.c$
rte_.*\.h|^(ring/.*|doorbell/pause_.*\.c|remote-worker/control\.[ch]|bench/.*)$
benchmark/benchmark\.h|^bench/shim/gbench\.cc$
(qemu|qapi|hw|exec|qom|sysemu|migration|qemu-headers)/.*\.h|^proxy/qemu/.*$
'
nr=0 failed=0
result() { # faults, claim
	nr=$((nr + 1))
	if [ -z "$1" ]; then
		echo "ok $nr - $2"
	else
		while read -r line; do echo "# $line"; done <<<"$1"
		echo "not ok $nr - $2"
		failed=1
	fi
}
sources() { git ls-files '*.[ch]' '*.cc' '*.def'; }

echo "1..$(grep -c . <<<"$(grep . <<<"$layers"; grep . <<<"$doors"; echo own)")"
ours=$(grep . <<<"$layers" | cut -d: -f1 | paste -sd'|')
while IFS=: read -r folder allowed; do
	[ -n "$folder" ] || continue
	may=$(echo "$folder $allowed" | tr ' ' '|' | sed 's/|$//')
	faults=$(sources | grep "^$folder/" | xargs -r grep -HnE "^#include \"($ours)/" /dev/null |
		grep -vE "#include \"($may)/")
	result "$faults" "$folder includes only: ${allowed:-nothing of ours}"
done <<<"$layers"
while IFS='|' read -r header files; do
	[ -n "$header" ] || continue
	# The pattern of files has bars too: it is the rest after the first that starts with ^.
	line="$header|$files"
	files=${line#*|^}
	header=${line%%|^*}
	faults=$(sources | xargs grep -HnE "^#include [<\"]$header[>\"]" /dev/null |
		awk -F: -v may="^$files" '$1 !~ may')
	result "$faults" "only ^$files includes $header"
done <<<"$doors"
# A header that needs another's help is found when a file of its own folder includes it first.
faults=$(git ls-files '*.c' | grep -vE '^(proxy/qemu|tests|bench)/' | while read -r c; do
	[ -e "${c%.c}.h" ] || continue
	first=$(grep -m1 '^#include' "$c")
	[[ $first == "#include \"$(dirname "$c")/"* ]] || echo "$c: first include is $first, not its own header"
done)
result "$faults" "own header first"
exit $failed
