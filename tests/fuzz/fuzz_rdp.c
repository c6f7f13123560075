/* The answer to an RDP probe, from anybody at the guest's address. What is an answer is one only when it is whole. */
#include "fuzz.h"

#include "init/guest/rdp.h"

#include <errno.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct rdp_confirm confirm = { .value = 0x5a5a5a5a };
	int result = rdp_parse(data, size, &confirm);

	PROMISE(result == 0 || result == -EAGAIN || result == -EBADMSG);
	PROMISE(result != 0 || (size <= RDP_ANSWER_MAX && confirm.value <= 6));
	PROMISE(result == 0 || confirm.value == 0x5a5a5a5a);
	PROMISE(result != -EAGAIN || size < RDP_ANSWER_MAX);
	for (size_t i = 0; i < size; i++) {
		struct rdp_confirm earlier;
		int before = rdp_parse(data, i, &earlier);

		/* Every beginning of what may become an answer may still become one; what was refused stays so. */
		PROMISE(result == -EBADMSG || before == -EAGAIN);
		PROMISE(before == -EAGAIN || result == -EBADMSG);
	}
	return 0;
}
