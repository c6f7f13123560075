/*
 * Reading netlink attributes: the ones of a level as an array by type. libmnl checks their lengths.
 */
#pragma once

#include <libmnl/libmnl.h>
#include <stddef.h>
#include <stdint.h>

/* Like MNL_ALIGN, but unsigned. */
#define ATTR_ALIGN(length) (((size_t)(length) + 3u) & ~(size_t)3u)

/**
 * attr_next() - Walk the attributes in @length bytes from @begin.
 * @before: NULL for the first one
 *
 * Return: the one behind @before, or NULL at the end.
 */
const struct nlattr *attr_next(const void *begin, size_t length, const struct nlattr *before);

/** attr_next_nested() - The same for the attributes in @outer. */
const struct nlattr *attr_next_nested(const struct nlattr *outer, const struct nlattr *before);

/**
 * attr_index() - Put the attributes behind the family header of a message into @table.
 * @header: size of the family header
 * @table: by type, with @n places that are all set; of several with one type the last counts
 */
void attr_index(const struct nlmsghdr *message, size_t header, const struct nlattr *table[],
		size_t n);

/** attr_index_nested() - The same for the attributes in @outer; NULL has none. */
void attr_index_nested(const struct nlattr *outer, const struct nlattr *table[], size_t n);

/** attr_u8() - The byte in @attr, or @otherwise if @attr is NULL or no byte. */
uint8_t attr_u8(const struct nlattr *attr, uint8_t otherwise);

/** attr_u32() - The number in @attr, or @otherwise if @attr is NULL or no number. */
uint32_t attr_u32(const struct nlattr *attr, uint32_t otherwise);

/**
 * attr_text() - Copy the text in @attr, cut to @size; nothing happens if @attr is NULL or no text.
 */
void attr_text(const struct nlattr *attr, char *buffer, size_t size);
