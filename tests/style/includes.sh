#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Layers: what each folder may include, and which files are the one door to a library. TAP.
set -u
. "$(dirname "$0")/tap.sh"
cd "$1" || exit 1

# folder: folders of ours that it may include, beside itself
layers='
base:
ring:base
doorbell:base
stats:base
block:base
lsi-core:base
monitor:base
scsi-target:base block
wire:base ring doorbell
proxy:base ring doorbell stats wire
remote-worker:base ring doorbell stats wire block scsi-target lsi-core monitor
launcher:base stats wire monitor
'
# folder of remote-worker/: others of its folders that it may include; nothing right below remote-worker/
inner='
options:
supervisor:options
monitor:options supervisor
'
# header pattern | the files that may include it, as a pattern of paths
doors='
liburing\.h|^block/uring\.h$
libnbd\.h|^block/nbd_lib\.h$
dlfcn\.h|^block/nbd_lib\.c$
hwloc\.h|^(launcher/placement|bench/pin)\.c$
seccomp\.h|^remote-worker/sandbox\.c$
jansson\.h|^(launcher/(output|results)\.h|monitor/.*\.[ch]|(tests/unit/)?remote-worker/.*\.[ch])$
rte_.*\.h|^(remote-worker/control|bench/rivals/rte_ring)\.c$
benchmark/benchmark\.h|^bench/shim/gbench\.cc$
(qemu|qapi|hw|exec|qom|sysemu|system|migration|plugins)/.*\.h|^proxy/qemu/.*$
monitor/monitor\.h|^proxy/qemu/.*$
'
sources() { git ls-files '*.[ch]' '*.cc' '*.def'; }

echo "1..$(grep -c . <<<"$(grep . <<<"$layers"; grep . <<<"$inner"; grep . <<<"$doors"; echo own root lib | tr ' ' '\n')")"
ours=$(grep . <<<"$layers" | cut -d: -f1 | paste -sd'|')"|examples|bench|tests"
while IFS=: read -r folder allowed; do
	[ -n "$folder" ] || continue
	may=$(echo "$folder $allowed" | tr ' ' '|' | sed 's/|$//')
	faults=$(sources | grep "^$folder/" | xargs -r grep -HnE "^#include \"($ours)/" /dev/null |
		grep -vE "#include \"($may)/|#include \"monitor/monitor\.h\"") # this one is QEMU's
	none "$folder includes only: ${allowed:-nothing of ours}" <<<"$faults"
done <<<"$layers"
while IFS=: read -r folder allowed; do
	[ -n "$folder" ] || continue
	may=$(echo "$folder $allowed" | tr ' ' '|' | sed 's/|$//')
	faults=$(sources | grep "^remote-worker/$folder/" | xargs grep -HnE '^#include "remote-worker/' /dev/null |
		grep -vE "#include \"remote-worker/($may)/")
	none "remote-worker/$folder includes of the worker only: ${allowed:-nothing else}" <<<"$faults"
done <<<"$inner"
while IFS='|' read -r header files; do
	[ -n "$header" ] || continue
	# The pattern of files has bars too: it is the rest after the first that starts with ^.
	line="$header|$files"
	files=${line#*|^}
	header=${line%%|^*}
	faults=$(sources | xargs grep -HnE "^#include [<\"]$header[>\"]" /dev/null |
		awk -F: -v may="^$files" '$1 !~ may')
	none "only ^$files includes $header" <<<"$faults"
done <<<"$doors"
# A header that needs another's help is found when a file of its own folder includes it first.
faults=$(git ls-files '*.c' | grep -vE '^(proxy/qemu|tests|bench)/' | while read -r c; do
	[ -e "${c%.c}.h" ] || continue
	first=$(grep -m1 '^#include' "$c")
	[[ $first == "#include \"$(dirname "$c")/"* ]] || echo "$c: first include is $first, not its own header"
done)
none "own header first" <<<"$faults"
# A path that doesn't start at the root would hide its layer from the greps above.
faults=$(sources | grep -v '^proxy/qemu/' | xargs grep -HnE '^#include "' /dev/null | while IFS=: read -r file line text; do
	header=$(cut -d'"' -f2 <<<"$text")
	[ -e "$header" ] || [ -e "$header.in" ] || echo "$file:$line: no $header below the root"
done)
none "every path starts at the root" <<<"$faults"
# What neither the C library nor the kernel brings needs a door in the list above.
libc='(sys|linux|netinet|arpa)/[a-z_]+|argp|assert|ctype|dirent|endian|errno|fcntl|fnmatch|getopt|inttypes|limits|malloc|netdb|poll|pthread|sched|semaphore|setjmp|signal|std(arg|atomic|bool|def|int|io|lib)|strings?|time|unistd'
doored=$(grep . <<<"$doors" | sed 's/|^.*//' | paste -sd'|')
faults=$(sources | grep -v '^proxy/qemu/' | xargs grep -HnE '^#include <' /dev/null |
	grep -vE "<($libc)\.h>|<($doored)>|<(std|c)[a-z]+>")
none "every library has a door" <<<"$faults"
exit $failed
