/*
 * The probe of one TCP connection.
 *
 *   CONNECTING  until the guest's TCP answers: connected, or refused, which is a sign of life too
 *   ASKING      the request is sent; the answer is read until it is valid, or cannot become valid
 *               (with connect_only there is nothing to ask)
 *   CLOSING     the result is told; the server gets a moment to close its side: an orderly end
 *
 * The socket is bound to the bridge: whatever the routes are, no probe leaves by another interface.
 */
#include "init/guest/probe.h"

#include "lib/util.h"

#include <errno.h>
#include <libvirt/libvirt.h>
#include <sys/socket.h>

#define CLOSE_MS 500

static uint64_t now_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

void probe_init(struct probe *probe, struct in_addr address, unsigned port, const char *bridge,
		probe_fn *done, void *context)
{
	*probe = (struct probe){
		.address = { .sin_family = AF_INET,
			     .sin_port = htons((uint16_t)port),
			     .sin_addr = address },
		.done = done,
		.context = context,
		.fd = -1,
		.watch = -1,
	};
	snprintf(probe->bridge, sizeof(probe->bridge), "%s", bridge);
}

bool probe_busy(const struct probe *probe)
{
	return probe->phase == PROBE_CONNECTING || probe->phase == PROBE_ASKING;
}

void probe_abort(struct probe *probe)
{
	if (probe->watch >= 0)
		virEventRemoveHandle(probe->watch);
	if (probe->fd >= 0)
		close(probe->fd);
	probe->watch = -1;
	probe->fd = -1;
	probe->phase = PROBE_IDLE;
}

/** finish() - Tell the result. An answered connection goes on to be closed in order. */
static void finish(struct probe *probe, enum probe_result result)
{
	uint64_t latency = now_us() - probe->started_us;

	if (result == PROBE_ANSWERED && shutdown(probe->fd, SHUT_WR) == 0) {
		probe->phase = PROBE_CLOSING;
		probe->deadline = now_ms() + CLOSE_MS;
	} else {
		probe_abort(probe);
	}
	probe->done(probe->context, result, probe->started, latency);
}

/** ask() - Connected, or not: send the request. */
static void ask(struct probe *probe)
{
	uint8_t request[RDP_REQUEST_SIZE];
	socklen_t length = sizeof(int);
	int error = 0;

	if (getsockopt(probe->fd, SOL_SOCKET, SO_ERROR, &error, &length))
		error = errno;
	if (error) {
		finish(probe, error == ECONNREFUSED ? PROBE_REFUSED : PROBE_SILENT);
		return;
	}
	if (probe->connect_only) {
		virEventUpdateHandle(probe->watch, VIR_EVENT_HANDLE_READABLE);
		finish(probe, PROBE_ANSWERED);
		return;
	}
	rdp_request(request);
	if (send(probe->fd, request, sizeof(request), MSG_NOSIGNAL) != (ssize_t)sizeof(request)) {
		finish(probe, PROBE_OPEN);
		return;
	}
	probe->phase = PROBE_ASKING;
	probe->deadline = now_ms() + probe->timeout;
	virEventUpdateHandle(probe->watch, VIR_EVENT_HANDLE_READABLE);
}

/** listen_to() - Read what came, and judge it. */
static void listen_to(struct probe *probe)
{
	struct rdp_confirm confirm;
	ssize_t n = recv(probe->fd, probe->answer + probe->n, sizeof(probe->answer) - probe->n, 0);
	int result;

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		finish(probe, PROBE_OPEN);
		return;
	}
	probe->n += (size_t)n;
	result = rdp_parse(probe->answer, probe->n, &confirm);
	if (result != -EAGAIN)
		finish(probe, result == 0 ? PROBE_ANSWERED : PROBE_OPEN);
}

/** drain() - The server's last bytes are of no interest, its end is. */
static void drain(struct probe *probe)
{
	char rest[256];
	ssize_t n = recv(probe->fd, rest, sizeof(rest), 0);

	if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
		probe_abort(probe);
}

static void on_socket(int watch, int fd, int events, void *opaque)
{
	struct probe *probe = opaque;

	(void)events; /* an error or a hang-up shows in the next call */
	if (watch != probe->watch || fd != probe->fd)
		return;
	switch (probe->phase) {
	case PROBE_CONNECTING: ask(probe); break;
	case PROBE_ASKING: listen_to(probe); break;
	case PROBE_CLOSING: drain(probe); break;
	case PROBE_IDLE: break;
	}
}

/** dial() - Make the socket and begin to connect. Return: 0 or -errno. */
static int dial(struct probe *probe)
{
	socklen_t length = (socklen_t)strlen(probe->bridge) + 1;

	probe->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (probe->fd < 0)
		return -errno;
	/* Kernels before 5.7 want CAP_NET_RAW for it; then the route decides. */
	if (probe->bridge[0] &&
	    setsockopt(probe->fd, SOL_SOCKET, SO_BINDTODEVICE, probe->bridge, length) &&
	    errno != EPERM)
		return -errno;
	if (connect(probe->fd, (const struct sockaddr *)&probe->address, sizeof(probe->address)) &&
	    errno != EINPROGRESS)
		return -errno;
	probe->watch =
		virEventAddHandle(probe->fd, VIR_EVENT_HANDLE_WRITABLE, on_socket, probe, NULL);
	return probe->watch < 0 ? -ENOMEM : 0;
}

void probe_begin(struct probe *probe, unsigned connect_timeout, unsigned timeout, int64_t now)
{
	int result;

	probe_abort(probe);
	probe->started = now;
	probe->started_us = now_us();
	probe->timeout = timeout;
	probe->deadline = now + connect_timeout;
	probe->n = 0;
	probe->phase = PROBE_CONNECTING;
	result = dial(probe);
	if (result)
		finish(probe, result == -ECONNREFUSED ? PROBE_REFUSED : PROBE_SILENT);
}

int64_t probe_deadline(const struct probe *probe)
{
	return probe->phase == PROBE_IDLE ? INT64_MAX : probe->deadline;
}

void probe_expire(struct probe *probe, int64_t now)
{
	if (probe->phase == PROBE_IDLE || now < probe->deadline)
		return;
	if (probe->phase == PROBE_CLOSING)
		probe_abort(probe);
	else
		finish(probe, probe->phase == PROBE_CONNECTING ? PROBE_SILENT : PROBE_OPEN);
}
