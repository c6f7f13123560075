#include "netfw/flows.h"

#include "lib/util.h"
#include "netfw/ruleset.h"

static size_t size_of(uint8_t family)
{
	return family == AF_INET ? sizeof(struct in_addr) : sizeof(struct in6_addr);
}

static bool same_address(const struct flow_address *address, const void *bytes, uint8_t family)
{
	return memcmp(address->bytes, bytes, size_of(family)) == 0;
}

static bool is_guest(const struct flow_judge *judge, const struct flow *flow,
		     const struct flow_address *address)
{
	return same_address(address,
			    flow->family == AF_INET ? (const void *)&judge->guest : &judge->guest6,
			    flow->family);
}

/** target() - The guest's port that a new connection would lead to; 0: none. */
static uint16_t target(const struct flow_judge *judge, const struct flow *flow)
{
	const struct plan *plan = judge->plan;
	const struct plan_element *port = plan_find(&plan->ports, flow->proto, flow->asked_port);

	if (port)
		return port->guest;
	return plan_find(&plan->ranges, flow->proto, flow->asked_port) ? flow->asked_port : 0;
}

/** is_own() - Is it one of the container's own addresses? Loopback is, of IPv4. */
static bool is_own(const struct flow_judge *judge, const struct flow *flow)
{
	if (flow->family == AF_INET && flow->asked.bytes[0] == RULESET_LOOPBACK_OCTET)
		return true;
	for (size_t i = 0; i < judge->view->n_ranges; i++) {
		const struct view_range *range = &judge->view->ranges[i];

		if (!range->route && !range->peer && range->range.family == flow->family &&
		    same_address(&flow->asked, range->range.bytes, flow->family))
			return true;
	}
	return false;
}

/** is_exempt() - Do the rules leave it to the container, whatever is forwarded? See ruleset.c. */
static bool is_exempt(const struct flow_judge *judge, const struct flow *flow)
{
	struct in_addr docker = { htonl(RULESET_DOCKER_DNS) };

	if (flow->family == AF_INET && same_address(&flow->asked, &docker, AF_INET))
		return true;
	if (flow->family == AF_INET6 && same_address(&flow->asked, &in6addr_loopback, AF_INET6))
		return true;
	return is_guest(judge, flow, &flow->client) &&
	       (flow->asked_port == RULESET_PORT_DNS || flow->asked_port == RULESET_PORT_DHCP);
}

bool flow_is_stale(const struct flow_judge *judge, const struct flow *flow)
{
	if (flow->proto != IPPROTO_TCP && flow->proto != IPPROTO_UDP)
		return false;
	/* Others may lead ports to the guest as well: only those that were ours count. */
	if (flow->forwarded)
		return judge->removed &&
		       plan_ports_has(judge->gone, flow->proto, flow->asked_port) &&
		       (target(judge, flow) != flow->answers_port ||
			!is_guest(judge, flow, &flow->answers));
	/* A TCP connection to the container's own service is in good hands; it may end by itself.
	 */
	return flow->proto == IPPROTO_UDP && target(judge, flow) && is_own(judge, flow) &&
	       !is_exempt(judge, flow);
}
