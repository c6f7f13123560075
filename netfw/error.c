#include "netfw/error.h"

#include <errno.h>
#include <stdarg.h>

static void fill(struct netfw_error *error, enum netfw_fault fault, int code, size_t forward,
		 const char *format, va_list args) __attribute__((format(printf, 5, 0)));

static void fill(struct netfw_error *error, enum netfw_fault fault, int code, size_t forward,
		 const char *format, va_list args)
{
	if (!error)
		return;
	error->fault = fault;
	error->code = code;
	error->forward = forward;
	vsnprintf(error->text, sizeof(error->text), format, args);
}

int netfw_fail(struct netfw_error *error, enum netfw_fault fault, int code, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	fill(error, fault, code, NETFW_NONE, format, args);
	va_end(args);
	return code;
}

int netfw_fail_forward(struct netfw_error *error, size_t forward, int code, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	fill(error, NETFW_FAULT_FORWARD, code, forward, format, args);
	va_end(args);
	return code;
}

int netfw_fail_system(struct netfw_error *error, int code, const char *action)
{
	if (code == -EPERM)
		return netfw_fail(error, NETFW_FAULT_PRIVILEGE, code,
				  "%s: the capability NET_ADMIN is missing: start the container "
				  "with --cap-add NET_ADMIN",
				  action);
	return netfw_fail(error, NETFW_FAULT_SYSTEM, code, "%s: %s", action, strerror(-code));
}
