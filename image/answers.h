/* The answer file for Windows' set-up, from a template that says itself what it is made of. */
#pragma once

#include "lib/config.h"
#include "lib/failure.h"

#define ANSWERS_TEMPLATE "/usr/share/casement/autounattend.xml"

/**
 * answers_render() - Fill in a template: image/autounattend.xml describes how.
 * @text: of the template
 * @path: of the template, for messages
 * @config: checked as a whole
 * @password: of [guest] user, UTF-8
 * @ret_answers: a text, allocated, with the password in it; to be given to answers_free()
 *
 * Return: 0, or -errno with @failure filled.
 */
int answers_render(const char *text, const char *path, const struct guest_config *config,
		   const char *password, char **ret_answers, struct failure *failure);

/**
 * answers_check() - Is @text, of the file @path, XML, and an answer file? What it says is its
 * author's business. Return: 0, or -EINVAL with @failure filled.
 */
int answers_check(const char *text, const char *path, struct failure *failure);

/** answers_free() - Overwrite and free it; NULL is fine. */
void answers_free(char *answers);
