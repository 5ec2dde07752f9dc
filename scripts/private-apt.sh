# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=sh
# Sourced by what compiles against, or from, a source package of this machine's
# distribution.
#
#   private_apt FOLDER     makes FOLDER/apt.conf, for apt-get -c and apt-cache -c
#
# The machine's own sources as "deb-src" (a fresh Debian has only "deb"), with
# lists and cache in FOLDER: nothing on the system is changed, and the mirror is
# whatever the machine uses. "-c" is read last, so it wins over apt.conf.d, whose
# other settings (proxies, keys) stay in force.
private_apt()
{
	mkdir -p "$1/parts" "$1/lists/partial" "$1/cache/archives/partial"
	for file in /etc/apt/sources.list.d/*.sources; do
		[ ! -f "$file" ] || sed 's/^Types:.*/Types: deb-src/' "$file" >"$1/parts/${file##*/}"
	done
	for file in /etc/apt/sources.list /etc/apt/sources.list.d/*.list; do
		[ ! -f "$file" ] || sed -nE 's/^[[:space:]]*deb(-src)?[[:space:]]/deb-src /p' "$file" |
			sort -u >"$1/parts/${file##*/}.list"
	done
	cat >"$1/apt.conf" <<-END
	Dir::Etc::sourcelist "/dev/null";
	Dir::Etc::sourceparts "$1/parts";
	Dir::State::lists "$1/lists";
	Dir::Cache "$1/cache";
	APT::Sandbox::User "root";
	Debug::NoLocking "true";
	#clear APT::Update::Post-Invoke;
	#clear APT::Update::Post-Invoke-Success;
	END
}
