/* The domain capabilities: which enlightenments may be asked for. */
#include "init/guest/capabilities.h"
#include "lib/util.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
#include <errno.h>

#define BIT(name) HYPERV_BIT(HYPERV_##name)
#define ALL ((1U << N_HYPERV_FEATURES) - 1)

/* As libvirt 9 to 11 print them on a host whose KVM has everything; what casement does not ask for is among them. */
static const char everything[] =
	"<domainCapabilities><path>/usr/bin/qemu-system-x86_64</path><domain>kvm</domain><features>"
	"<hyperv supported='yes'><enum name='features'><value>relaxed</value><value>vapic</value>"
	"<value>spinlocks</value><value>vpindex</value><value>runtime</value><value>synic</value><value>stimer</value>"
	"<value>reset</value><value>vendor_id</value><value>frequencies</value><value>reenlightenment</value>"
	"<value>tlbflush</value><value>ipi</value><value>evmcs</value><value>avic</value></enum>"
	"<defaults><spinlocks>4095</spinlocks></defaults></hyperv></features></domainCapabilities>";

static uint32_t parse(const char *xml)
{
	struct capabilities capabilities = { .hyperv = 0 };

	assert_int_equal(capabilities_parse(xml, &capabilities), 0);
	return capabilities.hyperv;
}

static void takes_everything_it_knows(void **state)
{
	(void)state;
	assert_int_equal(parse(everything), ALL);
}

/* This machine's: a KVM that only emulates, without Hyper-V; QEMU offers two of them all the same. */
static void believes_no_empty_promise(void **state)
{
	autofclose FILE *file = fopen(GOLDEN_DIRECTORY "/capabilities-libvirt9-emulated-kvm.xml", "re");
	autofree char *xml = calloc(1, 65536);

	(void)state;
	assert_non_null(file);
	assert_non_null(xml);
	xml[fread(xml, 1, 65535, file)] = '\0';
	assert_non_null(strstr(xml, "<value>spinlocks</value>"));
	assert_int_equal(parse(xml), 0);
}

static void unsupported_means_nothing(void **state)
{
	(void)state;
	assert_int_equal(parse("<domainCapabilities/>"), 0);
	assert_int_equal(parse("<domainCapabilities><features><hyperv supported='no'><enum name='features'>"
			       "<value>relaxed</value></enum></hyperv></features></domainCapabilities>"),
			 0);
	assert_int_equal(parse("<domainCapabilities><features><hyperv supported='yes'><enum name='other'>"
			       "<value>relaxed</value></enum></hyperv></features></domainCapabilities>"),
			 0);
}

static void refuses_what_is_no_such_document(void **state)
{
	struct capabilities capabilities = { .hyperv = 7 };

	(void)state;
	assert_int_equal(capabilities_parse("", &capabilities), -EBADMSG);
	assert_int_equal(capabilities_parse("<domainCapabilities>", &capabilities), -EBADMSG);
	assert_int_equal(capabilities_parse("<capabilities/>", &capabilities), -EBADMSG);
	assert_int_equal(capabilities.hyperv, 7);
}

/* Every subset of what may be offered: what comes out is a part of it and lacks nothing that it needs. */
static void dependencies_always_hold(void **state)
{
	(void)state;
	for (uint32_t offered = 0; offered <= ALL; offered++) {
		uint32_t got = hyperv_close(offered);

		assert_int_equal(got & ~offered, 0);
		if (got)
			assert_true(got & BIT(RELAXED));
		if (got & BIT(SYNIC))
			assert_true(got & BIT(VPINDEX));
		if (got & BIT(STIMER))
			assert_true(got & BIT(SYNIC));
		if (got & (BIT(TLBFLUSH) | BIT(IPI)))
			assert_true(got & BIT(VPINDEX));
		assert_int_equal(hyperv_close(got), got);
	}
	assert_int_equal(hyperv_close(ALL & ~BIT(VPINDEX)),
			 ALL & ~(BIT(VPINDEX) | BIT(SYNIC) | BIT(STIMER) | BIT(TLBFLUSH) | BIT(IPI)));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(takes_everything_it_knows),
		cmocka_unit_test(believes_no_empty_promise),
		cmocka_unit_test(unsupported_means_nothing),
		cmocka_unit_test(refuses_what_is_no_such_document),
		cmocka_unit_test(dependencies_always_hold),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
