/*
 * Writer of the domain XML, in the order in which libvirt prints it.
 *
 * Three profiles choose the hardware. `windows` has only what Windows itself brings drivers for;
 * the other two are virtio. An installed Windows must never see its disk on another bus (bugcheck
 * 7B), so nothing here depends on anything but the configuration and on what the host can do.
 */
#include "init/guest/xml.h"

#include "init/guest/xml_disks.h"
#include "init/guest/xml_host.h"
#include "init/guest/xml_write.h"

#include <errno.h>

/*
 * libvirt's limit for retries; more spinning before a virtual processor says that it waits for a
 * lock.
 */
#define SPINLOCK_RETRIES "8191"

/*
 * The processor under emulation: the newest Intel model of which QEMU's emulator does everything.
 * It has what Windows 10 and 11 insist on (CMPXCHG16B, LAHF, PREFETCHW, NX; SSE 4.2 and POPCNT
 * since 24H2). `maximum` has more than the emulator is fast at: a Linux that boots in 3.0 s
 * takes 5.8 s with it.
 */
#define EMULATED_CPU "Westmere"

static bool is_windows(const struct xml_spec *spec)
{
	return spec->config->profile != PROFILE_LINUX;
}

static bool is_virtio(const struct xml_spec *spec)
{
	return spec->config->profile != PROFILE_WINDOWS;
}

/** hyperv_on() - Do enlightenments make sense: a Windows, on a KVM that has them? */
static bool hyperv_on(const struct xml_spec *spec)
{
	return is_windows(spec) && spec->kvm && spec->hyperv;
}

static void write_os(struct xml_out *out, const struct xml_spec *spec)
{
	enum firmware firmware = spec->config->firmware;
	const char *secure = firmware == FIRMWARE_UEFI_SECURE ? "yes" : "no";

	xml_open(out, "os", "firmware", firmware == FIRMWARE_BIOS ? NULL : "efi", NULL);
	xml_open(out, "type", "arch", "x86_64", "machine", "q35", NULL);
	xml_content(out, "hvm");
	xml_close(out);
	if (firmware != FIRMWARE_BIOS) {
		/*
		 * Both are said in either case: left open, the first firmware that is installed
		 * would be taken.
		 */
		xml_open(out, "firmware", NULL);
		xml_leaf(out, "feature", "enabled", secure, "name", "enrolled-keys", NULL);
		xml_leaf(out, "feature", "enabled", secure, "name", "secure-boot", NULL);
		xml_close(out);
		xml_text(out, "nvram", spec->nvram);
	}
	if (!xml_boot_is_ordered(spec))
		xml_leaf(out, "boot", "dev", "hd", NULL);
	xml_close(out);
}

static void write_hyperv(struct xml_out *out, uint32_t hyperv)
{
	xml_open(out, "hyperv", "mode", "custom", NULL);
	for (unsigned i = 0; i < N_HYPERV_FEATURES; i++) {
		const char *name = hyperv_name((enum hyperv_feature)i);

		if (!(hyperv & HYPERV_BIT(i)))
			continue;
		if (i == HYPERV_SPINLOCKS) {
			xml_leaf(out, name, "state", "on", "retries", SPINLOCK_RETRIES, NULL);
		} else if (i == HYPERV_STIMER) {
			/* Timers as plain interrupts: they cut the load of an idle Windows most. */
			xml_open(out, name, "state", "on", NULL);
			xml_leaf(out, "direct", "state", "on", NULL);
			xml_close(out);
		} else {
			xml_leaf(out, name, "state", "on", NULL);
		}
	}
	xml_close(out);
}

static void write_features(struct xml_out *out, const struct xml_spec *spec)
{
	xml_open(out, "features", NULL);
	xml_leaf(out, "acpi", NULL);
	xml_leaf(out, "apic", NULL);
	if (hyperv_on(spec))
		write_hyperv(out, spec->hyperv);
	/* VMware's port: a guest that finds it thinks that it runs there. */
	xml_leaf(out, "vmport", "state", "off", NULL);
	/*
	 * What QEMU keeps of code that it has translated: an eighth of the host's memory by itself.
	 */
	if (!spec->kvm && spec->size->tb_cache) {
		xml_open(out, "tcg", NULL);
		xml_number(out, "tb-cache", "unit", "MiB", spec->size->tb_cache);
		xml_close(out);
	}
	/* Without system management mode the guest could write to its own firmware's variables. */
	if (spec->config->firmware == FIRMWARE_UEFI_SECURE)
		xml_leaf(out, "smm", "state", "on", NULL);
	xml_close(out);
}

static void write_cpu(struct xml_out *out, const struct xml_spec *spec)
{
	char cores[16];

	snprintf(cores, sizeof(cores), "%u", spec->size->cpus);
	if (spec->kvm) {
		xml_open(out, "cpu", "mode", "host-passthrough", "check", "none", NULL);
	} else {
		xml_open(out, "cpu", "mode", "custom", "match", "exact", "check", "none", NULL);
		xml_open(out, "model", "fallback", "forbid", NULL);
		xml_content(out, EMULATED_CPU);
		xml_close(out);
	}
	/* Windows for clients uses two sockets at most, and as many cores as there are. */
	xml_leaf(out, "topology", "sockets", "1", "dies", "1", "cores", cores, "threads", "1",
		 NULL);
	/* See host.h. */
	if (spec->kvm && !spec->intel)
		xml_leaf(out, "feature", "policy", "disable", "name", "arch-capabilities", NULL);
	xml_close(out);
}

static void write_clock(struct xml_out *out, const struct xml_spec *spec)
{
	/* Windows keeps local time in the real-time clock. */
	xml_open(out, "clock", "offset", is_windows(spec) ? "localtime" : "utc", NULL);
	xml_leaf(out, "timer", "name", "rtc", "tickpolicy", "catchup", NULL);
	xml_leaf(out, "timer", "name", "pit", "tickpolicy", "delay", NULL);
	xml_leaf(out, "timer", "name", "hpet", "present", "no", NULL);
	if (hyperv_on(spec))
		xml_leaf(out, "timer", "name", "hypervclock", "present", "yes", NULL);
	xml_close(out);
}

static void write_interface(struct xml_out *out, const struct xml_spec *spec)
{
	const uint8_t *mac = spec->config->mac;
	char address[18], mtu[16];

	snprintf(address, sizeof(address), "%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2],
		 mac[3], mac[4], mac[5]);
	snprintf(mtu, sizeof(mtu), "%u", spec->mtu);
	xml_open(out, "interface", "type", "bridge", NULL);
	xml_leaf(out, "mac", "address", address, NULL);
	xml_leaf(out, "source", "bridge", spec->bridge, NULL);
	xml_leaf(out, "model", "type", is_virtio(spec) ? "virtio" : "e1000e", NULL);
	if (spec->mtu)
		xml_leaf(out, "mtu", "size", mtu, NULL);
	/*
	 * Nobody boots from the network; without its ROM the firmware is through a moment earlier.
	 */
	xml_leaf(out, "rom", "enabled", "no", NULL);
	xml_close(out);
}

/** write_consoles() - Serial port, agent, screen and pointer. */
static void write_consoles(struct xml_out *out, const struct xml_spec *spec)
{
	xml_open(out, "serial", "type", "pty", NULL);
	xml_leaf(out, "log", "file", XML_SERIAL_LOG, "append", "on", NULL);
	xml_leaf(out, "target", "type", "isa-serial", "port", "0", NULL);
	xml_close(out);
	xml_open(out, "channel", "type", "unix", NULL);
	xml_leaf(out, "target", "type", "virtio", "name", "org.qemu.guest_agent.0", NULL);
	xml_close(out);
	/* Absolute coordinates: a mouse would drift. */
	xml_leaf(out, "input", "type", "tablet", "bus", "usb", NULL);
	/*
	 * A screen for emergencies, on a socket that libvirt makes below /var/lib/libvirt/qemu: no
	 * port, no password.
	 */
	xml_open(out, "graphics", "type", "vnc", NULL);
	xml_leaf(out, "listen", "type", "socket", NULL);
	xml_close(out);
	xml_leaf(out, "audio", "id", "1", "type", "none", NULL);
	xml_open(out, "video", NULL);
	xml_leaf(out, "model", "type", is_virtio(spec) ? "virtio" : "vga", NULL);
	xml_close(out);
}

static void write_devices(struct xml_out *out, const struct xml_spec *spec)
{
	xml_open(out, "devices", NULL);
	xml_write_disks(out, spec);
	xml_leaf(out, "controller", "type", "usb", "model", "qemu-xhci", NULL);
	write_interface(out, spec);
	if (spec->config->tpm) {
		xml_open(out, "tpm", "model", "tpm-crb", NULL);
		xml_leaf(out, "backend", "type", "emulator", "version", "2.0", NULL);
		xml_close(out);
	}
	write_consoles(out, spec);
	xml_write_devices(out, spec);
	if (spec->config->profile == PROFILE_LINUX)
		/* Memory that the guest does not use goes back to the host. */
		xml_leaf(out, "memballoon", "model", "virtio", "freePageReporting", "on", NULL);
	else
		xml_leaf(out, "memballoon", "model", "none", NULL);
	if (is_virtio(spec)) {
		xml_open(out, "rng", "model", "virtio", NULL);
		xml_open(out, "backend", "model", "random", NULL);
		xml_content(out, "/dev/urandom");
		xml_close(out);
		xml_close(out);
	}
	/* <on_crash> needs somebody who tells: Windows by a Hyper-V register, others by a port. */
	xml_leaf(out, "panic", "model", hyperv_on(spec) ? "hyperv" : "isa", NULL);
	xml_close(out);
}

/** write_domain() - The document. */
static void write_domain(struct xml_out *out, const struct xml_spec *spec)
{
	const struct guest_config *config = spec->config;

	xml_open(out, "domain", "type", spec->kvm ? "kvm" : "qemu", NULL);
	xml_text(out, "name", config->name);
	if (spec->uuid[0])
		xml_text(out, "uuid", spec->uuid);
	xml_number(out, "memory", "unit", "KiB", spec->size->memory * 1024);
	xml_write_memory(out, spec);
	xml_number(out, "vcpu", "placement", "static", spec->size->cpus);
	if (is_virtio(spec))
		xml_number(out, "iothreads", NULL, NULL, 1);
	xml_write_pinning(out, spec, is_virtio(spec));
	write_os(out, spec);
	write_features(out, spec);
	write_cpu(out, spec);
	write_clock(out, spec);
	xml_text(out, "on_poweroff", "destroy");
	xml_text(out, "on_reboot", "restart");
	xml_text(out, "on_crash", "destroy");
	/* A guest that sleeps does not hear the power button. */
	xml_open(out, "pm", NULL);
	xml_leaf(out, "suspend-to-mem", "enabled", "no", NULL);
	xml_leaf(out, "suspend-to-disk", "enabled", "no", NULL);
	xml_close(out);
	write_devices(out, spec);
	xml_close(out);
}

int xml_build(const struct xml_spec *spec, char **ret_xml)
{
	struct xml_out *out = xml_out_new();

	if (!out)
		return -ENOMEM;
	write_domain(out, spec);
	return xml_out_finish(out, ret_xml);
}
