/*
 * What libvirtd found out about QEMU, kept beside the disk: asking QEMU takes half a second, and a
 * new container has forgotten the answer.
 *
 * libvirtd itself checks what it finds: that it is of this QEMU and this libvirtd (the times at
 * which both were installed, the version), this kernel and this processor, that KVM still works or
 * still does not. What does not fit, and what is no XML, it throws away, and asks QEMU.
 */
#pragma once

/* Where libvirtd has it. The name is the SHA-256 of QEMU's path, /usr/bin/qemu-system-x86_64. */
#define QEMU_CACHE                              \
	"/var/cache/libvirt/qemu/capabilities/" \
	"926803a9278e445ec919c2b6cbd8c1c449c75b26dcb1686b774314180376c725.xml"

/**
 * qemu_cache_bring() - Let libvirtd find what an earlier container has kept.
 * @cache: libvirtd's file; if there is one already it stays
 * @kept: ours; only a regular file that is root's alone is taken
 *
 * Whatever fails, libvirtd asks QEMU.
 */
void qemu_cache_bring(const char *cache, const char *kept);

/** qemu_cache_keep() - Keep libvirtd's file for the next container, if it is another one. */
void qemu_cache_keep(const char *cache, const char *kept);
