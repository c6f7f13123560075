# shellcheck shell=bash disable=SC2034,SC2154
# What the recipes of the stand-in guests share: host tools, packages from bookworm, boot disks.
#
# A recipe runs in a scratch directory of its own ($work) that its caller removes; it reads its sources from $here and
# never writes there. Everything that ends up in a guest comes from bookworm, whatever the host runs, so that the guest is
# the same on each host.

say() { printf 'guests: %s\n' "$*" >&2; }
die() { say "$*"; exit 1; }

# need COMMAND_OR_FILE=PACKAGE... - install the host packages whose command or file is missing.
need() {
	local pair what missing=()
	for pair in "$@"; do
		what=${pair%%=*}
		if [[ $what == /* ]]; then [[ -e $what ]] && continue; else command -v "$what" >/dev/null && continue; fi
		missing+=("${pair#*=}")
	done
	((${#missing[@]})) || return 0
	say "installing ${missing[*]}"
	# One at a time on this host: dpkg's own lock makes a second apt-get fail at once.
	(
		flock 9
		apt-get -qq -o DPkg::Lock::Timeout=300 update
		DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=300 -o Dpkg::Use-Pty=0 install -y --no-install-recommends "${missing[@]}"
	) 9>"$cache/apt.lock" >&2
}

# bookworm_debs PACKAGE... [-- PACKAGE...] - download the newest .deb of each to $work/debs; of those behind "--" with
# what they depend on, but for what $unneeded matches. Of a kernel's metapackage it is the kernel that is downloaded.
bookworm_debs() {
	mkdir -p debs
	cat >fetch <<-'END'
		#!/bin/sh
		set -eu
		export APT_CONFIG="$MMDEBSTRAP_APT_CONFIG"
		cd "$(dirname "$0")/debs"
		alone=$(sed '/^--$/,$d' ../wanted)
		whole=$(sed '1,/^--$/d' ../wanted)
		for name in $alone; do
			case $name in linux-image-*) name=$(apt-cache depends "$name" | sed -n 's/^ *Depends: \(linux-image-\)/\1/p') ;; esac
			echo "$name"
		done >../names
		[ -z "$whole" ] || apt-get -s --no-install-recommends install $whole >../plan
		[ -z "$whole" ] || awk '/^Inst/ { print $2 }' ../plan | grep -vE "^($(cat ../unneeded))\$" >>../names
		apt-get -qq -o APT::Sandbox::User=root download $(sort -u ../names)
	END
	chmod +x fetch
	printf '%s\n' "$@" >wanted
	echo "${unneeded:-}" >unneeded
	# A file system that keeps nothing: only apt's verified package lists are wanted of it.
	mmdebstrap --quiet --variant=custom --format=null --essential-hook="$work/fetch" bookworm - >&2 </dev/null
}

# unpack TREE [DEB...] - unpack packages, without running anything of theirs, into a tree with a merged /usr.
unpack() {
	local tree=$1 deb
	shift
	mkdir -p "$tree"/usr/{bin,sbin,lib,lib64}
	ln -sfnT usr/bin "$tree/bin" && ln -sfnT usr/sbin "$tree/sbin"
	ln -sfnT usr/lib "$tree/lib" && ln -sfnT usr/lib64 "$tree/lib64"
	for deb; do
		dpkg-deb --fsys-tarfile "$deb" | tar -x --keep-directory-symlink -C "$tree"
	done
}

# build_guestd OUT - PID 1 of mini and of desktop.
build_guestd() {
	gcc -std=gnu17 -O2 -Wall -Wextra -Werror -static -s -o "$1" "$here"/../common/{guestd,agent}.c
}

# initramfs OUT KERNEL_TREE FILES MODULE... - FILES is a directory with what the initramfs holds beside busybox and the
# modules; its /init finds the modules, with what they depend on, in the order of /modules.
initramfs() {
	local out=$1 tree=$2 files=$3 version module path
	shift 3
	version=$(cd "$tree/lib/modules" && echo *)
	rm -rf initramfs && mkdir -p initramfs/{bin,dev,lib,proc,run,sys,tmp,etc}
	cp -a "$files/." initramfs/
	dpkg-deb --fsys-tarfile debs/busybox-static_*.deb | tar -xO ./bin/busybox >initramfs/bin/busybox
	chmod 755 initramfs/bin/busybox
	depmod -b "$tree" "$version"
	for module in "$@"; do
		modprobe -d "$PWD/$tree" -S "$version" --ignore-install --show-depends "$module"
	done | awk '$1 == "insmod" && !seen[$2]++ { print $2 }' >modules
	while read -r path; do
		cp "$path" initramfs/lib/
		echo "/lib/${path##*/}" >>initramfs/modules
	done <modules
	(cd initramfs && find . -mindepth 1 | LC_ALL=C sort | cpio --quiet -o -H newc -R 0:0) | gzip -9n >"$out"
}

# compress RAW QCOW2
compress() { qemu-img convert -q -c -o compression_type=zstd -f raw -O qcow2 "$1" "$2"; }

# boot_disk RAW MB KERNEL INITRD CMDLINE [MORE_MB] - a raw disk whose first partition (FAT, MB megabytes) boots KERNEL from
# BIOS (syslinux) and from UEFI (systemd-boot), and a second one of MORE_MB for the caller to fill.
boot_disk() {
	local raw=$1 size=$2 kernel=$3 initrd=$4 cmdline=$5 more=${6:-} start=2048
	local fat="$raw@@$((start * 512))" said
	truncate -s "$((size + 1))M" "$raw"
	mkfs.vfat --offset "$start" -h "$start" -n BOOT "$raw" $((size << 10)) >/dev/null
	[[ -z $more ]] || truncate -s "+${more}M" "$raw"
	said=$(printf '%s\n' 'label: dos' "start=$start, size=${size}MiB, type=e, bootable" ${more:+'type=83'} |
		sfdisk -q --no-tell-kernel --wipe never --wipe-partitions never "$raw" 2>&1) || die "$said"
	dd if=/usr/lib/syslinux/mbr/mbr.bin of="$raw" bs=440 count=1 conv=notrunc status=none
	printf 'default guest\nprompt 0\ntimeout 0\nlabel guest\nkernel /linux\ninitrd /initrd\nappend %s\n' "$cmdline" >syslinux.cfg
	printf 'timeout 0\ndefault guest.conf\n' >loader.conf
	printf 'title guest\nlinux /linux\ninitrd /initrd\noptions %s\n' "$cmdline" >guest.conf
	mmd -i "$fat" ::/EFI ::/EFI/BOOT ::/loader ::/loader/entries
	mcopy -i "$fat" "$kernel" ::/linux
	mcopy -i "$fat" "$initrd" ::/initrd
	mcopy -i "$fat" syslinux.cfg ::/
	mcopy -i "$fat" loader.conf ::/loader/
	mcopy -i "$fat" guest.conf ::/loader/entries/
	mcopy -i "$fat" /usr/lib/systemd/boot/efi/systemd-bootx64.efi ::/EFI/BOOT/BOOTX64.EFI
	syslinux --offset $((start * 512)) --install "$raw"
}

# Kernel parameters of a guest whose machine is emulated, on a host that may be busy: the checks of timers fail there now
# and then ("IO-APIC + timer doesn't work" is a panic), and nobody attacks the guest through its emulated processor.
emulated='quiet no_timer_check tsc=reliable mitigations=off cryptomgr.notests'

# The host packages behind all of these.
linux_tools=(
	mmdebstrap=mmdebstrap mount=mount depmod=kmod cpio=cpio gzip=gzip sfdisk=fdisk mkfs.vfat=dosfstools mcopy=mtools syslinux=syslinux
	/usr/lib/syslinux/mbr/mbr.bin=syslinux-common /usr/lib/systemd/boot/efi/systemd-bootx64.efi=systemd-boot-efi
	qemu-img=qemu-utils gcc=gcc /usr/include/stdio.h=libc6-dev
)
