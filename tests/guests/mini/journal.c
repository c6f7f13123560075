/*
 * journal.c - A writer of checksummed records on mini's disk
 *
 * What a guest believes to be on its disk must be there, whatever became of the machine. This writes records one after the
 * other behind the boot partition, each past every cache before it counts, and says how many there are. A test reads them
 * from the image afterwards. The port, the lines and the layout are the interface, and ../README.md has them.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <netinet/in.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#define DISK "/dev/vda"

enum {
	PORT = 10,
	BEGIN = 32 << 20,
	RECORD = 64 << 10,
};

struct record {
	char magic[8];
	uint64_t number;
	uint32_t checksum;	/* CRC-32 of everything else */
	uint32_t words[(RECORD - 20) / 4];
} __attribute__((packed, aligned(4096)));

_Static_assert(sizeof(struct record) == RECORD, "no gaps");

/* Between the writer and who answers; a writer that waits for its disk must not keep anybody else waiting. */
struct progress {
	volatile uint64_t records;
	volatile int error;
};

static struct record record;

/** crc() - CRC-32 as zlib has it, over what came before and @n more bytes */
static uint32_t crc(uint32_t before, const void *bytes, size_t n)
{
	static uint32_t table[256];
	const uint8_t *at = bytes;

	for (uint32_t i = 0; !table[255] && i < 256; i++) {
		table[i] = i;
		for (int bit = 0; bit < 8; bit++)
			table[i] = table[i] >> 1 ^ (table[i] & 1 ? 0xedb88320 : 0);
	}
	before = ~before;
	while (n--)
		before = table[(before ^ *at++) & 0xff] ^ before >> 8;
	return ~before;
}

static uint32_t checksum(void)
{
	return crc(crc(0, &record, offsetof(struct record, checksum)), record.words, sizeof(record.words));
}

/** compose() - Fill the record: nothing that an image could leave out, and different each time */
static void compose(uint64_t number)
{
	uint32_t word = (uint32_t)number * 2654435761U | 1;

	memcpy(record.magic, "JOURNAL1", sizeof(record.magic));
	record.number = number;
	for (size_t i = 0; i < sizeof(record.words) / sizeof(record.words[0]); i++) {
		word ^= word << 13;
		word ^= word >> 17;
		word ^= word << 5;
		record.words[i] = word;
	}
	record.checksum = checksum();
}

/** is_there() - Has the disk this record? */
static int is_there(int disk, uint64_t number)
{
	return pread(disk, &record, RECORD, (off_t)(BEGIN + number * RECORD)) == RECORD &&
	       memcmp(record.magic, "JOURNAL1", sizeof(record.magic)) == 0 && record.number == number &&
	       record.checksum == checksum();
}

/** write_all() - Go on behind the records that are there, until the disk ends */
static int write_all(struct progress *progress)
{
	int disk = open(DISK, O_RDWR | O_DIRECT | O_SYNC | O_CLOEXEC);
	uint64_t size, number = 0;

	if (disk < 0 || ioctl(disk, BLKGETSIZE64, &size) < 0)
		return errno;
	while (is_there(disk, number))
		progress->records = ++number;
	for (; BEGIN + (number + 1) * RECORD <= size; progress->records = ++number) {
		compose(number);
		if (pwrite(disk, &record, RECORD, (off_t)(BEGIN + number * RECORD)) != RECORD)
			return errno ? errno : EIO;
	}
	return ENOSPC;
}

static void answer(int connection, struct progress *progress)
{
	static pid_t writer;
	char line[64] = "", text[128] = "error unknown verb\n";
	size_t used = 0;

	while (used < sizeof(line) - 1 && !strchr(line, '\n')) {
		ssize_t n = recv(connection, line + used, sizeof(line) - 1 - used, 0);

		if (n <= 0)
			return;
		used += (size_t)n;
	}
	line[strcspn(line, "\r\n")] = '\0';
	if (!strcmp(line, "start") && !writer) {
		writer = fork();
		if (writer == 0) {
			progress->error = write_all(progress);
			_exit(0);
		}
	}
	if (strcmp(line, "start") != 0 && strcmp(line, "count") != 0)
		;
	else if (progress->error)
		snprintf(text, sizeof(text), "error after %llu: %s\n", (unsigned long long)progress->records,
			 strerror(progress->error));
	else
		snprintf(text, sizeof(text), "ok %llu\n", (unsigned long long)progress->records);
	(void)!send(connection, text, strlen(text), MSG_NOSIGNAL);
}

int main(void)
{
	struct sockaddr_in any = { .sin_family = AF_INET, .sin_port = htons(PORT) };
	struct progress *progress = mmap(NULL, sizeof(*progress), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;

	signal(SIGCHLD, SIG_IGN);
	setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (progress == MAP_FAILED || bind(listener, (struct sockaddr *)&any, sizeof(any)) < 0 || listen(listener, 8) < 0)
		return 1;
	for (;;) {
		int connection = accept4(listener, NULL, NULL, SOCK_CLOEXEC);

		if (connection < 0)
			continue;
		answer(connection, progress);
		close(connection);
	}
}
