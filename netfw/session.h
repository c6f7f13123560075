/*
 * What a command of casement-netfw works with: the configuration in the library's terms, a handle,
 * what was chosen. The verbs are in commands.c, and the one that stays in run.c.
 */
#pragma once

#include "lib/config.h"
#include "netfw/netfw.h"

/* Name of the nftables table and alias of the bridge. */
#define NETFW_TABLE "casement"

/* The configuration in the library's terms. */
struct demand {
	struct netfw_rules rules;
	struct netfw_forward *forwards; /* rules.forwards */
	struct netfw_ports *kept;	/* rules.kept */
};

struct session {
	const struct config *config;
	struct netfw *netfw;
	struct netfw_wish wish;
	struct demand demand;
	struct netfw_network network;
	struct netfw_error error;
};

/** demand_make() - Return: 0 with a demand to be freed with demand_free(), or -ENOMEM. */
int demand_make(const struct network_config *network, struct demand *ret_demand);

void demand_free(struct demand *demand);

/**
 * session_open() - Everything up to the choice of a network.
 * @config: must live as long as the session
 * @session: to be emptied with session_close(), also on failure
 *
 * Return: 0 or an exit code, after it was logged.
 */
int session_open(struct session *session, const struct config *config);

void session_close(struct session *session);

/**
 * session_report() - Log why the library failed, with the configuration's place if that is to
 * blame.
 * @config: the one that was tried
 *
 * Return: the exit code.
 */
int session_report(const struct session *session, const struct config *config);

/** session_announce() - Log what was chosen, and what an operator may not expect. */
void session_announce(const struct session *session);

/** session_end_flows() - End what the rules in force would treat otherwise, by @config's policy. */
void session_end_flows(struct session *session, const struct config *config);

/**
 * session_up() - Make the network: rules, bridge, files for the others.
 *
 * Return: 0 or an exit code, after it was logged.
 */
int session_up(struct session *session);

/** session_tend_ports() - Something may have been plugged into the bridge, or pulled out. */
void session_tend_ports(struct session *session);

/** session_status() - One line about the network, for people. */
void session_status(const struct session *session, char *buffer, size_t size);

/**
 * session_notify() - Tell PID 1 about the network; without one there is nobody to tell.
 * @more: further fields, or ""
 */
void session_notify(const struct session *session, const char *more);
