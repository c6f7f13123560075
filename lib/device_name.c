#include "lib/device_name.h"

#include <ctype.h>
#include <stdio.h>

/** take_hex() - Exactly @digits of them, and what must follow ('\0': the end). */
static bool take_hex(const char **text, unsigned digits, char follows, unsigned *ret_value)
{
	unsigned value = 0;

	for (; digits; digits--, (*text)++) {
		unsigned char digit = (unsigned char)**text;

		if (!isxdigit(digit))
			return false;
		value = value * 16 +
			(unsigned)(isdigit(digit) ? digit - '0' : (digit | 0x20) - 'a' + 10);
	}
	if (**text != follows)
		return false;
	*text += follows != '\0';
	*ret_value = value;
	return true;
}

bool usb_name_parse(const char *text, struct usb_name *ret_name)
{
	unsigned vendor, product;

	if (!take_hex(&text, 4, ':', &vendor) || !take_hex(&text, 4, '\0', &product))
		return false;
	*ret_name = (struct usb_name){ (uint16_t)vendor, (uint16_t)product };
	return true;
}

bool pci_name_parse(const char *text, struct pci_name *ret_name)
{
	unsigned domain = 0, bus, slot, function;
	const char *at = text;

	if (take_hex(&at, 4, ':', &domain))
		text = at;
	else
		domain = 0;
	if (!take_hex(&text, 2, ':', &bus) || !take_hex(&text, 2, '.', &slot) ||
	    !take_hex(&text, 1, '\0', &function) || slot > 0x1f || function > 7)
		return false;
	*ret_name = (struct pci_name){ domain, (uint8_t)bus, (uint8_t)slot, (uint8_t)function };
	return true;
}

const char *pci_name_text(const struct pci_name *name, char buffer[static PCI_NAME_SIZE])
{
	snprintf(buffer, PCI_NAME_SIZE, "%04x:%02x:%02x.%x", name->domain & 0xffff, name->bus,
		 name->slot, name->function & 7U);
	return buffer;
}
