/* What PID 1 is told, from what the keeper knows. */
#include "init/guest/keeper_parts.h"

#include <arpa/inet.h>

static enum guest_state state_of(const struct keeper *keeper)
{
	switch (keeper->life) {
	case LIFE_UNKNOWN:
	case LIFE_DEFINING:
	case LIFE_CREATING: return GUEST_STARTING;
	case LIFE_BOOTING: return GUEST_BOOTING;
	case LIFE_RUNNING: return GUEST_RUNNING;
	case LIFE_PAUSED:
	case LIFE_ASLEEP: return GUEST_PAUSED;
	case LIFE_STOP_UNKNOWN:
	case LIFE_STOP_CREATING:
	case LIFE_STOP_RUNNING:
	case LIFE_STOP_PAUSED:
	case LIFE_STOP_ASLEEP:
	case LIFE_DYING: return GUEST_STOPPING;
	case LIFE_ENDED:
	case N_LIFE_STATES: break;
	}
	return keeper->exit_code == EXIT_GUEST_CRASHED ? GUEST_CRASHED : GUEST_OFF;
}

/** copy() - As much of @text as fits. */
static void copy(char *to, size_t size, const char *text)
{
	size_t length = strlen(text);

	length = length < size ? length : size - 1;
	memcpy(to, text, length);
	to[length] = '\0';
}

/** probe_words() - What the probe found; empty while it has found nothing. */
static const char *probe_words(const struct keeper *keeper, size_t size, char *buffer)
{
	const struct probe_choice *choice = &keeper->config->health.probe;
	enum rdp_state state = keeper->health.state;
	bool answers = state == RDP_ANSWERING;

	buffer[0] = '\0';
	if (state == RDP_UNKNOWN)
		return buffer;
	switch (choice->kind) {
	case PROBE_BY_RDP:
		snprintf(buffer, size, "; %s",
			 answers	     ? "RDP answers"
			 : state == RDP_OPEN ? "the RDP port is open, but RDP does not answer"
					     : "RDP does not answer");
		break;
	case PROBE_BY_TCP:
		snprintf(buffer, size, "; TCP port %u %s", choice->port,
			 answers ? "answers" : "does not answer");
		break;
	case PROBE_BY_AGENT:
		snprintf(buffer, size, "; the guest agent is %s",
			 answers ? "connected" : "not connected");
		break;
	case PROBE_NOTHING: break;
	}
	return buffer;
}

/** describe() - The line for people. */
static void describe(const struct keeper *keeper, size_t size, char *ret_text)
{
	const char *away = keeper->linked ? "" : "; libvirtd is away";
	const char *installing = keeper->plan->install.under_way ? ", being installed" : "";
	char probe[80];

	switch (keeper->life) {
	case LIFE_UNKNOWN: snprintf(ret_text, size, "connecting to libvirtd"); break;
	case LIFE_DEFINING: snprintf(ret_text, size, "defining the guest"); break;
	case LIFE_CREATING:
		snprintf(ret_text, size, "%s",
			 virt_job_name(keeper->restoring ? VIRT_RESTORE : VIRT_CREATE));
		break;
	case LIFE_BOOTING: snprintf(ret_text, size, "the guest boots%s%s", installing, away); break;
	case LIFE_RUNNING:
		if (keeper_freezing(keeper)) {
			snprintf(ret_text, size, "the guest is being frozen%s", away);
			break;
		}
		snprintf(ret_text, size, "the guest runs%s%s%s", installing,
			 probe_words(keeper, sizeof(probe), probe), away);
		break;
	case LIFE_PAUSED:
		snprintf(ret_text, size, "the guest is paused%s%s%s",
			 keeper->pause_reason[0] ? ": " : "", keeper->pause_reason, away);
		break;
	case LIFE_ASLEEP: snprintf(ret_text, size, "the guest sleeps%s", away); break;
	case LIFE_STOP_UNKNOWN:
	case LIFE_STOP_CREATING:
	case LIFE_STOP_RUNNING:
	case LIFE_STOP_PAUSED:
	case LIFE_STOP_ASLEEP:
		if (keeper->stop.phase == STOP_NONE || keeper->stop.phase == STOP_AGENT ||
		    keeper->stop.phase == STOP_BUTTON)
			snprintf(ret_text, size,
				 "the guest is to stop; power button pressed %u times%s",
				 keeper->stop.presses, away);
		else if (keeper->stop.phase == STOP_SAVE)
			snprintf(ret_text, size, "the guest is being saved%s", away);
		else
			snprintf(ret_text, size, "the guest is being destroyed%s", away);
		break;
	case LIFE_DYING: snprintf(ret_text, size, "the guest is off, QEMU ends%s", away); break;
	case LIFE_ENDED: copy(ret_text, size, keeper->last_words); break;
	case N_LIFE_STATES: break;
	}
}

static const char *reason_of(const struct keeper *keeper)
{
	switch (keeper->life) {
	case LIFE_PAUSED:
	case LIFE_STOP_PAUSED: return keeper->pause_reason;
	case LIFE_ASLEEP:
	case LIFE_STOP_ASLEEP: return "asleep";
	case LIFE_ENDED: return keeper->exit_code == EXIT_GUEST_OFF ? "" : keeper->last_words;
	case LIFE_UNKNOWN:
	case LIFE_DEFINING:
	case LIFE_CREATING:
	case LIFE_STOP_UNKNOWN:
	case LIFE_STOP_CREATING:
	case LIFE_STOP_RUNNING:
	case LIFE_DYING:
	case N_LIFE_STATES: break;
	case LIFE_BOOTING:
	case LIFE_RUNNING:
		if (keeper->linked && keeper->plan->install.under_way)
			return "installing";
		break;
	}
	return keeper->linked || keeper->life == LIFE_UNKNOWN ? "" : "libvirtd is away";
}

/** start_of() - Of a guest that an earlier casement-guest started nothing is known. */
static enum guest_start start_of(const struct keeper *keeper)
{
	if (!keeper->ready || !keeper->created)
		return START_UNKNOWN;
	if (!keeper->restored)
		return START_COLD;
	return keeper->warm ? START_WARM : START_RESUMED;
}

void keeper_report(struct keeper *keeper)
{
	struct report_facts facts = {
		.state = state_of(keeper),
		/* PID 1 may still need it to tell whose end it was, so it is never taken back. */
		.pid = keeper->qemu.pid,
		.probe = keeper->config->health.probe,
		.probe_state = keeper->health.state,
		.latency = keeper->latency,
		.boots = keeper->boots,
		.phase = keeper->stop.phase,
		.start = start_of(keeper),
		.freeze = keeper->freeze,
		.ready = keeper->ready,
		.stopping = keeper->stop.requested,
	};

	keeper->known = keeper->known || keeper->life != LIFE_UNKNOWN;
	facts.known = keeper->known;
	if (!keeper->plan->verbatim)
		facts.cpu = keeper->config->guest.cpu;
	copy(facts.start_reason, sizeof(facts.start_reason), keeper->cold);
	copy(facts.freeze_reason, sizeof(facts.freeze_reason), keeper->freeze_reason);
	copy(facts.frozen, sizeof(facts.frozen), keeper->frozen);
	copy(facts.reason, sizeof(facts.reason), reason_of(keeper));
	describe(keeper, sizeof(facts.status), facts.status);
	if (keeper->plan->network)
		inet_ntop(AF_INET, &keeper->plan->netinfo.guest_address, facts.address,
			  sizeof(facts.address));
	report_send(&keeper->report, &facts);
}
