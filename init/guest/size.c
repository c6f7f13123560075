/*
 * A container that uses more memory than it was limited to is killed by the kernel, and the victim
 * is QEMU: a power cut for the guest, hours after its start. So the guest's memory is chosen before
 * its start, and leaves room for what else is in the container.
 *
 * The room: what all else but QEMU takes was measured as 42 MiB (proportional set size), what QEMU
 * takes besides the guest's memory as 100 to 200 MiB and its screen. Each virtual processor has a
 * stack and buffers; the guest's memory costs page tables, of QEMU, of the processor's second
 * level, and the kernel's way back: three times 8 bytes for 4 KiB. An emulator keeps translated
 * code, and is told how much: QEMU looks at the host's memory, where the container's counts.
 *
 * Without a limit it is the host's memory that there is, and the host keeps a part. More than that
 * may be asked for, because hosts have swap space; more than a limit may not.
 *
 * Everything here is in MiB.
 */
#include "init/guest/size.h"

#include "lib/log.h"

#include <errno.h>
#include <limits.h>

#define SERVICES 64 /* and a second one of them, while it is started anew */
#define QEMU 256
#define PER_PROCESSOR 8
#define TPM 32
/* One of so many for page tables. */
#define PAGE_TABLE_PART 128
/* QEMU's own choice is an eighth of the memory, at most this. */
#define TB_CACHE_PART 8
#define TB_CACHE_MAX 1024
#define TB_CACHE_MIN 32
/* What the host keeps: an eighth, but at least this. */
#define HOST_PART 8
#define HOST_MIN 512

#define MINIMUM (MEMORY_MIN >> 20)

/* What there is for everything in the container. */
struct budget {
	const char *name;
	uint64_t total;
	uint64_t fixed;	  /* what is needed whatever the guest's size is */
	uint64_t largest; /* guest; 0: none at all */
	bool limited;	  /* by somebody, and not by the host's size */
	bool known;
};

typedef unsigned long long ull;

/** page_tables() - For a guest of that size, rounded up. */
static uint64_t page_tables(uint64_t memory)
{
	return memory / PAGE_TABLE_PART + (memory % PAGE_TABLE_PART != 0);
}

/** largest_guest() - The biggest one that fits with its page tables into @room. */
static uint64_t largest_guest(uint64_t room)
{
	uint64_t part = PAGE_TABLE_PART + 1;

	return room - room / part - (room % part != 0);
}

static unsigned choose_tb_cache(uint64_t total)
{
	uint64_t part = total / TB_CACHE_PART;

	if (part > TB_CACHE_MAX)
		return TB_CACHE_MAX;
	return part < TB_CACHE_MIN ? TB_CACHE_MIN : (unsigned)part;
}

static struct budget make_budget(const struct config *config, const struct allowance *allowance,
				 bool kvm, const struct size *size)
{
	struct budget budget = { .name = "the host's memory" };

	budget.limited = allowance->memory != UINT64_MAX;
	budget.known = budget.limited || allowance->host_memory;
	budget.total = allowance->host_memory >> 20;
	if (budget.limited) {
		budget.name = "the container's memory limit";
		budget.total = allowance->memory >> 20;
	}
	budget.fixed = SERVICES + QEMU + (uint64_t)size->cpus * PER_PROCESSOR;
	if (config->guest.tpm)
		budget.fixed += TPM;
	if (!kvm)
		budget.fixed += choose_tb_cache(budget.total);
	if (!budget.limited)
		budget.fixed +=
			budget.total / HOST_PART > HOST_MIN ? budget.total / HOST_PART : HOST_MIN;
	if (budget.total > budget.fixed)
		budget.largest = largest_guest(budget.total - budget.fixed);
	return budget;
}

/** count_available() - Processors that the container may use; 0: unknown. */
static unsigned count_available(const struct allowance *allowance)
{
	unsigned n =
		allowance->quota < allowance->processors ? allowance->quota : allowance->processors;

	if (n == UINT_MAX)
		return 0;
	return n < CPUS_LIMIT ? n : CPUS_LIMIT;
}

/** is_default() - Has nobody set the key? Then nobody minds that it is another value. */
static bool is_default(const struct config *config, const char *key)
{
	char place[512];

	return streq(config_origin(config, "guest", key, place, sizeof(place)), CONFIG_BUILT_IN);
}

static unsigned decide_cpus(const struct config *config, const struct allowance *allowance)
{
	unsigned available = count_available(allowance);

	if (config->guest.cpus == CPUS_MAX) {
		if (!available)
			available = 1;
		log_info("the guest gets %u virtual processors, as many as the container may use",
			 available);
		return available;
	}
	/* They take turns, which is slow and no more. Windows 11 wants two, the default. */
	if (available && config->guest.cpus > available && !is_default(config, "cpus"))
		log_warning("[guest] cpus: the guest gets %u virtual processors, but the container "
			    "may use only %u: they will wait for each other",
			    config->guest.cpus, available);
	return config->guest.cpus;
}

/** too_little() - There is no room for any guest. */
static int too_little(const struct budget *budget, struct failure *failure)
{
	uint64_t others = budget->fixed + page_tables(MINIMUM);

	return failure_set(failure, EXIT_CONFIG, -ENOMEM,
			   "%s is %llu MiB, which is too little: a guest needs at least %llu MiB "
			   "and all else %llu MiB; give the container more (docker run --memory)",
			   budget->name, (ull)budget->total, (ull)MINIMUM, (ull)others);
}

/** take_size() - So much and no less was asked for. */
static int take_size(const struct config *config, const struct budget *budget, uint64_t memory,
		     struct failure *failure)
{
	uint64_t others = budget->fixed + page_tables(memory), enough = memory + others;
	uint64_t left = budget->total > memory ? budget->total - memory : 0;
	char place[512];

	if (!budget->known || memory <= budget->largest)
		return 0;
	if (budget->limited && memory > budget->total)
		return failure_set(failure, EXIT_CONFIG, -ENOMEM,
				   "[guest] memory (%s): %llu MiB are more than %s of %llu MiB, so "
				   "the guest would be killed; give the container %llu MiB (docker "
				   "run --memory %llum), or set CASEMENT_GUEST_MEMORY=max",
				   config_origin(config, "guest", "memory", place, sizeof(place)),
				   (ull)memory, budget->name, (ull)budget->total, (ull)enough,
				   (ull)enough);
	if (budget->limited)
		log_warning("[guest] memory: %llu MiB leave only %llu MiB of %s to QEMU and the "
			    "services, which need up to %llu MiB: the guest may be killed; give "
			    "the container %llu MiB, or set CASEMENT_GUEST_MEMORY=max",
			    (ull)memory, (ull)left, budget->name, (ull)others, (ull)enough);
	else if (memory > budget->total)
		log_warning("[guest] memory: %llu MiB are more than %s of %llu MiB: the guest will "
			    "be slow or killed when it uses them",
			    (ull)memory, budget->name, (ull)budget->total);
	return 0;
}

/** take_default() - Nobody said how much: what fits. */
static int take_default(const struct budget *budget, uint64_t *memory, struct failure *failure)
{
	if (!budget->known || *memory <= budget->largest)
		return 0;
	if (budget->largest < MINIMUM)
		return too_little(budget, failure);
	log_warning("the guest gets %llu MiB of memory instead of the default of %llu MiB: %s is "
		    "%llu MiB, and all else needs the rest",
		    (ull)budget->largest, (ull)*memory, budget->name, (ull)budget->total);
	*memory = budget->largest;
	return 0;
}

/** take_part() - A percentage, or all there is. */
static int take_part(const struct memory_choice *choice, const struct budget *budget,
		     uint64_t *ret_memory, struct failure *failure)
{
	bool all = choice->kind == MEMORY_MAX;
	/* A total is at most 2^44. */
	uint64_t memory = all ? budget->largest : budget->total * choice->percent / 100;

	if (!budget->known)
		return failure_set(failure, EXIT_CONFIG, -ENODATA,
				   "[guest] memory: neither a cgroup nor /proc/meminfo says how "
				   "much memory there is, so give a size such as 4G");
	if (budget->largest < MINIMUM)
		return too_little(budget, failure);
	if (memory < MINIMUM)
		return failure_set(failure, EXIT_CONFIG, -ENOMEM,
				   "[guest] memory: %u%% of %s of %llu MiB are %llu MiB, but a "
				   "guest needs at least %llu MiB",
				   choice->percent, budget->name, (ull)budget->total, (ull)memory,
				   (ull)MINIMUM);
	if (memory > budget->largest) {
		log_warning("[guest] memory: %u%% of %s of %llu MiB would leave too little to all "
			    "else: the guest gets %llu MiB",
			    choice->percent, budget->name, (ull)budget->total,
			    (ull)budget->largest);
		memory = budget->largest;
	} else if (all) {
		log_info("the guest gets %llu MiB of memory: %s is %llu MiB, and all else needs "
			 "the rest",
			 (ull)memory, budget->name, (ull)budget->total);
	} else {
		log_info("the guest gets %llu MiB of memory: %u%% of %s of %llu MiB", (ull)memory,
			 choice->percent, budget->name, (ull)budget->total);
	}
	*ret_memory = memory;
	return 0;
}

int size_decide(const struct config *config, const struct allowance *allowance, bool kvm,
		struct size *ret_size, struct failure *failure)
{
	const struct memory_choice *choice = &config->guest.memory;
	struct size size = { .cpus = decide_cpus(config, allowance) };
	struct budget budget = make_budget(config, allowance, kvm, &size);
	int result;

	size.memory = choice->bytes >> 20;
	if (choice->kind != MEMORY_SIZE)
		result = take_part(choice, &budget, &size.memory, failure);
	else if (is_default(config, "memory"))
		result = take_default(&budget, &size.memory, failure);
	else
		result = take_size(config, &budget, size.memory, failure);
	if (result)
		return result;
	if (!kvm && budget.limited)
		size.tb_cache = choose_tb_cache(budget.total);
	*ret_size = size;
	return 0;
}
