/* The header of a disk image, from anybody who brings a disk. */
#include "fuzz.h"

#include "lib/image.h"
#include "lib/util.h"

#include <errno.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	/* The file may be longer than what is shown of it, or end there. */
	const uint64_t lengths[] = { size, size + 512, 1ULL << 20, UINT64_MAX };

	for (size_t i = 0; i < ARRAY_SIZE(lengths); i++) {
		struct image image = { .virtual_size = 1 };
		const char *reason = NULL;
		int result = image_identify(data, size, lengths[i], &image, &reason);

		PROMISE(result == 0 || result == -EINVAL || result == -EMEDIUMTYPE);
		PROMISE((result == 0) == (reason == NULL));
		if (result)
			continue;
		PROMISE(image.virtual_size > 0);
		PROMISE(strnlen(image.backing, sizeof(image.backing)) < sizeof(image.backing));
		PROMISE(image.backing_format >= -1 && image.backing_format <= IMAGE_QCOW2);
	}
	return 0;
}
