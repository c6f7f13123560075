#include "init/guest/describe.h"

#include "init/guest/define.h"
#include "init/guest/virt.h"
#include "lib/log.h"

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

int describe_guest(const struct config *config)
{
	autofree char *xml = NULL;
	char text[1024] = "";
	struct failure failure;
	struct plan plan;
	virConnect *connect;
	sigset_t none;
	int result;

	/* A libvirtd that does not answer is waited for: let people stop that. */
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	result = plan_imagine(&plan, config, NETINFO_FILE, &failure);

	if (result) {
		log_error("%s", failure.text);
		plan_clear(&plan);
		return (int)failure.code;
	}
	if (plan.verbatim) {
		fputs(plan.verbatim, stdout);
		plan_clear(&plan);
		return EXIT_SUCCESS;
	}
	connect = connect_if_asked(&plan);
	result = define_describe(connect, &plan, &xml, text, sizeof(text));
	if (connect)
		virConnectClose(connect);
	plan_clear(&plan);
	if (result && config->guest.xml_patch)
		log_error("%s ([guest] xml-patch): %s", config->guest.xml_patch, text);
	else if (result)
		log_error("%s", text);
	if (result)
		return EXIT_CONFIG;
	return fputs(xml, stdout) < 0 || fflush(stdout) ? EXIT_UNAVAILABLE : EXIT_SUCCESS;
}
