/*
 * libcurl with everything off that is not HTTP, redirects that are counted and never lead from
 * HTTPS to HTTP, and no patience for a server that says nothing any more.
 */
#include "image/http.h"

#include <curl/curl.h>
#include <errno.h>
#include <inttypes.h>
#include <strings.h>

#define CONNECT_SECONDS 30L

struct transfer {
	struct job *job;
	const struct http_request *request;
	const struct http_sink *sink;
	struct http_reply *reply;
	CURL *curl;
	uint64_t taken;
	bool begun;
	int result; /* of the sink, or JOB_STOPPED */
	char error[CURL_ERROR_SIZE];
};

void http_name(const char *url, size_t size, char *ret_name)
{
	CURLU *parts = curl_url();
	char *text = NULL;

	snprintf(ret_name, size, "the URL");
	if (parts && curl_url_set(parts, CURLUPART_URL, url, 0) == CURLUE_OK &&
	    curl_url_set(parts, CURLUPART_USER, NULL, 0) == CURLUE_OK &&
	    curl_url_set(parts, CURLUPART_PASSWORD, NULL, 0) == CURLUE_OK &&
	    curl_url_set(parts, CURLUPART_QUERY, NULL, 0) == CURLUE_OK &&
	    curl_url_set(parts, CURLUPART_FRAGMENT, NULL, 0) == CURLUE_OK &&
	    curl_url_get(parts, CURLUPART_URL, &text, 0) == CURLUE_OK)
		snprintf(ret_name, size, "%s", text);
	curl_free(text);
	curl_url_cleanup(parts);
}

bool http_is_url(const char *text)
{
	return strncasecmp(text, "http://", 7) == 0 || strncasecmp(text, "https://", 8) == 0;
}

char *http_join(const char *base, const char *relative)
{
	CURLU *parts = curl_url();
	char *text = NULL, *copy = NULL;

	if (parts && curl_url_set(parts, CURLUPART_URL, base, 0) == CURLUE_OK &&
	    curl_url_set(parts, CURLUPART_URL, relative, 0) == CURLUE_OK &&
	    curl_url_get(parts, CURLUPART_URL, &text, 0) == CURLUE_OK)
		copy = strdup(text);
	curl_free(text);
	curl_url_cleanup(parts);
	return copy;
}

/** field() - The value of a header line, if it is this header's. */
static bool field(const char *line, size_t n, const char *name, char *value)
{
	size_t length = strlen(name);

	if (n <= length || strncasecmp(line, name, length) != 0 || line[length] != ':')
		return false;
	line += length + 1;
	n -= length + 1;
	while (n > 0 && (*line == ' ' || *line == '\t')) {
		line++;
		n--;
	}
	while (n > 0 && (line[n - 1] == '\r' || line[n - 1] == '\n' || line[n - 1] == ' '))
		n--;
	snprintf(value, HTTP_FIELD_MAX, "%.*s", n < HTTP_FIELD_MAX ? (int)n : 0, line);
	return true;
}

static size_t take_header(char *line, size_t one, size_t n, void *context)
{
	struct transfer *transfer = context;
	struct http_reply *reply = transfer->reply;
	char value[HTTP_FIELD_MAX];

	(void)one;
	/* Each redirect has headers of its own. */
	if (n >= 5 && strncmp(line, "HTTP/", 5) == 0)
		*reply = (struct http_reply){ .length = UINT64_MAX };
	else if (field(line, n, "ETag", value) && value[0] == '"')
		memcpy(reply->etag, value, sizeof(value));
	else if (field(line, n, "Last-Modified", value))
		memcpy(reply->modified, value, sizeof(value));
	else if (field(line, n, "Content-Length", value))
		reply->length = strtoull(value, NULL, 10);
	else if (field(line, n, "Content-Range", value) &&
		 sscanf(value, "bytes %" SCNu64 "-%*u/%" SCNu64, &reply->from, &reply->total) < 1)
		reply->from = UINT64_MAX;
	return n;
}

/** begin() - Before the first byte, or at the end of a reply without any. */
static bool begin(struct transfer *transfer)
{
	if (transfer->begun)
		return true;
	transfer->begun = true;
	curl_easy_getinfo(transfer->curl, CURLINFO_RESPONSE_CODE, &transfer->reply->status);
	if (transfer->reply->status == 200 || transfer->reply->status == 206)
		transfer->result = transfer->sink->begin(transfer->sink->context, transfer->reply);
	return transfer->result == 0;
}

static size_t take_body(char *bytes, size_t one, size_t n, void *context)
{
	struct transfer *transfer = context;

	(void)one;
	if (!begin(transfer))
		return CURL_WRITEFUNC_ERROR;
	/* The page that explains a 404 is nobody's disk. */
	if (transfer->reply->status != 200 && transfer->reply->status != 206)
		return n;
	transfer->taken += n;
	transfer->result = transfer->sink->take(transfer->sink->context, bytes, n);
	return transfer->result ? CURL_WRITEFUNC_ERROR : n;
}

static int watch(void *context, curl_off_t total, curl_off_t now, curl_off_t up_total,
		 curl_off_t up_now)
{
	struct transfer *transfer = context;

	(void)total, (void)now, (void)up_total, (void)up_now;
	if (job_stopped(transfer->job))
		transfer->result = JOB_STOPPED;
	return transfer->result != 0;
}

static int explain_status(struct transfer *transfer)
{
	struct failure *failure = &transfer->job->failure;
	const char *name = transfer->request->name;
	long status = transfer->reply->status;

	if (status == 200 || status == 206)
		return 0;
	if (status == 404 || status == 410)
		return failure_set(failure, EXIT_UNAVAILABLE, -ENOENT,
				   "%s: the server does not have it (%ld): look at the name, the "
				   "version and the URL",
				   name, status);
	if (status == 401 || status == 403)
		return failure_set(
			failure, EXIT_UNAVAILABLE, -EACCES,
			"%s: the server does not hand it out (%ld): it wants an account, "
			"or another address",
			name, status);
	if (status == 416)
		return failure_set(failure, EXIT_UNAVAILABLE, -ERANGE,
				   "%s: the server has less of it than was downloaded before: run "
				   "it again to begin anew",
				   name);
	return failure_set(failure, EXIT_UNAVAILABLE, status >= 500 ? -EAGAIN : -EIO,
			   "%s: the server answered with %ld: try again later", name, status);
}

static int explain(struct transfer *transfer, CURLcode code)
{
	struct failure *failure = &transfer->job->failure;
	const char *name = transfer->request->name;

	if (code == CURLE_TOO_MANY_REDIRECTS)
		return failure_set(failure, EXIT_UNAVAILABLE, -ELOOP,
				   "%s: more than %d redirects: the server leads in a circle, look "
				   "at the URL",
				   name, HTTP_MAX_REDIRECTS);
	if (code == CURLE_UNSUPPORTED_PROTOCOL)
		return failure_set(failure, EXIT_UNAVAILABLE, -EPROTONOSUPPORT,
				   "%s: leads to something else than HTTP, or from HTTPS to HTTP, "
				   "which is not followed",
				   name);
	if (code == CURLE_PEER_FAILED_VERIFICATION || code == CURLE_SSL_CACERT_BADFILE)
		return failure_set(
			failure, EXIT_UNAVAILABLE, -EKEYREJECTED,
			"%s: the server's certificate is not trusted (%s): give the file "
			"of your own authority with --ca",
			name, transfer->error);
	if (code == CURLE_OPERATION_TIMEDOUT && transfer->begun)
		return failure_set(failure, EXIT_UNAVAILABLE, -EAGAIN,
				   "%s: the server sent nothing for %u s: run it again to go on "
				   "where it stopped",
				   name, transfer->request->options->patience);
	if (code == CURLE_PARTIAL_FILE || code == CURLE_RECV_ERROR || code == CURLE_GOT_NOTHING)
		return failure_set(
			failure, EXIT_UNAVAILABLE, -EAGAIN,
			"%s: the connection ended after %" PRIu64
			" bytes, before the end of the file: run it again to go on where "
			"it stopped",
			name, transfer->taken);
	return failure_set(failure, EXIT_UNAVAILABLE, -EAGAIN, "%s: cannot be downloaded: %s", name,
			   transfer->error[0] ? transfer->error : curl_easy_strerror(code));
}

/** set_up() - Everything but the headers. */
static void set_up(CURL *curl, struct transfer *transfer)
{
	const struct http_request *request = transfer->request;
	bool secure = strncasecmp(request->url, "https:", 6) == 0;

	curl_easy_setopt(curl, CURLOPT_URL, request->url);
	curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(curl, CURLOPT_REDIR_PROTOCOLS_STR, secure ? "https" : "http,https");
	curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 1L);
	curl_easy_setopt(curl, CURLOPT_MAXREDIRS, (long)HTTP_MAX_REDIRECTS);
	curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(curl, CURLOPT_USERAGENT, "casement-image/" CASEMENT_VERSION);
	curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT, CONNECT_SECONDS);
	curl_easy_setopt(curl, CURLOPT_LOW_SPEED_LIMIT, 1L);
	curl_easy_setopt(curl, CURLOPT_LOW_SPEED_TIME, (long)request->options->patience);
	curl_easy_setopt(curl, CURLOPT_BUFFERSIZE, 256L << 10);
	curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, transfer->error);
	curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, take_header);
	curl_easy_setopt(curl, CURLOPT_HEADERDATA, transfer);
	curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take_body);
	curl_easy_setopt(curl, CURLOPT_WRITEDATA, transfer);
	curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, watch);
	curl_easy_setopt(curl, CURLOPT_XFERINFODATA, transfer);
	curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
	if (request->options->ca)
		curl_easy_setopt(curl, CURLOPT_CAINFO, request->options->ca);
}

/** add_header() - Return: false: out of memory. */
static bool add_header(struct curl_slist **list, const char *line)
{
	struct curl_slist *longer = curl_slist_append(*list, line);

	if (longer)
		*list = longer;
	return longer != NULL;
}

static int perform(struct transfer *transfer)
{
	const struct http_request *request = transfer->request;
	struct curl_slist *headers = NULL;
	char range[64], condition[HTTP_FIELD_MAX + 16];
	bool good = add_header(&headers, "Accept: application/json, */*");
	CURLcode code = CURLE_OUT_OF_MEMORY;

	if (request->from) {
		snprintf(range, sizeof(range), "Range: bytes=%" PRIu64 "-", request->from);
		snprintf(condition, sizeof(condition), "If-Range: %s", request->validator);
		good = good && add_header(&headers, range) && add_header(&headers, condition);
	}
	if (good) {
		curl_easy_setopt(transfer->curl, CURLOPT_HTTPHEADER, headers);
		code = curl_easy_perform(transfer->curl);
	}
	curl_slist_free_all(headers);
	if (code == CURLE_OK)
		begin(transfer);
	if (transfer->result)
		return transfer->result;
	return code == CURLE_OK ? explain_status(transfer) : explain(transfer, code);
}

int http_get(struct job *job, const struct http_request *request, const struct http_sink *sink,
	     struct http_reply *ret_reply)
{
	struct transfer transfer = { .job = job,
				     .request = request,
				     .sink = sink,
				     .reply = ret_reply,
				     .curl = curl_easy_init() };
	int result;

	*ret_reply = (struct http_reply){ .length = UINT64_MAX };
	if (!transfer.curl)
		return failure_set(&job->failure, EXIT_UNAVAILABLE, -ENOMEM,
				   "%s: cannot be downloaded: out of memory", request->name);
	set_up(transfer.curl, &transfer);
	result = perform(&transfer);
	curl_easy_cleanup(transfer.curl);
	return result;
}
