#include "lib/failure.h"

#include <stdarg.h>

int failure_set(struct failure *failure, enum exit_code code, int result, const char *format, ...)
{
	va_list arguments;

	failure->code = code;
	va_start(arguments, format);
	vsnprintf(failure->text, sizeof(failure->text), format, arguments);
	va_end(arguments);
	return result;
}
