#!/bin/bash
# Unpacks arm64 packages of this Debian release, and all that they need, for the cross compiler: sysroot.sh FOLDER PACKAGE…
# Nothing is installed: apt works on a database of its own, with the machine's sources, so neither root nor a foreign
# architecture is needed.
set -euo pipefail
folder=$1
shift
new=$folder.new
rm -rf "$new"
mkdir -p "$new"/{apt/lists/partial,apt/archives/partial,usr/lib}
new=$(cd "$new" && pwd)
: > "$new/apt/status"

apt() {
  apt-get -qq -o APT::Architecture=arm64 -o APT::Architectures=arm64 -o APT::Sandbox::User="$(id -un)" \
    -o Dir::State="$new/apt" -o Dir::State::status="$new/apt/status" -o Dir::Cache="$new/apt" "$@"
}
apt update
apt install --no-install-recommends --download-only -y "$@"

ln -s usr/lib "$new/lib"  # where the packages' own /lib goes, as on an installed system
for package in "$new"/apt/archives/*.deb; do
  dpkg-deb --fsys-tarfile "$package" | tar -x --keep-directory-symlink --no-same-owner -C "$new" --exclude ./usr/share/doc
done
rm -r "$new/apt"
# An absolute link would leave the folder.
find "$new" -lname '/*' -printf '%p\t%l\n' | while IFS=$'\t' read -r link target; do ln -sfnr "$new$target" "$link"; done

rm -rf "$folder"
mv "$new" "$folder"
