/*
 * The variable store of EDK II: a header for each variable, its name in UTF-16, its data. From
 * MdeModulePkg/Include/Guid/VariableFormat.h, AUTHENTICATED_VARIABLE_HEADER, packed:
 *
 *   0 start mark, 2 state, 4 attributes, 8 count, 16 time, 32 index of the key, 36 size of the
 * name, 40 size of the data, 44 vendor's GUID, 60 the name
 *
 * The state of a variable that is there is VAR_ADDED, 0x3f; deleting it clears bits.
 */
#include "init/guest/nvram.h"

#include "lib/util.h"

#include <errno.h>
#include <fcntl.h>

#define NVRAM_MAX (16U << 20) /* those of OVMF have half a megabyte */
#define GUID_OFFSET 44
#define STATE_OFFSET 2
#define VAR_ADDED 0x3f

/* EFI_GLOBAL_VARIABLE, 8be4df61-93ca-11d2-aa0d-00e098032b8c, and "PK" behind it. */
static const uint8_t platform_key[] = { 0x61, 0xdf, 0xe4, 0x8b, 0xca, 0x93, 0xd2, 0x11,
					0xaa, 0x0d, 0x00, 0xe0, 0x98, 0x03, 0x2b, 0x8c,
					'P',  0,    'K',  0,	0,    0 };

static bool has_platform_key(const uint8_t *bytes, size_t size)
{
	const uint8_t *at = bytes, *end = bytes + size;

	while ((at = memmem(at, (size_t)(end - at), platform_key, sizeof(platform_key)))) {
		if (at - bytes >= GUID_OFFSET && at[STATE_OFFSET - GUID_OFFSET] == VAR_ADDED)
			return true;
		at++;
	}
	return false;
}

/** read_whole() - Return: 0 or -errno. */
static int read_whole(const char *path, uint8_t *bytes, size_t *ret_size)
{
	autoclose int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	size_t size = 0;
	ssize_t n = 1;

	if (fd < 0)
		return -errno;
	while (n > 0 && size < NVRAM_MAX) {
		n = read(fd, bytes + size, NVRAM_MAX - size);
		if (n < 0)
			return -errno;
		size += (size_t)n;
	}
	*ret_size = size;
	return 0;
}

int nvram_check_secure(const char *path, struct failure *failure)
{
	autofree uint8_t *bytes = malloc(NVRAM_MAX);
	size_t size = 0;
	int result = bytes ? read_whole(path, bytes, &size) : -ENOMEM;

	if (result == -ENOENT)
		return 0;
	if (result)
		return failure_set(failure, EXIT_CONFIG, result,
				   "%s, the guest's UEFI variables, cannot be read: %s", path,
				   strerror(-result));
	if (has_platform_key(bytes, size))
		return 0;
	return failure_set(
		failure, EXIT_CONFIG, -ENOKEY,
		"%s, the guest's UEFI variables, has no platform key, so secure boot "
		"would not be enforced: remove it, and it is made anew with the keys, or "
		"set [guest] firmware = uefi",
		path);
}
