#!/bin/sh
# Buildroot runs this when the root is complete but for what is ours to say last.
#   post-build.sh TARGET_DIR BOARD      with BINARIES_DIR, BR2_EXTERNAL_PULSEBOX_PATH in the environment
set -eu
root=$1
board=$2
here=$BR2_EXTERNAL_PULSEBOX_PATH/board/pulsebox
repository=$BR2_EXTERNAL_PULSEBOX_PATH/..
keyring=${PULSEBOX_KEYRING:?is not set: the certificate that updates must be signed by}
version=${PULSEBOX_IMAGE_VERSION:?is not set}

# Units and what goes with them: one file a job, each at the place its ending names.
lib=$root/usr/lib
install -d "$lib/systemd/system" "$lib/systemd/network" "$lib/udev/rules.d" "$lib/modules-load.d"
for file in "$repository"/systemd/*; do
	name=$(basename "$file")
	case $name in
		*.service | *.target | *.mount | *.timer | *.path | *.socket | *.d) cp -R "$file" "$lib/systemd/system/" ;;
		*.network | *.netdev | *.link) cp "$file" "$lib/systemd/network/" ;;
		*.rules) cp "$file" "$lib/udev/rules.d/60-$name" ;;
		*.modules) cp "$file" "$lib/modules-load.d/${name%.modules}.conf" ;;
		# Users and groups are made while building, since /etc is read-only: users.txt.
		*.sysusers) ;;
		*)
			echo "systemd/$name: nobody said where this goes (post-build.sh)" >&2
			exit 1
			;;
	esac
done

# What the units refer to, for who is in the box by ssh.
rm -rf "$root/usr/share/doc/pulsebox"
install -d "$root/usr/share/doc/pulsebox"
cp "$repository"/docs/*.md "$root/usr/share/doc/pulsebox/"

# Where the partitions are mounted. The root is read-only: it cannot be made later.
install -d "$root/data" "$root/boot/firmware"

# The firmware's device tree is used, never one of the root.
rm -f "$root"/boot/*.dtb

sed "s/@COMPATIBLE@/pulsebox-$board/" "$here/rauc/system.conf" |
	install -D -m 644 /dev/stdin "$root/etc/rauc/system.conf"
install -m 644 "$keyring" "$root/etc/rauc/keyring.pem"

cat >"$root/usr/lib/os-release" <<-END
	NAME=Pulsebox
	ID=pulsebox
	VERSION_ID=$version
	VARIANT_ID=$board
	PRETTY_NAME="Pulsebox $version"
END
ln -sf ../usr/lib/os-release "$root/etc/os-release"

# systemd never lets the clock be earlier than this file.
touch "$root/usr/lib/clock-epoch"

# p1, in a folder: genimage makes the partition of it, and the root carries it, so that a system that has proved
# itself renews p1 file by file. usercfg.txt is the person's own, and no system's.
p1=$BINARIES_DIR/p1
rm -rf "$p1"
install -d "$p1"
mkimage -A arm64 -T script -C none -n Pulsebox -d "$here/boot.cmd" "$p1/boot.scr"
if [ "$board" = rpi64 ]; then
	cp -R "$BINARIES_DIR"/rpi-firmware/* "$BINARIES_DIR"/*.dtb "$p1/"
	cp "$BINARIES_DIR/u-boot.bin" "$here/config.txt" "$here/cmdline.txt" "$p1/"
fi
# Which version proved itself last and renewed p1: commit goes by it where the data partition cannot be had.
echo "$version" >"$p1/version.txt"
rm -rf "$root/usr/share/pulsebox/firmware"
install -d "$root/usr/share/pulsebox"
cp -R "$p1" "$root/usr/share/pulsebox/firmware"
cp "$here/usercfg.txt" "$p1/"
