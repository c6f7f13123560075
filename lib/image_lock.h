/* The locks of QEMU's own, by which it keeps others off an image. */
#pragma once

#include <stdbool.h>

/**
 * image_written() - Does a QEMU write to the image, of this container or of any other?
 *
 * QEMU and qemu-img lock what they write to, and that lives as long as they do. Where that cannot
 * be seen the answer is no.
 */
bool image_written(const char *path);
