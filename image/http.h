/* One GET at a time by HTTP or HTTPS. */
#pragma once

#include "image/job.h"

#define HTTP_FIELD_MAX 512
#define HTTP_MAX_REDIRECTS 10

struct http_options {
	const char *ca;	   /* file of certificates that are trusted; NULL: the system's */
	unsigned patience; /* seconds without a byte after which the server counts as gone */
};

struct http_request {
	const char *url;
	const char *name;      /* of the URL, for messages: http_name() */
	uint64_t from;	       /* skip so many bytes */
	const char *validator; /* but only if it is still the file that had this */
	const struct http_options *options;
};

struct http_reply {
	long status;
	char etag[HTTP_FIELD_MAX];     /* a strong one, else empty */
	char modified[HTTP_FIELD_MAX]; /* Last-Modified, else empty */
	uint64_t length;	       /* of what comes; UINT64_MAX: not said */
	uint64_t from, total; /* of a part: where it begins, how long the whole is (0: not said) */
};

struct http_sink {
	/* Called once, before the first byte, of a reply with status 200 or 206. */
	int (*begin)(void *context, const struct http_reply *reply);
	int (*take)(void *context, const void *bytes, size_t n);
	void *context;
};

/** http_name() - A URL without what may be secret in it: user, password, query. */
void http_name(const char *url, size_t size, char *ret_name);

/** http_is_url() - Is it a URL that can be fetched here? */
bool http_is_url(const char *text);

/** http_join() - @relative as seen from @base; allocated, NULL if it is none. */
char *http_join(const char *base, const char *relative);

/**
 * http_get() - Fetch it, and hand it to @sink.
 *
 * Return: 0, JOB_STOPPED, what the sink returned, -EAGAIN when it may go better next time, or
 * another -errno; the job's failure is filled except by JOB_STOPPED.
 */
int http_get(struct job *job, const struct http_request *request, const struct http_sink *sink,
	     struct http_reply *ret_reply);
