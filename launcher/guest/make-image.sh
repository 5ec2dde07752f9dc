#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Makes the guest of `mpring perf` and of the guest tests: a kernel of the distribution with its own
# sym53c8xx driver, busybox, fio, and the tools of disks, in a small initramfs. Nothing is installed on the host.
#
#   make-image.sh [--kernel WHICH] [DEST]
#
#   WHICH  debian     the distribution's kernel (default); DEST: .cache/guest below the source root
#          backports  the newest of its backports; DEST: .cache/guest-backports
#          i386       its 32-bit one, with nothing but busybox; DEST: .cache/guest-i386
#
# Where it is installed there is no source root: DEST is needed, and `mpring perf --guest DEST`.
# Writes DEST/vmlinux, DEST/initrd.img and DEST/stamp; does nothing when the stamp says that both were made
# from the same packages and scripts. Needs: apt-get, dpkg-deb, xz, cpio, kmod, python3, and on the host the
# programs that it copies.
set -euo pipefail
export LC_ALL=C.UTF-8
here=$(cd "$(dirname "$0")" && pwd)
which=debian
if [ "${1:-}" = --kernel ]; then
	which=${2:-}
	shift 2
fi

# virtio-serial carries the report and fw_cfg the plan, so they come before the disks' driver.
first_modules=(virtio_pci virtio_console qemu_fw_cfg)
disk_modules=(sym53c8xx sd_mod)
test_modules=(crc32c_generic sr_mod isofs ext4 sg) # loaded for a script only
# No 3 s wait after the bus reset: these disks need none, and 64 controllers would add up.
declare -A params=([sym53c8xx]='settle=0')
packages=(fio busybox-static libc6 sg3-utils e2fsprogs util-linux)
programs=(fio mke2fs e2fsck blkdiscard sg_compare_and_write sg_dd sg_format sg_get_lba_status sg_inq sg_logs
	sg_luns sg_modes sg_opcodes sg_persist sg_prevent sg_raw sg_readcap sg_requests sg_reset sg_sanitize
	sg_senddiag sg_start sg_sync sg_turs sg_unmap sg_verify sg_vpd sg_wr_mode sg_write_buffer sg_write_same
	sg_write_verify sg_write_x)

die() { echo "make-image.sh: $*" >&2; exit 1; }

case $which in
debian) meta=linux-image-amd64 arch=amd64 suffix= ;;
backports) meta=linux-image-amd64 arch=amd64 suffix=-backports ;;
i386) meta=linux-image-686-pae arch=i386 suffix=-i386 packages=() programs=() ;;
*) die "unknown kernel '$which'; valid: debian backports i386" ;;
esac
dest=${1:-}
if [ -z "$dest" ]; then
	[ -e "$here/../../meson.build" ] || die "give DEST, the folder to make, which mpring perf takes as --guest"
	dest=$here/../../.cache/guest$suffix
fi
mkdir -p "$dest"
dest=$(cd "$dest" && pwd)

need() {
	PATH=$PATH:/usr/sbin:/sbin
	for tool in apt-get dpkg-deb xz cpio modinfo busybox python3 "${programs[@]}"; do
		command -v "$tool" >/dev/null || die "$tool is missing; apt-get install busybox-static xz-utils cpio kmod python3 ${packages[*]}"
	done
}

# What the machine's own sources don't have comes by its own mirrors, but from private lists. "-c" is read
# last, so it wins over apt.conf.d, whose other settings (proxies, keys) stay in force.
private_apt() { # release
	local file
	mkdir -p "$work/apt"/{parts,lists/partial,cache/archives/partial}
	for file in /etc/apt/sources.list.d/*.sources; do
		[ ! -f "$file" ] || awk -v have="$VERSION_CODENAME" -v want="$1" 'BEGIN { RS = ""; FS = "\n" }
			$0 ~ "Suites:[^\n]* ?" have "( |\n|$)" {
				gsub(/(^|\n)Suites:[^\n]*/, "\nSuites: " want)
				gsub(/(^|\n)Types:[^\n]*/, "\nTypes: deb")
				print $0 "\n"
			}' "$file" >"$work/apt/parts/${file##*/}"
	done
	for file in /etc/apt/sources.list /etc/apt/sources.list.d/*.list; do
		[ ! -f "$file" ] ||
			sed -nE "s/^[[:space:]]*deb[[:space:]]+(\\[[^]]*\\][[:space:]]+)?([^[:space:]]+)[[:space:]]+$VERSION_CODENAME[[:space:]].*/deb \\1\\2 $1 main/p" \
				"$file" >"$work/apt/parts/${file##*/}.list"
	done
	cat >"$work/apt/apt.conf" <<-END
	APT::Architecture "$arch";
	APT::Architectures { "$arch"; };
	Dir::Etc::sourcelist "/dev/null";
	Dir::Etc::sourceparts "$work/apt/parts";
	Dir::State::lists "$work/apt/lists";
	Dir::State::status "/dev/null";
	Dir::Cache "$work/apt/cache";
	Debug::NoLocking "true";
	#clear APT::Update::Post-Invoke;
	#clear APT::Update::Post-Invoke-Success;
	END
	apt_options=(-c "$work/apt/apt.conf")
	apt-get "${apt_options[@]}" -qq -o APT::Sandbox::User=root update >"$work/apt/log" 2>&1 || cat "$work/apt/log" >&2
}

apt_options=()
choose_apt() {
	VERSION_CODENAME=stable
	# shellcheck disable=SC1091 # of the machine
	. /etc/os-release
	case $which in
	backports) private_apt "$VERSION_CODENAME-backports" ;;
	i386) private_apt "$VERSION_CODENAME" ;;
	esac
}

newest() { # package -> package=version
	echo "$1=$(apt-cache "${apt_options[@]}" show --no-all-versions "$1" | awk '$1 == "Version:" { print $2; exit }')"
}

kernel_package() { # the image that the meta package stands for, as package=version
	local name
	name=$(apt-cache "${apt_options[@]}" depends "$meta" 2>/dev/null |
		awk '$1 == "Depends:" && $2 ~ /^linux-image-/ { print $2; exit }')
	if [ -z "$name" ]; then # apt's lists are gone: what we have is as new as can be known
		sed -n 's/^kernel //p' "$dest/stamp" 2>/dev/null | grep . ||
			die "apt knows no $meta of $which; run 'apt-get update' first"
		return
	fi
	newest "$name"
}

stamp() { # what the image is made from; $1 package=version
	echo "kernel $1"
	[ ${#packages[@]} = 0 ] || dpkg-query -W -f '${Package} ${Version}\n' "${packages[@]}"
	sha256sum <"$here/init"
	sha256sum <"$here/make-image.sh"
}

fetch() { # folder, package[=version]: unpacks it there
	echo "  downloading $2"
	mkdir -p "$work/debs/$1" "$work/$1"
	(cd "$work/debs/$1" && apt-get "${apt_options[@]}" -qq -o APT::Sandbox::User=root download "$2")
	dpkg-deb -x "$work/debs/$1"/*.deb "$work/$1"
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
	# Below /lib, or with a merged /usr below that.
	file=$(find "$work/kernel" -name "$name.ko*" -o -name "${name//_/-}.ko*" | head -n 1)
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

place_busybox() { # with every tool of it that has no better program in the image
	local tool busybox
	busybox=$(command -v busybox)
	if [ "$arch" = i386 ]; then
		fetch busybox busybox-static
		busybox=$work/busybox/bin/busybox
	fi
	cp "$busybox" "$root/bin/busybox"
	"$busybox" --list | while read -r tool; do
		[ -e "$root/bin/$tool" ] || ln -s busybox "$root/bin/$tool"
	done
}

pack() { # the same tree always gives the same bytes
	find "$root" -exec touch -h -d @0 {} +
	(cd "$root" && find . -print0 | sort -z |
		cpio --quiet --null --create --format=newc --reproducible --owner=0:0) >"$dest/initrd.img.part"
}

need
work=$(mktemp -d "${TMPDIR:-/tmp}/mpring-guest.XXXXXX")
trap 'rm -rf "$work" "$dest"/*.part "$dest/stamp.new"' EXIT
choose_apt
package=$(kernel_package)
stamp "$package" >"$dest/stamp.new"
if cmp -s "$dest/stamp" "$dest/stamp.new" && [ -s "$dest/vmlinux" ] && [ -s "$dest/initrd.img" ]; then
	echo "  guest image is up to date: $dest ($package)"
	exit 0
fi
root=$work/root
mkdir -p "$root"/{bin,dev,proc,sys,tmp,mnt,modules,etc}
rm -f "$dest/stamp"
fetch kernel "$package"
extract_vmlinux "$work"/kernel/boot/vmlinuz-* "$dest/vmlinux.part"
for module in "${first_modules[@]}"; do place_module first "$module"; done
for module in "${disk_modules[@]}"; do place_module disks "$module"; done
for module in "${test_modules[@]}"; do place_module tests "$module"; done
[ -s "$root/modules/disks" ] || die "$package has no sym53c8xx driver"
for program in "${programs[@]}"; do place_program "$program"; done
place_busybox
install -m 755 "$here/init" "$root/init"
pack
mv "$dest/vmlinux.part" "$dest/vmlinux"
mv "$dest/initrd.img.part" "$dest/initrd.img"
mv "$dest/stamp.new" "$dest/stamp"
echo "  guest image made: $dest ($package, $(($(stat -c %s "$dest/initrd.img") >> 20)) MiB initramfs)"
