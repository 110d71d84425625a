#!/bin/sh
# sbom.sh ROOT: the bill of materials of an image's root, CycloneDX 1.5 in JSON, on standard output: our
# two programs by their hashes, and each Debian package of var/lib/dpkg/status.d by its version.
set -eu
root=$1

program() {
  printf '    {"type": "application", "name": "%s", "version": "%s", "licenses": [{"license": {"id": "%s"}}],\n' \
    "$1" "$version" "$2"
  printf '     "hashes": [{"alg": "SHA-256", "content": "%s"}]}' "$(sha256sum <"$root/usr/bin/$1" | cut -d' ' -f1)"
}

version=$("$root/usr/bin/millrace" --version | cut -d' ' -f2)
printf '{\n  "bomFormat": "CycloneDX", "specVersion": "1.5", "version": 1,\n'
printf '  "metadata": {"component": {"type": "container", "name": "millrace", "version": "%s"}},\n' "$version"
printf '  "components": [\n'
program millrace Apache-2.0
printf ',\n'
program millrace-extract GPL-2.0-or-later
# A package URL escapes what a version may hold: + and the : of an epoch.
find "$root/var/lib/dpkg/status.d" -type f | LC_ALL=C sort | xargs awk '
  FNR == 1 { tell() }
  /^(Package|Version|Architecture): / { field[$1] = $2 }
  END { tell() }
  function tell(  name, version, escaped) {
    name = field["Package:"]; version = escaped = field["Version:"]
    if (name == "") return
    gsub(/\+/, "%2B", escaped); gsub(/:/, "%3A", escaped)
    printf ",\n    {\"type\": \"library\", \"name\": \"%s\", \"version\": \"%s\",\n", name, version
    gsub(/\+/, "%2B", name)
    printf "     \"purl\": \"pkg:deb/debian/%s@%s?arch=%s&distro=debian-12\"}", name, escaped, field["Architecture:"]
  }'
printf '\n  ]\n}\n'
