#include "init/guest/describe.h"

#include "init/guest/define.h"
#include "init/guest/virt.h"
#include "lib/log.h"

#include <errno.h>
#include <libvirt/virterror.h>
#include <signal.h>

/** ignore() - libvirt's own messages: what matters of them is in ours. */
static void ignore(void *context, virError *error)
{
	(void)context;
	(void)error;
}

/** connect_if_asked() - To libvirtd, who knows what KVM can do here; NULL: it is assumed. */
static virConnect *connect_if_asked(const struct plan *plan)
{
	virConnect *connect;

	if (!plan->kvm || plan->config->guest.profile == PROFILE_LINUX)
		return NULL;
	virSetErrorFunc(NULL, ignore);
	connect = virConnectOpen(VIRT_URI);
	if (!connect)
		log_warning("no libvirtd says what this host can do (%s): it is assumed that its "
			    "KVM has every Hyper-V enlightenment",
			    virGetLastErrorMessage());
	return connect;
}

/** print_made() - The XML that casement makes of @plan. */
static int print_made(const struct plan *plan)
{
	const char *patch = plan->config->guest.xml_patch;
	virConnect *connect = connect_if_asked(plan);
	autofree char *xml = NULL;
	char text[1024] = "";
	int result = define_describe(connect, plan, &xml, text, sizeof(text));

	if (connect)
		virConnectClose(connect);
	if (result && patch)
		log_error("%s ([guest] xml-patch): %s", patch, text);
	else if (result)
		log_error("%s", text);
	else
		fputs(xml, stdout);
	return result ? EXIT_CONFIG : EXIT_SUCCESS;
}

int describe_guest(const struct config *config)
{
	struct failure failure;
	struct plan plan;
	sigset_t none;
	int result;

	/* A libvirtd that does not answer is waited for: let people stop that. */
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	result = plan_imagine(&plan, config, NETINFO_FILE, &failure);
	if (result) {
		log_error("%s", failure.text);
		result = (int)failure.code;
	} else if (plan.verbatim) {
		fputs(plan.verbatim, stdout);
	} else {
		result = print_made(&plan);
	}
	plan_clear(&plan);
	if (result == EXIT_SUCCESS && (fflush(stdout) || ferror(stdout))) {
		log_error("the XML cannot be written: %s", strerror(errno));
		return EXIT_UNAVAILABLE;
	}
	return result;
}
