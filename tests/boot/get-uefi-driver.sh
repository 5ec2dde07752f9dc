#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
#
# get-uefi-driver.sh - UEFI's own driver of our chip, as an option ROM.
#
# The firmware has one, LsiScsiDxe, but Debian's ovmf is built without it. So
# it is compiled from Debian's source package of ovmf, as it stands: the tools
# that turn ELF into UEFI's executable format and that into an option ROM, then
# the one module. Firmware runs the ROM of a PCI device before it looks for
# something to boot, so the stock OVMF gets its driver from the device's
# romfile=.
#
#   get-uefi-driver.sh [FOLDER]     FOLDER: .cache/uefi below the source root
#
# A second run with the same ovmf does nothing. Needs apt, dpkg-dev, gcc, g++,
# make, nasm, python3, uuid-dev; about a minute.
set -euo pipefail
export LC_ALL=C.UTF-8
here=$(cd "$(dirname "$0")" && pwd)
. "$here/../../scripts/private-apt.sh"
dest=${1:-$here/../../.cache/uefi}
mkdir -p "$dest"
dest=$(cd "$dest" && pwd)

say() { echo "  uefi driver: $*"; }
die() { echo "get-uefi-driver.sh: $*" >&2; exit 1; }

wanted=$(dpkg-query -W -f '${source:Version}' ovmf 2>/dev/null) || die "ovmf is not installed"
stamp="$wanted $(sha256sum <"$0")"
if [ "$(cat "$dest/stamp" 2>/dev/null)" = "$stamp" ]; then
	say "$dest is up to date ($wanted)"
	exit 0
fi
work=$(mktemp -d "${TMPDIR:-/tmp}/mpring-uefi.XXXXXX")
trap 'rm -rf "$work"' EXIT

quietly() {
	"$@" >"$work/log" 2>&1 </dev/null || { tail -n 30 "$work/log" >&2; die "'$*' failed"; }
}

get_source() { # the wanted version, or what the archive has
	private_apt "$work"
	apt-get -c "$work/apt.conf" -qq update >"$work/log" 2>&1 || cat "$work/log" >&2
	cd "$work"
	apt-get -c "$work/apt.conf" -qq source --download-only "edk2=$wanted" >"$work/log" 2>&1 ||
		quietly apt-get -c "$work/apt.conf" -qq source --download-only edk2
	quietly dpkg-source --no-check -x ./*.dsc "$work/edk2"
}

build_tools() { # only those that one module needs
	local tool
	cd "$work/edk2/BaseTools/Source/C"
	quietly make -j2 -C Common
	for tool in GenFw EfiRom; do quietly make -C "$tool"; done
}

write_platform() { # the module and the libraries that it names
	local library
	cat <<-END
	[Defines]
	  PLATFORM_NAME = Driver
	  PLATFORM_GUID = 3d1d6f0c-7f0a-4a53-9e0b-6b3e1c2a9f10
	  PLATFORM_VERSION = 0.1
	  DSC_SPECIFICATION = 0x00010005
	  OUTPUT_DIRECTORY = Build/Driver
	  SUPPORTED_ARCHITECTURES = X64
	  BUILD_TARGETS = RELEASE
	  SKUID_IDENTIFIER = DEFAULT
	[Components]
	  OvmfPkg/LsiScsiDxe/LsiScsiDxe.inf
	[LibraryClasses]
	END
	for library in BaseLib BaseMemoryLib BasePrintLib UefiDevicePathLib UefiMemoryAllocationLib \
		UefiBootServicesTableLib UefiDriverEntryPoint UefiLib UefiRuntimeServicesTableLib \
		BaseDebugLibNull BasePcdLibNull RegisterFilterLibNull; do
		echo "  $(class_of "$library")|MdePkg/Library/$library/$library.inf"
	done
}

class_of() { # instance of a library -> what modules call it
	case $1 in
	BasePrintLib) echo PrintLib ;;
	BaseDebugLibNull) echo DebugLib ;;
	BasePcdLibNull) echo PcdLib ;;
	RegisterFilterLibNull) echo RegisterFilterLib ;;
	UefiDevicePathLib) echo DevicePathLib ;;
	UefiMemoryAllocationLib) echo MemoryAllocationLib ;;
	*) echo "$1" ;;
	esac
}

build_driver() {
	cd "$work/edk2"
	write_platform >Driver.dsc
	cat >"$work/build.sh" <<-'END'
	export PYTHON_COMMAND=python3
	. ./edksetup.sh
	export PATH=$PWD/BaseTools/BinWrappers/PosixLike:$PATH
	build -p Driver.dsc -a X64 -t GCC5 -b RELEASE -n 2
	END
	quietly bash "$work/build.sh"
	quietly BaseTools/Source/C/bin/EfiRom -f 0x1000 -i 0x0012 \
		-e Build/Driver/RELEASE_GCC5/X64/LsiScsiDxe.efi -o "$dest/lsi.rom"
}

rm -f "$dest/stamp"
say "downloading the source of edk2 $wanted (about 17 MB)"
get_source
say "building LsiScsiDxe"
build_tools
build_driver
echo "$stamp" >"$dest/stamp"
say "$dest/lsi.rom is made"
