/* A configuration file. What is accepted must be complete and in order; what is not must be
 * explained. */
#include "fuzz.h"

#include "lib/config.h"
#include "lib/util.h"

#include <errno.h>
#include <sys/mman.h>

extern char **environ;

static void hear(void *context, const char *message)
{
	unsigned *n = context;

	PROMISE(*message);
	++*n;
}

static void check_service(const struct config *config, size_t index)
{
	const struct service_config *service = &config->services[index];

	PROMISE(service->name && *service->name && service->enabled && service->exec.n > 0);
	PROMISE(service->exec.item[service->exec.n] == NULL);
	PROMISE(service->n_after <= CONFIG_MAX_SERVICES);
	for (size_t i = 0; i < service->n_after; i++)
		PROMISE(service->after_index[i] < index);
}

/* No forward but `all` leads a port away that is kept. */
static void check_network(const struct network_config *network)
{
	for (size_t i = 0; i < network->n_forwards; i++) {
		const struct forward *f = &network->forwards[i];

		for (size_t j = 0; j < network->n_keep && !f->all; j++)
			PROMISE(network->keep[j].proto != f->proto ||
				network->keep[j].listen_last < f->listen_first ||
				network->keep[j].listen_first > f->listen_last);
	}
}

static void check(const struct config *config)
{
	unsigned n_main = 0;

	PROMISE(config->n_services <= CONFIG_MAX_SERVICES);
	PROMISE(config->n_devices <= CONFIG_MAX_DEVICES);
	for (size_t i = 0; i < config->n_services; i++) {
		check_service(config, i);
		n_main += config->services[i].main;
	}
	PROMISE(n_main <= 1);
	for (size_t i = 0; i < config->n_devices; i++)
		PROMISE(config->devices[i].path[0] == '/');
	PROMISE(config->guest.name && config->guest.disk);
	PROMISE(config->guest.cpus <= CPUS_LIMIT && config->guest.memory.percent <= 100);
	PROMISE(config->guest.memory.kind != MEMORY_SIZE ||
		config->guest.memory.bytes >= MEMORY_MIN);
	check_network(&config->network);
	PROMISE(config->network.subnet.prefix >= 8 && config->network.subnet.prefix <= 29);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static char *nothing[] = { NULL };
	autoclose int fd = memfd_create("config", MFD_CLOEXEC);
	struct config *config = NULL;
	unsigned n_messages = 0;
	char path[32];
	int result;

	environ = nothing;
	PROMISE(fd >= 0 && write(fd, data, size) == (ssize_t)size);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	result = config_load(path, hear, &n_messages, &config);
	PROMISE(result == 0 || result == -EINVAL);
	PROMISE((result == 0) == (n_messages == 0) && (result == 0) == (config != NULL));
	if (config)
		check(config);
	config_free(config);
	return 0;
}
