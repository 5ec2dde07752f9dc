#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Makes the guest of `mpring perf` and of the guest tests: the distribution's own kernel and sym53c8xx
# driver, busybox and fio, in a small initramfs. Nothing is installed on the host.
#
#   make-image.sh [DEST]        DEST: .cache/guest below the source root
#
# Writes DEST/vmlinux, DEST/initrd.img and DEST/stamp; does nothing when the stamp says that both were made
# from the same kernel package, fio, busybox and scripts. Needs: apt-get, dpkg-deb, xz, cpio, kmod,
# busybox-static, fio, python3.
set -euo pipefail
export LC_ALL=C.UTF-8
here=$(cd "$(dirname "$0")" && pwd)
dest=${1:-$here/../../.cache/guest}
mkdir -p "$dest"
dest=$(cd "$dest" && pwd)

# virtio-serial carries the report and fw_cfg the plan, so they come before the disks' driver.
first_modules=(virtio_pci virtio_console qemu_fw_cfg)
disk_modules=(sym53c8xx sd_mod)
# No 3 s wait after the bus reset: these disks need none, and 64 controllers would add up.
declare -A params=([sym53c8xx]='settle=0')

die() { echo "make-image.sh: $*" >&2; exit 1; }

need() {
	for tool in apt-get dpkg-deb xz cpio modinfo fio busybox python3; do
		command -v "$tool" >/dev/null || PATH=$PATH:/usr/sbin:/sbin command -v "$tool" >/dev/null ||
			die "$tool is missing; ./quickstart installs what is needed"
	done
	PATH=$PATH:/usr/sbin:/sbin
}

kernel_package() { # the image that linux-image-amd64 stands for, as package=version
	local name
	name=$(apt-cache depends linux-image-amd64 | awk '$1 == "Depends:" && $2 ~ /^linux-image-/ { print $2; exit }')
	if [ -z "$name" ]; then # apt's lists are gone: what we have is as new as can be known
		sed -n 's/^kernel //p' "$dest/stamp" 2>/dev/null | grep . ||
			die "apt knows no linux-image-amd64; run 'apt-get update' first"
		return
	fi
	echo "$name=$(apt-cache show --no-all-versions "$name" | awk '$1 == "Version:" { print $2; exit }')"
}

stamp() { # what the image is made from; $1 package=version
	echo "kernel $1"
	dpkg-query -W -f '${Package} ${Version}\n' fio busybox-static libc6
	sha256sum <"$here/init"
	sha256sum <"$here/make-image.sh"
}

fetch_kernel() { # package=version -> $work/root of the unpacked package
	echo "  downloading $1"
	(cd "$work" && apt-get -qq -o APT::Sandbox::User=root download "$1")
	mkdir "$work/kernel"
	dpkg-deb -x "$work"/linux-image-*.deb "$work/kernel"
}

# A bzImage unpacks itself, which costs an emulated CPU seconds. The ELF image inside boots as it is
# (PVH entry), so it is taken out here: setup header, offsets 0x1f1, 0x248 and 0x24c.
extract_vmlinux() { # bzImage, output
	python3 - "$1" >"$work/payload" <<'PY'
import struct, sys
image = open(sys.argv[1], 'rb').read()
setup = (image[0x1f1] or 4) + 1
offset, length = struct.unpack_from('<II', image, 0x248)
start = setup * 512 + offset
sys.stdout.buffer.write(image[start:start + length - 4])
PY
	case $(od -An -tx1 -N4 "$work/payload" | tr -d ' ') in
	fd377a58) xz -dc --single-stream "$work/payload" ;;
	28b52ffd) zstd -qdc "$work/payload" ;;
	1f8b*) gzip -qdc "$work/payload" ;;
	*) die "$1: the kernel is packed in a way this script doesn't know" ;;
	esac >"$2"
}

declare -A placed=()
place_module() { # list file, module: the module after all it needs
	local list=$1 name=$2 file dep
	[ -z "${placed[$name]:-}" ] || return 0
	placed[$name]=1
	file=$(find "$work/kernel/lib/modules" -name "$name.ko*" -o -name "${name//_/-}.ko*" | head -n 1)
	[ -n "$file" ] || return 0 # built into the kernel
	for dep in $(modinfo -F depends "$file" | tr , ' ') $(modinfo -F softdep "$file" | sed 's/pre: //; s/post:.*//'); do
		place_module "$list" "${dep//-/_}"
	done
	case $file in
	*.xz) xz -dc "$file" >"$root/modules/$name.ko" ;;
	*) cp "$file" "$root/modules/$name.ko" ;;
	esac
	echo "$name.ko ${params[$name]:-}" >>"$root/modules/$list"
}

place_program() { # a dynamic program, the loader and every library it names
	local lib
	cp "$(readlink -f "$(command -v "$1")")" "$root/bin/$1"
	ldd "$root/bin/$1" | awk '$2 == "=>" && $3 ~ /^\// { print $3 } $1 ~ /^\// { print $1 }' | while read -r lib; do
		mkdir -p "$root$(dirname "$lib")"
		cp -L "$lib" "$root$lib"
	done
}

place_busybox() {
	local tool
	cp "$(command -v busybox)" "$root/bin/busybox"
	for tool in sh mount mkdir insmod cat ln readlink awk grep sleep seq cut wc dmesg poweroff cp rm ls uname tr; do
		ln -s busybox "$root/bin/$tool"
	done
}

pack() { # the same tree always gives the same bytes
	find "$root" -exec touch -h -d @0 {} +
	(cd "$root" && find . -print0 | sort -z |
		cpio --quiet --null --create --format=newc --reproducible --owner=0:0) >"$dest/initrd.img.part"
}

need
package=$(kernel_package)
stamp "$package" >"$dest/stamp.new"
if cmp -s "$dest/stamp" "$dest/stamp.new" && [ -s "$dest/vmlinux" ] && [ -s "$dest/initrd.img" ]; then
	rm "$dest/stamp.new"
	echo "  guest image is up to date: $dest ($package)"
	exit 0
fi
work=$(mktemp -d "${TMPDIR:-/tmp}/mpring-guest.XXXXXX")
trap 'rm -rf "$work" "$dest"/*.part "$dest/stamp.new"' EXIT
root=$work/root
mkdir -p "$root"/{bin,dev,proc,sys,tmp,modules,etc}
rm -f "$dest/stamp"
fetch_kernel "$package"
extract_vmlinux "$work"/kernel/boot/vmlinuz-* "$dest/vmlinux.part"
for module in "${first_modules[@]}"; do place_module first "$module"; done
for module in "${disk_modules[@]}"; do place_module disks "$module"; done
[ -s "$root/modules/disks" ] || die "$package has no sym53c8xx driver"
place_busybox
place_program fio
install -m 755 "$here/init" "$root/init"
pack
mv "$dest/vmlinux.part" "$dest/vmlinux"
mv "$dest/initrd.img.part" "$dest/initrd.img"
mv "$dest/stamp.new" "$dest/stamp"
echo "  guest image made: $dest ($package, $(($(stat -c %s "$dest/initrd.img") >> 20)) MiB initramfs)"
