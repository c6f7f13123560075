/* The password that Windows is installed with. It is in a file, and nowhere else. */
#pragma once

#include "lib/config.h"
#include "lib/failure.h"

/**
 * password_read() - Read [guest] password-file.
 * @ret_password: UTF-8, one line; to be freed with answers_free()
 *
 * Refused is what others may read, and what Windows' set-up would not take. No message has the
 * password in it, nor how long it is. Return: 0, or -errno with @failure filled.
 */
int password_read(const struct guest_config *config, char **ret_password, struct failure *failure);
