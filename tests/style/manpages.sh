#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Man pages name the options that the programs have, no more and no fewer; the README's are there. TAP.
# In a page a term that is described stands alone on a line: *-x*, *--long*=_ARG_
#
#   manpages.sh SOURCE-ROOT MPRING MPRING-WORKER MPRING-STAT [RINGLAT]
set -u
root=$1
mpring=$2 worker=$3 stat=$4 ringlat=${5:-}
nr=0 failed=0
same() { # claim, set of the page, set of the program
	local difference
	difference=$(diff <(sort -u <<<"$2") <(sort -u <<<"$3") | sed -n 's/^</# page only:/p; s/^>/# program only:/p')
	nr=$((nr + 1))
	if [ -z "$difference" ] && [ -n "$2" ]; then
		echo "ok $nr - $1"
	else
		echo "${difference:-# the page names none}"
		echo "not ok $nr - $1"
		failed=1
	fi
}
section() { # page, heading: its lines
	awk -v wanted="# $2" '/^# / { here = $0 == wanted } here' "$root/docs/man/$1.scd"
}
terms() { # the described terms among the lines of a page, "*a*, *b* X" as two
	grep -E '^\*[^*]+\*' | sed 's/, \*/\n*/g' | sed -n 's/^\*\([^*]*\)\*.*/\1/p'
}
long_help() { # "  -x, --long=ARG   text" as two options
	grep -oE '^ *(-.,? +)?--[a-z-]+|^ *-[^-]\b' | grep -oE -- '--?[a-z?-]+'
}
properties() { # "## OPTION" above the terms of a page: "OPTION: TERM"
	while read -r line; do
		case $line in
		'## '*) option=${line#\#\# } ;;
		'*'*) terms <<<"$line" | sed "s/^/$option: /" ;;
		esac
	done
}

echo "1..11"
same "mpring, commands and options" "$(terms < <(section mpring.1 COMMANDS; section mpring.1 OPTIONS))" \
	"$("$mpring" --help | grep -oE 'mpring (perf|run|--?[a-z]+)|, -h' | sed 's/mpring //; s/, //')"
same "mpring perf" "$(section mpring-perf.1 OPTIONS | terms)" "$("$mpring" perf --help | long_help)"
same "mpring run" "$(section mpring-run.1 OPTIONS | terms)" "$("$mpring" run --help | long_help)"
same "mpring-worker, options" "$(section mpring-worker.1 OPTIONS | terms)" \
	"$("$worker" --help | sed -nE 's/^  (-[A-Za-z-]+).*/\1/p')"
same "mpring-worker, properties" "$(section mpring-worker.1 PROPERTIES | properties)" \
	"$("$worker" --help | awk '/^  -/ { option = $1 " " $2; sub(/,.*/, "", option); sub(/ KEY=.*/, "", option) }
		/^      [a-z0-9_.-]+  / { print option ": " $1 }')"
same "mpring-worker, options of QEMU" \
	"$(section mpring-worker.1 "OPTIONS OF QEMU" | tr -d '\\.*,' | grep -oE '(^| )-[A-Za-z0-9_-]+' | tr -d ' ')" \
	"$("$worker" --help | awk '/^Options of QEMU/ { here = 1 } /^Exit/ { here = 0 } here && /^      -/' | tr -s ' ' '\n' | grep .)"
same "mpring-stat" "$(section mpring-stat.1 OPTIONS | terms)" "$("$stat" --help | long_help)"
same "mpring-pci, properties" "$(section mpring-pci.7 PROPERTIES | terms)" \
	"$(sed -nE 's/.*DEFINE_PROP_[A-Z0-9_]+\("([^"]+)".*/\1/p' "$root/proxy/qemu/mpring-pci.c")"
# google-benchmark has more flags than the page: those that it names must be there.
named=$(section ringlat.1 OPTIONS | terms)
if [ -n "$ringlat" ]; then
	known=$("$ringlat" --help | grep -oE -- '--benchmark[a-z_]+')$'\n'--smoke$'\n'--help
	same "ringlat" "$named" "$(grep -Fxf <(echo "$known") <<<"$named")"
else
	nr=$((nr + 1))
	echo "ok $nr - ringlat # SKIP benchmarks are not built"
fi
options() { # that a text names
	grep -oE -- '(^|[] `(,=[])--?[A-Za-z][A-Za-z-]+' | grep -oE -- '--?[A-Za-z-]+$' | sort -u
}
# The worker takes two dashes for one, as QEMU does.
known=$({
	"$mpring" perf --help
	"$mpring" run --help
	"$worker" --help | sed -E 'p; s/(^| )-/\1--/g'
} | options)
named=$(options <"$root/README.md")
same "README" "$named" "$(grep -Fxf <(echo "$known") <<<"$named")"
if command -v scdoc >/dev/null; then
	same "scdoc takes every page" "$(ls "$root"/docs/man/*.scd)" "$(for page in "$root"/docs/man/*.scd; do
		scdoc <"$page" >/dev/null && echo "$page"
	done)"
else
	nr=$((nr + 1))
	echo "ok $nr - scdoc takes every page # SKIP no scdoc"
fi
exit $failed
