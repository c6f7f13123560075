/*
 * guestd.c - PID 1 of the stand-in guests mini and desktop
 *
 * A guest that a test can talk to: it heeds the power button, echoes, does what it is told on a control port and, in
 * mini (--rdp), answers like an RDP server up to the connection confirm. The arguments are commands that it starts once
 * its ports are open; nothing restarts them. Where the machine has the channel for it, it is the guest agent too. One epoll loop; every connection is an entry of a fixed table. The
 * ports and the lines on the console are the interface, and ../README.md lists them.
 *
 * Protocols: RFC 2126 and ITU-T X.224 section 13 for TPKT and the connection request, [MS-RDPBCGR] 2.2.1.1 and 2.2.1.2
 * for the negotiation in it.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <linux/input.h>
#include <net/if.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "agent.h"

enum {
	PORT_ECHO = 7,
	PORT_CONTROL = 9,
	PORT_RDP = 3389,
	MAX_SOURCES = 600,
	MAX_BUTTONS = 8,
	CHUNK = 16384,
	ACT_AFTER_MS = 200,	/* so that the answer, and a line on the console, leave first */
	AGENT_TRY_MS = 250,	/* the driver finds its ports a while after it is loaded */
	AGENT_TRIES = 40,
};

enum kind {
	FREE = 0,
	LISTEN_ECHO,
	LISTEN_CONTROL,
	LISTEN_RDP,
	UDP,
	BUTTON,
	TIMER,
	AGENT,
	ECHO,			/* from here on: connections */
	CONTROL,
	RDP,			/* becomes ECHO when its connection request is answered */
};

struct source {
	enum kind kind;
	int fd;
	bool eof;		/* close when everything is written */
	size_t start, end;	/* what of buf is still to be written, or of a request is there */
	unsigned char buf[CHUNK];
};

struct guest {
	int epoll;
	int timer;
	int consoles[2];
	int action;		/* what the timer does: reboot(2) command, 'c' for a crash, 0 for nothing */
	bool deaf;
	void *filled;		/* the memory of the last `fill` */
	pid_t net;		/* the leader of what gets the guest's address; 0 without */
	struct source sources[MAX_SOURCES];
};

static struct guest guest;	/* all zero, so that the 10 MB of buffers are not part of the file */

/** event() - Print an event line on the consoles */
__attribute__((format(printf, 1, 2))) static void event(const char *format, ...)
{
	char line[256] = "casement-guest-event: ";
	size_t used = strlen(line);
	va_list args;

	va_start(args, format);
	int n = vsnprintf(line + used, sizeof(line) - used - 1, format, args);
	va_end(args);
	if (n < 0)
		return;
	used += (size_t)n;
	if (used > sizeof(line) - 2)
		used = sizeof(line) - 2;
	line[used++] = '\n';
	for (size_t i = 0; i < 2; i++) {
		/* A guest without a serial port has nobody to tell. */
		if (guest.consoles[i] >= 0 && write(guest.consoles[i], line, used) < 0)
			continue;
	}
}

/** add() - Watch a descriptor; closes it and returns NULL when the table is full */
static struct source *add(enum kind kind, int fd, uint32_t events)
{
	for (size_t i = 0; fd >= 0 && i < MAX_SOURCES; i++) {
		struct source *s = &guest.sources[i];
		struct epoll_event e = { .events = events, .data.ptr = s };

		if (s->kind != FREE)
			continue;
		if (epoll_ctl(guest.epoll, EPOLL_CTL_ADD, fd, &e) < 0)
			break;
		s->kind = kind;
		s->fd = fd;
		s->eof = false;
		s->start = s->end = 0;
		return s;
	}
	if (fd >= 0)
		close(fd);
	return NULL;
}

static void drop(struct source *s)
{
	close(s->fd);
	s->kind = FREE;
}

static void want(struct source *s, uint32_t events)
{
	struct epoll_event e = { .events = events, .data.ptr = s };

	epoll_ctl(guest.epoll, EPOLL_CTL_MOD, s->fd, &e);
}

/** serve() - Bind a port of every address, IPv4 and IPv6 */
static void serve(enum kind kind, int type, uint16_t port)
{
	struct sockaddr_in6 any = { .sin6_family = AF_INET6, .sin6_port = htons(port) };
	int fd = socket(AF_INET6, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int off = 0, on = 1;

	setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off));
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(fd, (struct sockaddr *)&any, sizeof(any)) < 0 ||
	    (type == SOCK_STREAM && listen(fd, 128) < 0)) {
		event("port %u: %s", port, strerror(errno));
		close(fd);
		return;
	}
	add(kind, fd, EPOLLIN);
}

/** act_soon() - Reboot, power off or crash once what was said has left the guest */
static void act_soon(int action)
{
	struct itimerspec after = { .it_value.tv_nsec = ACT_AFTER_MS * 1000000L };

	if (guest.action)
		return;
	guest.action = action;
	timerfd_settime(guest.timer, 0, &after, NULL);
}

/** stop() - End all other processes and leave the root file system clean */
static void stop(void)
{
	static const struct timespec grace = { .tv_nsec = 100000000L };

	kill(-1, SIGTERM);
	nanosleep(&grace, NULL);
	kill(-1, SIGKILL);
	/* As SIGCHLD is ignored, this returns when the last one is gone. */
	while (wait(NULL) >= 0)
		continue;
	mount(NULL, "/", NULL, MS_REMOUNT | MS_RDONLY, NULL);
	sync();
}

static void act(void)
{
	if (guest.action == 'c') {
		int fd = open("/proc/sysrq-trigger", O_WRONLY | O_CLOEXEC);

		event("crashing");
		if (write(fd, "c", 1) < 0)
			event("cannot crash: %s", strerror(errno));
		return;
	}
	event(guest.action == RB_AUTOBOOT ? "rebooting" : "powering off");
	stop();
	reboot(guest.action);
}

static void button(struct source *s)
{
	struct input_event events[16];
	ssize_t n = read(s->fd, events, sizeof(events));

	if (n < 0 && errno != EAGAIN)
		drop(s);
	for (size_t i = 0; n > 0 && i < (size_t)n / sizeof(events[0]); i++) {
		if (events[i].type != EV_KEY || events[i].code != KEY_POWER || events[i].value != 1)
			continue;
		event("power button pressed");
		if (!guest.deaf)
			act_soon(RB_POWER_OFF);
	}
}

/** agent_send() - Write to the agent's port, where a request may be there a moment before the news that the host is */
static void agent_send(int fd, const char *answer)
{
	static const struct timespec moment = { .tv_nsec = 10000000L };
	ssize_t n = -1;

	for (int i = 0; i < 50 && *answer && (n = write(fd, answer, strlen(answer))) < 0; i++)
		nanosleep(&moment, NULL);
	if (*answer && n < 0)
		event("agent: %s", strerror(errno));
}

/** agent_event() - What the host asked the agent for, as an event */
static void agent_event(enum agent_wish wish)
{
	switch (wish) {
	case AGENT_NOTHING: break;
	case AGENT_POWER_OFF: event("agent asked to power off"); break;
	case AGENT_REBOOT: event("agent asked to reboot"); break;
	case AGENT_FROZEN: event("file systems frozen"); break;
	case AGENT_THAWED: event("file systems thawed"); break;
	case AGENT_CLOCK_SET: event("clock set"); break;
	}
}

/** agent() - Answer what the host asks of the guest agent; a hanging guest only reads */
static void agent(struct source *s)
{
	unsigned char *newline;
	char answer[512];
	ssize_t n;

	while ((n = read(s->fd, s->buf + s->end, sizeof(s->buf) - s->end)) > 0) {
		s->end += (size_t)n;
		while ((newline = memchr(s->buf, '\n', s->end))) {
			*newline++ = '\0';
			enum agent_wish wish = agent_answer((const char *)s->buf, answer, sizeof(answer));

			agent_event(wish);
			if ((wish == AGENT_POWER_OFF || wish == AGENT_REBOOT) && !guest.deaf)
				act_soon(wish == AGENT_REBOOT ? RB_AUTOBOOT : RB_POWER_OFF);
			if (!guest.deaf)
				agent_send(s->fd, answer);
			s->end -= (size_t)(newline - s->buf);
			memmove(s->buf, newline, s->end);
		}
		if (s->end == sizeof(s->buf))
			s->end = 0;
	}
}

/** rdp_on() - Listen for RDP, or stop to; connections that are there stay */
static void rdp_on(bool on)
{
	for (size_t i = 0; i < MAX_SOURCES; i++) {
		if (guest.sources[i].kind != LISTEN_RDP)
			continue;
		if (on)
			return;
		drop(&guest.sources[i]);
	}
	if (on)
		serve(LISTEN_RDP, SOCK_STREAM, PORT_RDP);
}

static void append(char *answer, size_t size, const char *word)
{
	size_t used = strlen(answer);

	snprintf(answer + used, size - used, " %s", word);
}

/** addresses() - Append the guest's addresses, but for loopback and link-local ones */
static void addresses(char *answer, size_t size)
{
	struct ifaddrs *all = NULL;
	char text[INET6_ADDRSTRLEN];

	if (getifaddrs(&all) < 0)
		return;
	for (struct ifaddrs *a = all; a; a = a->ifa_next) {
		const struct sockaddr_in6 *six = (const void *)a->ifa_addr;
		const struct sockaddr_in *four = (const void *)a->ifa_addr;

		if (!a->ifa_addr || (a->ifa_flags & IFF_LOOPBACK))
			continue;
		if (a->ifa_addr->sa_family == AF_INET)
			append(answer, size, inet_ntop(AF_INET, &four->sin_addr, text, sizeof(text)));
		else if (a->ifa_addr->sa_family == AF_INET6 && !IN6_IS_ADDR_LINKLOCAL(&six->sin6_addr))
			append(answer, size, inet_ntop(AF_INET6, &six->sin6_addr, text, sizeof(text)));
	}
	freeifaddrs(all);
}

/** peer() - Append the address that a connection comes from, as the guest sees it */
static void peer(int fd, char *answer, size_t size)
{
	struct sockaddr_in6 from;
	socklen_t len = sizeof(from);
	char text[INET6_ADDRSTRLEN] = "?";
	const char *four;

	if (getpeername(fd, (struct sockaddr *)&from, &len) == 0)
		inet_ntop(AF_INET6, &from.sin6_addr, text, sizeof(text));
	four = strncmp(text, "::ffff:", 7) == 0 ? text + 7 : text;
	append(answer, size, four);
}

/** resolve() - Append what the name server that the lease named says of a name; mini alone has the program */
static void resolve(const char *name, char *answer, size_t size)
{
	char command[192], line[256], *address;
	FILE *f;

	snprintf(command, sizeof(command), "exec /bin/nslookup '%s' 2>&1", name);
	f = popen(command, "r");
	/* The first address is the server's own. */
	for (bool server = true; f && fgets(line, sizeof(line), f);) {
		line[strcspn(line, "\n")] = '\0';
		address = strncmp(line, "Address", 7) == 0 ? strpbrk(line, " \t") : NULL;
		if (address && !server)
			append(answer, size, address + strspn(address, " \t"));
		server = server && !address;
	}
	if (f)
		pclose(f);
}

/** fill() - Fill megabytes of memory with bytes that cannot be compressed, for good. Return: 0 or -1 */
static int fill(size_t megabytes)
{
	size_t n = (megabytes << 20) / sizeof(uint64_t);
	uint64_t *words = malloc(n * sizeof(uint64_t)), word = 88172645463325252;

	guest.filled = words;
	for (size_t i = 0; words && i < n; i++) {
		/* xorshift64, by George Marsaglia */
		word ^= word << 13;
		word ^= word >> 7;
		word ^= word << 17;
		words[i] = word;
	}
	return words ? 0 : -1;
}

/** obey() - Carry out one line of the control port and leave the answer in the source's buffer */
static void obey(struct source *s, const char *verb)
{
	char answer[512] = "ok";
	struct timespec now;

	if (!strcmp(verb, "poweroff")) {
		act_soon(RB_POWER_OFF);
	} else if (!strcmp(verb, "reboot")) {
		act_soon(RB_AUTOBOOT);
	} else if (!strcmp(verb, "crash")) {
		act_soon('c');
	} else if (!strcmp(verb, "hang")) {
		guest.deaf = true;
	} else if (!strncmp(verb, "windows ", 8)) {
		agent_be_windows((unsigned)strtoul(verb + 8, NULL, 10));
	} else if (!strcmp(verb, "ip")) {
		addresses(answer, sizeof(answer));
	} else if (!strcmp(verb, "peer")) {
		peer(s->fd, answer, sizeof(answer));
	} else if (!strcmp(verb, "rdp on") || !strcmp(verb, "rdp off")) {
		rdp_on(!strcmp(verb, "rdp on"));
	} else if (!strcmp(verb, "uptime")) {
		clock_gettime(CLOCK_BOOTTIME, &now);
		snprintf(answer, sizeof(answer), "ok %lld.%02ld", (long long)now.tv_sec,
			 now.tv_nsec / 10000000);
	} else if (!strcmp(verb, "time")) {
		clock_gettime(CLOCK_REALTIME, &now);
		snprintf(answer, sizeof(answer), "ok %lld.%03ld", (long long)now.tv_sec,
			 now.tv_nsec / 1000000);
	} else if (!strcmp(verb, "renew")) {
		/* udhcpc, and the shell around it, which does not care. */
		if (guest.net <= 0 || kill(-guest.net, SIGUSR1) < 0)
			snprintf(answer, sizeof(answer), "error %s", strerror(errno));
	} else if (!strncmp(verb, "fill ", 5)) {
		if (fill(strtoul(verb + 5, NULL, 10)) < 0)
			snprintf(answer, sizeof(answer), "error %s", strerror(errno));
	} else if (!strncmp(verb, "resolve ", 8)) {
		resolve(verb + 8, answer, sizeof(answer));
	} else {
		snprintf(answer, sizeof(answer), "error unknown verb");
	}
	s->start = 0;
	s->end = (size_t)snprintf((char *)s->buf, sizeof(s->buf), "%s\n", answer);
	s->eof = true;
}

/**
 * confirm() - Answer an RDP connection request, if all of it is there
 *
 * Return: false if it is not a connection request and the connection has to go
 */
static bool confirm(struct source *s)
{
	static const unsigned char plain[] = { 3, 0, 0, 11, 6, 0xd0, 0, 0, 0x12, 0x34, 0 };
	static const unsigned char negotiated[] = { 3, 0, 0, 19, 14, 0xd0, 0, 0, 0x12, 0x34, 0,
						    2, 0, 8, 0, 0, 0, 0, 0 };
	const unsigned char *b = s->buf;
	size_t length;

	if (s->end < 4)
		return s->end == 0 || b[0] == 3;
	length = (size_t)b[2] << 8 | b[3];
	if (b[0] != 3 || length < 11 || length > 1024)
		return false;
	if (s->end < length)
		return true;
	if (b[4] != length - 5 || (b[5] & 0xf0) != 0xe0)
		return false;

	/* The negotiation request, if any, is the end of it: type 1, flags, length 8, protocols. */
	const unsigned char *request = b + length - 8;
	bool negotiate = length >= 19 && request[0] == 1 && request[2] == 8 && request[3] == 0;
	unsigned char protocols = negotiate ? request[4] : 0;

	memcpy(s->buf, negotiate ? negotiated : plain, negotiate ? sizeof(negotiated) : sizeof(plain));
	if (negotiate)
		s->buf[15] = protocols & 1 ? 1 : protocols & 2;	/* TLS, or else CredSSP */
	s->start = 0;
	s->end = negotiate ? sizeof(negotiated) : sizeof(plain);
	s->kind = ECHO;
	return true;
}

/** flush() - Write what is to be written; reads wait until it is gone */
static void flush(struct source *s)
{
	while (s->start < s->end) {
		ssize_t n = send(s->fd, s->buf + s->start, s->end - s->start, MSG_NOSIGNAL);

		if (n < 0 && errno == EAGAIN)
			return want(s, EPOLLOUT);
		if (n < 0)
			return drop(s);
		s->start += (size_t)n;
	}
	s->start = s->end = 0;
	if (s->eof)
		return drop(s);
	want(s, EPOLLIN);
}

/** receive() - Read from a connection and do what its kind asks for */
static void receive(struct source *s)
{
	ssize_t n = recv(s->fd, s->buf + s->end, sizeof(s->buf) - s->end, 0);

	if (n < 0 && errno == EAGAIN)
		return;
	if (n <= 0)
		return drop(s);
	s->end += (size_t)n;
	if (s->kind == RDP) {
		if (!confirm(s))
			return drop(s);
		if (s->kind == RDP)
			return;
	} else if (s->kind == CONTROL) {
		unsigned char *newline = memchr(s->buf, '\n', s->end);

		if (!newline)
			return s->end < 128 ? (void)0 : drop(s);
		*newline = '\0';
		if (newline > s->buf && newline[-1] == '\r')
			newline[-1] = '\0';
		obey(s, (const char *)s->buf);
	}
	flush(s);
}

static void take(const struct source *listener)
{
	enum kind kind = listener->kind == LISTEN_RDP	    ? RDP
			 : listener->kind == LISTEN_CONTROL ? CONTROL
							    : ECHO;

	add(kind, accept4(listener->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC), EPOLLIN);
}

static void echo_datagram(const struct source *s)
{
	static unsigned char datagram[65536];
	struct sockaddr_in6 from;
	socklen_t len = sizeof(from);
	ssize_t n = recvfrom(s->fd, datagram, sizeof(datagram), 0, (struct sockaddr *)&from, &len);

	if (n >= 0)
		sendto(s->fd, datagram, (size_t)n, 0, (struct sockaddr *)&from, len);
}

static void handle(struct source *s, uint32_t events)
{
	uint64_t expirations;

	switch (s->kind) {
	case FREE:
		break;
	case LISTEN_ECHO:
	case LISTEN_CONTROL:
	case LISTEN_RDP:
		take(s);
		break;
	case UDP:
		echo_datagram(s);
		break;
	case BUTTON:
		button(s);
		break;
	case AGENT:
		agent(s);
		break;
	case TIMER:
		if (read(s->fd, &expirations, sizeof(expirations)) > 0)
			act();
		break;
	case ECHO:
	case CONTROL:
	case RDP:
		if (events & EPOLLOUT)
			flush(s);
		else
			receive(s);
		break;
	}
}

static void open_buttons(void)
{
	for (int i = 0; i < MAX_BUTTONS; i++) {
		char path[32];

		snprintf(path, sizeof(path), "/dev/input/event%d", i);
		add(BUTTON, open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC), EPOLLIN);
	}
}

static bool deaf_from_birth(void)
{
	char line[2048] = "";
	FILE *f = fopen("/proc/cmdline", "re");

	if (f && !fgets(line, sizeof(line), f))
		line[0] = '\0';
	if (f)
		fclose(f);
	for (char *rest = line, *word; (word = strsep(&rest, " \n"));) {
		if (!strcmp(word, "deaf"))
			return true;
	}
	return false;
}

/** start() - Run a command in the background; whoever ends is reaped by the kernel */
static pid_t start(char *command)
{
	char *argv[] = { command, NULL };
	pid_t pid = fork();

	if (pid != 0)
		return pid;
	signal(SIGCHLD, SIG_DFL);
	setsid();
	execv(command, argv);
	event("%s: %s", command, strerror(errno));
	_exit(127);
}

int main(int argc, char *argv[])
{
	bool rdp = argc > 1 && !strcmp(argv[1], "--rdp");

	signal(SIGCHLD, SIG_IGN);
	guest.consoles[0] = open("/dev/console", O_WRONLY | O_NOCTTY | O_CLOEXEC);
	guest.consoles[1] = open("/dev/tty0", O_WRONLY | O_NOCTTY | O_CLOEXEC);
	guest.epoll = epoll_create1(EPOLL_CLOEXEC);
	guest.timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	guest.deaf = deaf_from_birth();
	add(TIMER, guest.timer, EPOLLIN);
	open_buttons();
	serve(LISTEN_ECHO, SOCK_STREAM, PORT_ECHO);
	serve(LISTEN_CONTROL, SOCK_STREAM, PORT_CONTROL);
	serve(UDP, SOCK_DGRAM, PORT_ECHO);
	if (rdp) {
		serve(UDP, SOCK_DGRAM, PORT_RDP);
		rdp_on(true);
	}
	for (int i = rdp ? 2 : 1; i < argc; i++) {
		pid_t pid = start(argv[i]);

		if (!strcmp(strrchr(argv[i], '/'), "/net"))
			guest.net = pid;
	}
	for (int agent_tries = AGENT_TRIES;;) {
		struct epoll_event events[32];
		int n = epoll_wait(guest.epoll, events, 32, agent_tries > 0 ? AGENT_TRY_MS : -1);

		/* By edges, as a port whose host is away hangs up at every look. */
		if (agent_tries > 0 && add(AGENT, agent_open(), EPOLLIN | EPOLLET))
			agent_tries = 0;
		agent_tries--;

		for (int i = 0; i < n; i++)
			handle(events[i].data.ptr, events[i].events);
	}
}
