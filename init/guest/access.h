/* What QEMU's user may do with a file: asked of the kernel, not guessed from mode bits. */
#pragma once

/* The user that Debian's libvirt runs QEMU as. */
#define QEMU_USER "libvirt-qemu"

enum access_wanted {
	ACCESS_REACH, /* every directory above it may be searched */
	ACCESS_READ,
};

/**
 * access_as() - May @user do that with @path?
 *
 * Return: 0 if so, or if nobody can tell (no such user, no right to act as it); otherwise -errno,
 * -EACCES mostly.
 */
int access_as(const char *user, const char *path, enum access_wanted wanted);
