/* One casement-netfw at a time changes the network: two would undo each other's work. */
#pragma once

/**
 * lock_take() - Become that one, for as long as the descriptor is open.
 *
 * Return: 0 or an exit code, after it was logged.
 */
int lock_take(int *ret_fd);
