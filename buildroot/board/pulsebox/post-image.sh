#!/bin/sh
# Buildroot runs this when the root's image is there: of it, the card's image and the update bundle.
#   post-image.sh BINARIES_DIR BOARD    with BUILD_DIR, BR2_EXTERNAL_PULSEBOX_PATH in the environment
set -eu
images=$1
board=$2
here=$BR2_EXTERNAL_PULSEBOX_PATH/board/pulsebox
schema_rs=$BR2_EXTERNAL_PULSEBOX_PATH/../firmware/pulsebox/src/history/schema.rs
certificate=${PULSEBOX_SIGNING_CERT:?is not set}
key=${PULSEBOX_SIGNING_KEY:?is not set}
version=${PULSEBOX_IMAGE_VERSION:?is not set}

# The card.
truncate -s 16K "$images/empty.img"
work=$BUILD_DIR/pulsebox-image
rm -rf "$work"
mkdir -p "$work"
genimage \
	--rootpath "$images/p1" \
	--tmppath "$work/genimage" \
	--inputpath "$images" \
	--outputpath "$images" \
	--includepath "$here/genimage" \
	--config pulsebox.cfg

# The update: the root for the other slot, and the hook that may refuse it. One migration of the history a string.
schema=$(sed -n '/const MIGRATIONS/,/^\];/p' "$schema_rs" | grep -c '^    "$')
[ "$schema" -gt 0 ]
bundle=$work/bundle
mkdir "$bundle"
ln "$images/rootfs.squashfs" "$bundle/system.img"
sed -e "s/@COMPATIBLE@/pulsebox-$board/" -e "s/@VERSION@/$version/" "$here/rauc/manifest.raucm" >"$bundle/manifest.raucm"
sed "s/@SCHEMA@/$schema/" "$here/rauc/hook" >"$bundle/hook"
chmod 755 "$bundle/hook"
rm -f "$images/pulsebox.raucb"
rauc bundle --cert="$certificate" --key="$key" "$bundle" "$images/pulsebox.raucb"
