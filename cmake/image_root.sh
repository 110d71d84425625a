#!/bin/sh
# image_root.sh BUILT IMAGE: makes the root of an image of what `cmake --install` put into BUILT: the
# programs, the libraries they load (also those that only a name in a file asks for), the data they
# read, a user, and for each Debian package that gave a file its licence and its version, where
# scanners look for them.
set -eu
built=$1 image=$2
multiarch=$(gcc -print-multiarch)
libraries=/usr/lib/$multiarch

libraries_of() {
  find "$@" -type f -exec ldd {} \; 2>/dev/null |
    awk '$2 == "=>" && $3 ~ "^/" { print $3 } $1 ~ "^/" && $1 !~ ":$" { print $1 }'
}

# put FILE: with the name it is asked for by, and with what that name leads to.
put() {
  mkdir -p "$image$(dirname "$1")"
  cp -a "$1" "$image$1"
  [ ! -L "$1" ] || put "$(readlink -f "$1")"
}

mkdir -p "$image"
for name in bin sbin lib lib64; do # as in Debian 12
  mkdir -p "$image/usr/$name"
  ln -s "usr/$name" "$image/$name"
done
cp -a "$built/." "$image/"
# iconv and SASL find their modules by folder.
for path in "$libraries/gconv" "$libraries/sasl2"; do
  mkdir -p "$image$path"
  cp -a "$path/." "$image$path/"
done
libraries_of "$built/usr/bin" "$libraries/sasl2" | sort -u | while read -r path; do
  put "$(readlink -f "$(dirname "$path")")/$(basename "$path")"
done
for path in /usr/share/poppler /etc/ssl/certs/ca-certificates.crt; do
  mkdir -p "$image$(dirname "$path")"
  cp -a "$path" "$image$path"
done
# OpenSSL looks for certificates here, whoever uses it.
mkdir -p "$image/usr/lib/ssl"
ln -s /etc/ssl/certs/ca-certificates.crt "$image/usr/lib/ssl/cert.pem"
mkdir -p "$image/etc"
echo 'millrace:x:65532:65532:millrace:/:/nonexistent' >"$image/etc/passwd"
echo 'millrace:x:65532:' >"$image/etc/group"
echo 'hosts: files dns' >"$image/etc/nsswitch.conf"

mkdir -p "$image/var/lib/dpkg/status.d"
(cd "$image" && find usr etc \( -type f -o -type l \) -printf '/%p\n') | xargs dpkg -S 2>/dev/null |
  cut -d: -f1 | sort -u | while read -r package; do
  dpkg -s "$package" >"$image/var/lib/dpkg/status.d/$package"
  mkdir -p "$image/usr/share/doc/$package"
  cp -L "/usr/share/doc/$package/copyright" "$image/usr/share/doc/$package/"
done
mkdir -p "$image/usr/share/doc/millrace"
"$(dirname "$0")/sbom.sh" "$image" >"$image/usr/share/doc/millrace/sbom.cdx.json"
