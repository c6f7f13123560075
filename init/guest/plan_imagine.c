/*
 * A plan for looking at. It follows plan.c step by step; where that would make something, this says
 * what it would be, and where that would give up for the lack of something that only a start needs,
 * this assumes that it is there.
 */
#include "init/guest/drives.h"
#include "init/guest/host.h"
#include "init/guest/plan.h"
#include "lib/log.h"

#include <errno.h>

/** imagine_network() - The bridge that there will be. */
static void imagine_network(struct plan *plan, const char *netinfo)
{
	int result = netinfo_read(netinfo, &plan->netinfo);

	plan->network = result == 0;
	if (plan->network)
		return;
	log_warning("there is no network for the guest yet (%s: %s): the bridge %s is assumed, and "
		    "no MTU",
		    netinfo, strerror(-result), plan->config->network.bridge);
	snprintf(plan->netinfo.bridge, sizeof(plan->netinfo.bridge), "%s",
		 plan->config->network.bridge);
}

/** imagine_accel() - Who asks for KVM is shown KVM. */
static void imagine_accel(struct plan *plan)
{
	struct failure failure;

	if (host_accel(plan->config->guest.accel, HOST_KVM, &plan->kvm, &failure) == 0)
		return;
	log_warning("a start here would fail: %s", failure.text);
	plan->kvm = true;
}

int plan_imagine(struct plan *plan, const struct config *config, const char *netinfo,
		 struct failure *failure)
{
	struct failure obstacle;
	int result;

	*plan = (struct plan){ .config = config };
	if (config->guest.xml)
		return plan_read_xml(plan, failure);
	imagine_network(plan, netinfo);
	imagine_accel(plan);
	if (install_imagine(&config->guest, &plan->install))
		return failure_set(failure, EXIT_UNAVAILABLE, -ENOMEM, "out of memory");
	result = plan_decide_size(plan, failure);
	if (result == 0)
		result = storage_imagine(&config->guest, &plan->storage, failure);
	if (result == 0)
		result = drives_open(config, &plan->storage, failure);
	if (result == 0)
		result = install_attach(&plan->install, &config->guest, &plan->storage, failure);
	if (result == 0 && plan_check_host(plan, &obstacle))
		log_warning("a start here would fail: %s", obstacle.text);
	return result;
}
