/*
 * What [guest] windows and iso mean for other keys: the firmware and the TPM that this Windows
 * wants are the default, and what its set-up would refuse after half an hour is refused at once.
 */
#include "lib/config_entry.h"
#include "lib/util.h"

#define GIB (UINT64_C(1) << 30)
#define TIB (UINT64_C(1) << 40)

/* What Microsoft says that each wants at least; its set-up insists on it for 11. */
static const struct needs {
	const char *name;
	bool secure; /* comes with secure boot and a TPM, where nobody says otherwise */
	bool strict; /* is not installed without that, four GiB and two processors */
	uint64_t disk;
} needs[] = {
	[WINDOWS_OTHER] = { "it", false, false, 0 },
	[WINDOWS_10] = { "Windows 10", false, false, 32 * GIB },
	[WINDOWS_11] = { "Windows 11", true, true, 64 * GIB },
	[WINDOWS_2019] = { "Windows Server 2019", false, false, 32 * GIB },
	[WINDOWS_2022] = { "Windows Server 2022", true, false, 32 * GIB },
	[WINDOWS_2025] = { "Windows Server 2025", true, false, 32 * GIB },
};

/** complain_install() - About a key of [guest] that somebody has set: no default is wrong. */
static void complain_install(struct config_loader *loader, const char *key, const char *text)
{
	const struct config_entry *entry = config_find_entry(loader->config, "guest", key);
	char place[512];

	if (entry)
		config_complain(loader, "%s: %s", config_entry_place(entry, place, sizeof(place)),
				text);
}

/** complain_need() - @key is not enough for the Windows that is to be installed. */
static void complain_need(struct config_loader *loader, const char *key, const char *what)
{
	char text[256];

	snprintf(text, sizeof(text), "%s is not installed without %s",
		 needs[loader->config->guest.windows].name, what);
	complain_install(loader, key, text);
}

static void check_strict(struct config_loader *loader)
{
	const struct guest_config *guest = &loader->config->guest;

	if (guest->firmware != FIRMWARE_UEFI_SECURE)
		complain_need(loader, "firmware", "uefi-secure, which is its default");
	if (!guest->tpm)
		complain_need(loader, "tpm", "a TPM, which is its default");
	if (guest->memory.kind == MEMORY_SIZE && guest->memory.bytes < 4 * GIB)
		complain_need(loader, "memory", "4G");
	if (guest->cpus == 1)
		complain_need(loader, "cpus", "two processors");
}

static void check_size(struct config_loader *loader)
{
	const struct guest_config *guest = &loader->config->guest;
	const struct needs *need = &needs[guest->windows];
	if (guest->disk_size < need->disk)
		complain_need(loader, "disk-size",
			      need->strict ? "a disk of 64G" : "a disk of 32G");
	else if (guest->disk_size > 2 * TIB && guest->firmware == FIRMWARE_BIOS)
		complain_install(loader, "disk-size",
				 "a disk of more than 2T needs [guest] firmware = uefi");
}

void config_check_install(struct config_loader *loader)
{
	struct guest_config *guest = &loader->config->guest;
	const struct needs *need = &needs[guest->windows];

	if (need->secure && !config_find_entry(loader->config, "guest", "firmware"))
		guest->firmware = FIRMWARE_UEFI_SECURE;
	if (need->secure && !config_find_entry(loader->config, "guest", "tpm"))
		guest->tpm = true;
	/* The rest is about an installation; what is installed already may be as it is. */
	if (!guest->iso || guest->xml)
		return;
	if (guest->source)
		complain_install(loader, "iso",
				 "a disk is installed or imported: there is [guest] source, too");
	if (need->strict)
		check_strict(loader);
	if (guest->windows != WINDOWS_OTHER)
		check_size(loader);
}
