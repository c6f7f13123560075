/* What a CD or DVD is, by its first bytes. Pure; the bytes are untrusted. */
#pragma once

#include <stddef.h>
#include <stdint.h>

/**
 * medium_refusal() - Why is it no image of a CD or DVD?
 * @head: its first bytes, IMAGE_HEAD_SIZE or all
 *
 * Return: NULL if it is one, else the end of a sentence that begins with its name; static.
 */
const char *medium_refusal(const uint8_t *head, size_t n);
