#include "image/answer_values.h"

#include "lib/util.h"

#include <ctype.h>
#include <errno.h>
#include <libxml/xmlstring.h>

/* Windows' own limits. */
#define USER_MAX 20
#define USER_FORBIDDEN "\"/\\[]:;|=,+*?<>@"
#define KEY_LENGTH 29
#define DIGITS "0123456789"
#define LETTERS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

static int refuse_value(struct failure *failure, const char *key, const char *value,
			const char *why)
{
	return failure_set(failure, EXIT_CONFIG, -EINVAL, "[guest] %s: \"%.100s\" %s", key, value,
			   why);
}

/** check_text() - Can a value stand in XML? */
static int check_text(const char *key, const char *value, struct failure *failure)
{
	if (!xmlCheckUTF8((const xmlChar *)value))
		return refuse_value(failure, key, "", "is not valid UTF-8");
	for (const char *at = value; *at; at++) {
		if (iscntrl((unsigned char)*at))
			return refuse_value(failure, key, "", "has a control character");
	}
	return 0;
}

static int check_user(const char *user, struct failure *failure)
{
	if (xmlUTF8Strlen((const xmlChar *)user) > USER_MAX)
		return refuse_value(failure, "user", user, "is longer than Windows' 20 characters");
	if (strpbrk(user, USER_FORBIDDEN))
		return refuse_value(
			failure, "user", user,
			"has a character that no user of Windows has: one of " USER_FORBIDDEN);
	if (user[strspn(user, " .")] == '\0')
		return refuse_value(failure, "user", user, "is no name");
	return 0;
}

/** check_language() - A name as RFC 5646 has them: letters, then parts of letters and digits. */
static int check_language(const char *key, const char *language, struct failure *failure)
{
	size_t length = strspn(language, LETTERS);
	const char *at = language + length;

	if (length == 2 || length == 3) {
		while (*at == '-' && (length = strspn(at + 1, LETTERS DIGITS)) >= 2 && length <= 8)
			at += 1 + length;
		if (!*at)
			return 0;
	}
	return refuse_value(failure, key, language, "is no language such as en-US");
}

/**
 * check_time_zone() - Windows' own names end like this, but for UTC and its neighbours: a wrong one
 * would end the set-up in its middle.
 */
static int check_time_zone(const char *zone, struct failure *failure)
{
	const char *standard = strstr(zone, " Standard Time");

	if (strncmp(zone, "UTC", 3) == 0 || (standard && standard > zone))
		return 0;
	return refuse_value(failure, "time-zone", zone,
			    "is no time zone of Windows, such as UTC or W. Europe Standard Time; "
			    "tzutil /l lists them");
}

/** check_key() - Five groups of five. */
static int check_key(const char *key, struct failure *failure)
{
	for (size_t i = 0; i < KEY_LENGTH; i++) {
		if (i % 6 == 5 ? key[i] != '-'
			       : !isupper((unsigned char)key[i]) && !isdigit((unsigned char)key[i]))
			return refuse_value(failure, "product-key", "",
					    "is no product key: those have five groups of five "
					    "capitals and digits");
	}
	return key[KEY_LENGTH]
		       ? refuse_value(failure, "product-key", "", "is longer than a product key")
		       : 0;
}

/** check_form() - Of the values that have one. */
static int check_form(const struct guest_config *config, struct failure *failure)
{
	int result = check_user(config->user, failure);

	if (result == 0)
		result = check_language("language", config->language, failure);
	if (result == 0 && config->locale)
		result = check_language("locale", config->locale, failure);
	if (result == 0)
		result = check_time_zone(config->time_zone, failure);
	if (result == 0 && config->product_key)
		result = check_key(config->product_key, failure);
	return result;
}

int answer_values_check(const struct guest_config *config, struct failure *failure)
{
	const struct {
		const char *key, *value;
	} values[] = {
		{ "language", config->language },   { "locale", config->locale },
		{ "time-zone", config->time_zone }, { "edition", config->edition },
		{ "user", config->user },	    { "product-key", config->product_key },
	};
	int result = 0;

	for (size_t i = 0; i < ARRAY_SIZE(values) && result == 0; i++) {
		if (values[i].value)
			result = check_text(values[i].key, values[i].value, failure);
	}
	return result ? result : check_form(config, failure);
}
