# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash
# Sourced by quickstart and run-tests: numbered steps with times, and the packages.
#
#   step "what"              prints "[2/6] what"; set n_steps first
#   quietly COMMAND...       output goes to $log; on failure its end is shown and the script ends
#   install_packages         what scripts/packages.txt names and is missing

export DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8
step_nr=0
started=$SECONDS

say() { printf '%s\n' "$*"; }
fail() { printf '%s: %s\n' "${0##*/}" "$*" >&2; exit 1; }

step() {
	step_nr=$((step_nr + 1))
	printf '[%d/%d] %s (%d s so far)\n' "$step_nr" "$n_steps" "$1" $((SECONDS - started))
}

quietly() {
	local status=0
	printf '$ %s\n' "$*" >>"$log"
	"$@" >>"$log" 2>&1 </dev/null || status=$?
	[ "$status" = 0 ] && return
	tail -n 40 "$log" >&2
	fail "'$*' failed with status $status; all of its output is in $log"
}

as_root() {
	if [ "$(id -u)" = 0 ]; then
		"$@"
	elif command -v sudo >/dev/null; then
		sudo -n "$@"
	else
		fail "needs root for: $*"
	fi
}

# libclang-rt-dev is named after the compiler's version, before Debian 13.
package_names() {
	local name
	awk '!/^#/ && NF { print $1 }' "$root/scripts/packages.txt" | while read -r name; do
		[ "$name" != libclang-rt-dev ] || name=$(clang_rt_package)
		echo "$name"
	done
}

clang_rt_package() { # of the release's default clang
	local version
	version=$(apt-cache depends clang 2>/dev/null | sed -n 's/.*Depends: clang-\([0-9]*\)$/\1/p' | head -n 1)
	echo "libclang-rt-${version:-14}-dev"
}

missing_packages() {
	local name
	package_names | while read -r name; do
		case $(dpkg-query -W -f '${db:Status-Status}' "$name" 2>/dev/null) in
		installed) ;;
		*) echo "$name" ;;
		esac
	done
}

install_packages() {
	local missing
	if ! apt-cache show linux-image-amd64 >/dev/null 2>&1; then
		say "  apt knows no packages yet: apt-get update"
		quietly as_root apt-get -q update
	fi
	mapfile -t missing < <(missing_packages)
	if [ ${#missing[@]} = 0 ]; then
		say "  all there"
		return
	fi
	say "  installing ${#missing[@]}: ${missing[*]}"
	quietly as_root apt-get -q update
	quietly as_root apt-get -q install -y --no-install-recommends "${missing[@]}"
}

# A second try after refreshing apt's lists: an old list names files that the mirror dropped.
make_guest_image() { # [which kernel]
	if ! "$root/launcher/guest/make-image.sh" --kernel "${1:-debian}"; then
		quietly as_root apt-get -q update
		"$root/launcher/guest/make-image.sh" --kernel "${1:-debian}" || fail "the guest image could not be made"
	fi
}

# Kernels that come from elsewhere than the machine's own packages. Without them their tests are skipped,
# which say so.
make_other_guest_images() {
	local kernel
	for kernel in backports i386; do
		(make_guest_image "$kernel") || say "  no guest with the $kernel kernel: its tests are skipped"
	done
}

# Without it one test is skipped, which says so.
make_uefi_driver() {
	"$root/tests/boot/get-uefi-driver.sh" 2>&1 | tee -a "$log" || say "  UEFI's driver could not be made"
}

# The plugin is configured in only once the headers are there.
configure() { # build folder, meson options...
	local dir=$1
	shift
	if [ ! -e "$dir/build.ninja" ]; then
		quietly meson setup "$dir" "$root" "$@"
	elif ! [ -e "$dir/configured" ] || [ "$(cat "$dir/configured")" != "$*" ] ||
		[ "$root/.cache/qemu-headers/stamp" -nt "$dir/configured" ]; then
		quietly meson setup --reconfigure "$dir" "$root" "$@"
	fi
	echo "$*" >"$dir/configured"
}
