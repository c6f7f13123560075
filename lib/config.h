/*
 * The configuration: INI files and environment variables, checked as a whole, as one typed
 * structure.
 *
 * Order: shipped defaults, casement.conf, drop-ins by name, environment; the later one wins.
 * `[section] some-key` is CASEMENT_SECTION_SOME_KEY in the environment: section and key joined by
 * `_`, letters in upper case, everything else `_`. Every mistake is reported with file:line and
 * key, or the variable's name, all of them in one run: the first CONFIG_MAX_MISTAKES, and how many
 * more there are. A text that is over a limit is read no further.
 */
#pragma once

#include "lib/forward.h"
#include "lib/probe_choice.h"
#include "lib/rlimits.h"
#include "lib/size_choice.h"
#include "lib/strlist.h"

#include <netinet/in.h>
#include <sched.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

#define CONFIG_SHIPPED "/usr/share/casement/casement.conf"
#define CONFIG_MAIN "/etc/casement/casement.conf"
#define CONFIG_DROPINS "/etc/casement/conf.d"

/* Limits: PID 1 works with fixed tables, so the configuration may not ask for more. */
#define CONFIG_MAX_SERVICES 32
#define CONFIG_MAX_DEVICES 32

/*
 * Limits of the text: PID 1 reads it while it runs, and does nothing else meanwhile. One file,
 * which has room for FORWARD_TABLE_MAX forwards, one a line; all files; the drop-ins; the keys that
 * all files set; and the mistakes that are reported one by one.
 */
#define CONFIG_MAX_FILE (2 << 20)
#define CONFIG_MAX_BYTES (4 << 20)
#define CONFIG_MAX_DROPINS 256
#define CONFIG_MAX_PAIRS 4096
#define CONFIG_MAX_MISTAKES 100

#define CPU_HOST "host"
#define CPU_BASELINE "baseline"

enum accel { ACCEL_AUTO, ACCEL_KVM, ACCEL_TCG };
enum profile { PROFILE_WINDOWS, PROFILE_WINDOWS_VIRTIO, PROFILE_LINUX };
enum firmware { FIRMWARE_BIOS, FIRMWARE_UEFI, FIRMWARE_UEFI_SECURE };
/* The installed Windows, or the one that is to be installed. */
enum windows_version {
	WINDOWS_OTHER, /* nobody has said, or it is none */
	WINDOWS_10,
	WINDOWS_11,
	WINDOWS_2019,
	WINDOWS_2022,
	WINDOWS_2025
};
enum service_type { SERVICE_SIMPLE, SERVICE_NOTIFY, SERVICE_ONESHOT };
enum restart_policy { RESTART_NO, RESTART_ON_FAILURE, RESTART_ALWAYS };
enum device_required { REQUIRED_NO, REQUIRED_YES, REQUIRED_KVM };
/* What a device is to the guest: nothing (PID 1 looks after the node), or a part of it. */
enum device_as { DEVICE_NODE, DEVICE_DISK, DEVICE_CDROM, DEVICE_USB, DEVICE_PCI };
enum client_source { CLIENT_MASQUERADE, CLIENT_PRESERVE };
enum on_remove { ON_REMOVE_CLOSE, ON_REMOVE_KEEP };
enum on_deadline { ON_DEADLINE_DESTROY, ON_DEADLINE_SAVE };
enum log_format { LOG_FORMAT_TEXT, LOG_FORMAT_JSON };
/* Bits, so that "all" is both. */
enum log_console { LOG_CONSOLE_NONE, LOG_CONSOLE_SERIAL, LOG_CONSOLE_QEMU, LOG_CONSOLE_ALL };

/* Choice of an IPv4 subnet: automatic (prefix is the first that is tried) or fixed. */
struct subnet {
	bool fixed;
	uint8_t prefix;		/* length, 8 to 29 */
	struct in_addr address; /* the network's address */
};

enum after_end { AFTER_END_EXIT, AFTER_END_RESTART };

/* Huge pages of the size that the kernel makes unless it is asked for others. */
enum { HUGEPAGES_USUAL = 1 };

struct guest_config {
	char *name; /* of the libvirt domain */
	char *disk;
	char *base;
	char *source;  /* a file that the disk is imported from when there is none; NULL: none */
	bool in_place; /* source is the disk itself; then disk has its path, too */
	char *catalog; /* URL of a catalogue of boxes; NULL: none */
	enum windows_version windows;
	char *iso;	     /* a medium that a blank disk is installed from; NULL: none */
	char *virtio_iso;    /* the virtio drivers, for that; NULL: none */
	uint64_t disk_size;  /* bytes of the blank disk */
	char *answer_file;   /* NULL: casement writes one, if it is to install a Windows */
	char *edition;	     /* name or number of the image on the medium; NULL: the usual one */
	char *product_key;   /* NULL: what goes with the usual edition */
	char *user;	     /* whom Windows is installed for */
	char *password_file; /* has that user's password */
	char *language;	     /* of the medium */
	char *locale;	     /* of formats and the keyboard; NULL: the language's */
	char *time_zone;     /* as Windows calls it */
	struct memory_choice memory;
	unsigned cpus; /* CPUS_MAX: as many as the container may use */
	enum accel accel;
	char *cpu; /* CPU_HOST, CPU_BASELINE, or a model of libvirt's */
	enum profile profile;
	enum firmware firmware;
	bool tpm;
	char *xml;	 /* path of a domain XML that is taken verbatim; NULL: casement builds it */
	char *xml_patch; /* path of changes to the XML that casement builds; NULL: none */
	uint64_t hugepages; /* bytes of each huge page, HUGEPAGES_USUAL, or 0: ordinary memory */
	cpu_set_t pin;	    /* processors that the guest runs on; none: any */
	uint8_t mac[6];	    /* of the guest's one interface */
	unsigned start_timeout;	    /* ms for libvirt to start it */
	unsigned start_retries;	    /* further starts after one that failed */
	enum after_end on_crash;    /* what comes after QEMU's death, a panic, a failed start */
	enum after_end on_poweroff; /* and after the guest's own shutdown */
};

struct network_config {
	char *bridge;
	struct subnet subnet;
	struct in_addr guest_address; /* INADDR_ANY: automatic, host number 68 of the subnet */
	bool ipv6;		      /* give the guest IPv6 (ULA) when the container has it */
	struct forward *forwards;
	size_t n_forwards;
	struct forward *keep; /* ports of the container's own; no forward but `all` overlaps them */
	size_t n_keep;
	enum client_source source; /* which address of a client the guest sees */
	enum on_remove on_remove;  /* connections of a forward that is taken away */
};

struct stop_config {
	unsigned timeout;	      /* ms until the guest is destroyed */
	unsigned resend;	      /* ms between two presses of the power button */
	bool agent;		      /* ask a connected guest agent first */
	enum on_deadline on_deadline; /* what becomes of a guest that did not shut down */
	unsigned save_timeout;	      /* ms for saving it, after timeout */
};

struct health_config {
	struct probe_choice probe;
	unsigned rdp_port;
	unsigned rdp_interval; /* ms between two probes of a guest that answered */
	unsigned rdp_timeout;  /* ms for one probe */
	unsigned rdp_failures; /* probes in a row that must fail before the guest counts as degraded
				*/
};

struct log_config {
	unsigned level; /* enum log_level */
	enum log_format format;
	enum log_console console; /* what of the guest is in the log */
};

struct device_config {
	char *path;	   /* as in the section's name; of a USB or PCI device its name there */
	enum device_as as; /* part of the guest */
	bool readonly;	   /* of a disk */
	char *group;	   /* NULL: leave the group alone */
	mode_t mode;	   /* 0: leave the mode alone */
	char *user;	   /* gets the node's own group if the node is the host's; NULL: nobody */
	enum device_required required;
};

struct service_config {
	char *name;
	struct strlist exec; /* an argv */
	enum service_type type;
	struct strlist after;
	enum restart_policy restart;
	uint32_t final_codes[8]; /* bit set: an exit code that ends the service for good, whatever
				    restart says */
	unsigned backoff;	 /* ms before the first restart; doubles with every further one */
	unsigned backoff_max;	 /* ms */
	unsigned restart_limit; /* failures in a row after which it has failed for good; 0: never */
	unsigned healthy_after; /* ms of healthy life after which the failures before are forgotten
				 */
	unsigned start_timeout; /* ms from exec to ready; 0: none */
	unsigned stop_timeout;	/* ms from the stop signal to SIGKILL */
	int stop_signal;
	int reload_signal; /* asks it to read its configuration again; 0: it cannot */
	unsigned watchdog; /* ms between two WATCHDOG=1; 0: none */
	bool main;	   /* its end is the container's end, its code the container's */
	bool critical;	   /* its permanent failure ends the container with 12 */
	bool enabled;
	char *user;		     /* NULL: root */
	char *group;		     /* NULL: the user's */
	char *directory;	     /* working directory; NULL: / */
	struct strlist environment;  /* NAME=VALUE */
	unsigned nofile;	     /* RLIMIT_NOFILE, soft and hard; 0: as inherited */
	struct limits limits;	     /* soft and hard */
	int oom_score_adjust;	     /* -1000 to 1000; lowered only where the container may */
	struct strlist clean;	     /* paths that are removed once, before anything starts */
	struct strlist capabilities; /* without these in the container it cannot work: preflight
					checks them */
	size_t after_index[CONFIG_MAX_SERVICES]; /* `after`, as places in config.services */
	size_t n_after;
};

struct config_entry;

struct config {
	struct guest_config guest;
	struct network_config network;
	struct stop_config stop;
	struct health_config health;
	struct log_config log;
	struct device_config devices[CONFIG_MAX_DEVICES];
	size_t n_devices;
	struct service_config
		services[CONFIG_MAX_SERVICES]; /* enabled ones, each behind those it is after */
	size_t n_services;
	struct config_entry *entries; /* what was read, for config_origin() */
	size_t n_entries;
};

typedef void config_report_fn(void *context, const char *message);

/**
 * config_load() - Read and check the whole configuration.
 * @file: this file and the environment and nothing else; NULL: the usual places
 * @report: called once for every mistake that is listed, with a complete sentence
 * @context: passed to @report
 * @ret_config: filled on success, to be freed with config_free(); untouched on failure
 *
 * Return: 0, -EINVAL when something was reported, or -ENOMEM.
 */
int config_load(const char *file, config_report_fn *report, void *context,
		struct config **ret_config);

/**
 * config_load_copy() - config_load() of texts that config_text_copy() has copied into @fd.
 *
 * Return: as config_load(), or -errno if the copy cannot be read.
 */
int config_load_copy(int fd, config_report_fn *report, void *context, struct config **ret_config);

void config_free(struct config *config);

/* The origin of what nobody has set. */
#define CONFIG_BUILT_IN "the built-in default"

/**
 * config_origin() - Where a key got its value: "file:line", a variable's name, or CONFIG_BUILT_IN.
 * @section: as in the file, for instance "guest" or "service libvirtd"
 */
const char *config_origin(const struct config *config, const char *section, const char *key,
			  char *buffer, size_t size);

/** config_print_keys() - Every key with its type, default and meaning, tab-separated, one a line
 * (`casement --keys`). */
void config_print_keys(FILE *out);
