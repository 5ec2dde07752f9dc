#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# get-headers.sh - the headers of exactly the QEMU that is installed here.
#
# mpring-pci.so is loaded into the distribution's QEMU binary, so it must see
# the structures which that binary was compiled with. They are in the source
# package; nothing of it is compiled, and nothing on the system is changed:
#
#  1. the machine's own apt sources are copied to a private folder as
#     "deb-src" (a fresh Debian has only "deb"), with private lists and cache,
#     so the mirror is whatever the machine uses;
#  2. the source package of the installed version is unpacked;
#  3. the headers are kept, the QAPI ones are generated (python3 only), and
#     config-host.h is written by hand: only the switches that change
#     structure layout or inline code.
#
# QEMU's own Python client of its monitor (python/qemu/qmp) comes from the same
# package and is kept beside them: tests talk to workers with it.
#
# A second run with the same QEMU does nothing. Exit status: 0 headers are
# there; 1 they are not, and why is said; 2 usage.
set -eu

here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
. "$here/../../scripts/private-apt.sh"
format=2	# of the folder; raise it when its contents change

usage()
{
	cat <<-END
	usage: get-headers.sh [--force] [FOLDER]
	Puts the headers of the installed QEMU into FOLDER (.cache/qemu-headers in
	the source tree). Needs apt, dpkg-dev, python3 and the network.

	  --force    do it again, even if FOLDER has them already
	  --help     this text
	END
}

say()
{
	printf 'qemu-headers: %s\n' "$*"
}

fail()
{
	printf 'qemu-headers: error: %s\n' "$*" >&2
	exit 1
}

force=no
dest=
for arg in "$@"; do
	case $arg in
	--help) usage; exit 0 ;;
	--force) force=yes ;;
	-*) usage >&2; exit 2 ;;
	*) dest=$arg ;;
	esac
done
: "${dest:=$(CDPATH='' cd -- "$here/../.." && pwd)/.cache/qemu-headers}"

# What is installed: the package that holds the binary.
command -v dpkg-query >/dev/null || fail "no dpkg here; point -Dqemu-headers at a folder made elsewhere"
wanted=$(dpkg-query -W -f '${source:Version}' qemu-system-x86 2>/dev/null) || wanted=
[ -n "$wanted" ] || fail "qemu-system-x86 is not installed; install it first"
source=$(dpkg-query -W -f '${source:Package}' qemu-system-x86)

stamp="$format $source $wanted"
if [ $force = no ] && [ "$(cat "$dest/stamp" 2>/dev/null)" = "$stamp" ]; then
	say "$dest already has $source $wanted"
	exit 0
fi
# Only a folder of our own making is ever replaced.
if [ -e "$dest" ] && [ ! -e "$dest/stamp" ] && [ -n "$(ls -A "$dest" 2>/dev/null)" ]; then
	fail "$dest holds something else; name an empty or new folder"
fi
for tool in apt-get apt-cache dpkg-source python3; do
	command -v $tool >/dev/null || fail "$tool is missing; install apt, dpkg-dev and python3"
done

tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
trap 'exit 1' HUP INT TERM

# The wanted version, or else the newest of the same upstream version.
choose_version()
{
	apt-cache -c "$tmp/apt.conf" madison "$source" | awk -F ' *[|] *' '{ print $2 }' >"$tmp/versions"
	if grep -qxF "$wanted" "$tmp/versions"; then
		chosen=$wanted
		return
	fi
	upstream=${wanted%%-*}
	chosen=
	while read -r v; do
		[ "${v%%-*}" = "$upstream" ] || continue
		if [ -z "$chosen" ] || dpkg --compare-versions "$v" gt "$chosen"; then
			chosen=$v
		fi
	done <"$tmp/versions"
	[ -n "$chosen" ] || fail "the archive has no source of $source $wanted (it has: $(tr '\n' ' ' <"$tmp/versions"))"
	say "the archive no longer has $source $wanted; taking $chosen." \
		"The device checks at load time that the structures agree."
}

unpack_source()
{
	say "updating a private list of source packages"
	apt-get -c "$tmp/apt.conf" -qq update >"$tmp/update.log" 2>&1 || :
	choose_version
	say "downloading the source of $source $chosen (about 25 MB)"
	mkdir "$tmp/dl"
	(cd "$tmp/dl" && apt-get -c "$tmp/apt.conf" -qq source --download-only \
		"$source=$chosen" >"$tmp/source.log" 2>&1) || {
		cat "$tmp/update.log" "$tmp/source.log" >&2
		fail "the source package could not be downloaded; apt's messages are above"
	}
	say "unpacking it"
	(cd "$tmp/dl" && dpkg-source --no-check -x ./*.dsc "$tmp/src" >/dev/null)
}

# Only what changes structure layout or inline code; see the top of compat.h.
write_config()
{
	version=$(cat "$tmp/src/VERSION")
	old_ifs=$IFS
	IFS=.
	# shellcheck disable=SC2086 # split at the dots
	set -- $version
	IFS=$old_ifs
	for c in POSIX LINUX INT128 EVENTFD PLUGIN TCG MODULES ATOMIC64 IOVEC; do
		echo "#define CONFIG_$c 1"
	done
	cat <<-END
	#define HOST_X86_64 1
	#define QEMU_VERSION "$version"
	#define QEMU_VERSION_MAJOR $1
	#define QEMU_VERSION_MINOR $2
	#define QEMU_VERSION_MICRO ${3:-0}
	#define MPRING_QEMU_PACKAGE "$source $chosen"
	END
}

make_headers()
{
	out=$tmp/out
	mkdir -p "$out/src" "$out/gen/linux-headers"
	(cd "$tmp/src" && tar -cf - VERSION COPYING include linux-headers $(ls -d host/include tcg/i386 2>/dev/null)) |
		tar -xf - -C "$out/src"
	[ ! -d "$tmp/src/python/qemu/qmp" ] || {
		mkdir -p "$out/python/qemu"
		cp -R "$tmp/src/python/qemu/qmp" "$out/python/qemu/qmp"
	}
	say "generating the QAPI headers"
	python3 -B "$tmp/src/scripts/qapi-gen.py" -o "$out/gen/qapi" -b "$tmp/src/qapi/qapi-schema.json"
	find "$out/gen/qapi" -type f ! -name '*.h' -delete
	write_config >"$out/gen/config-host.h"
	: >"$out/gen/config-poison.h"
	ln -s ../../src/linux-headers/asm-x86 "$out/gen/linux-headers/asm"
	echo "$stamp" >"$out/stamp"
}

[ "$(uname -m)" = x86_64 ] || fail "only x86_64 hosts are supported so far"
private_apt "$tmp"
unpack_source
make_headers
mkdir -p "$(dirname -- "$dest")"
rm -rf "$dest.new" "$dest.old"
cp -R "$tmp/out" "$dest.new"
[ ! -e "$dest" ] || mv "$dest" "$dest.old"
mv "$dest.new" "$dest"
rm -rf "$dest.old"
say "$dest has the headers of $source $chosen ($(du -sh "$dest" | cut -f1))"
