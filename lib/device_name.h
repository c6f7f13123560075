/* Names of devices that are no paths, as lsusb and lspci print them. Pure. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct usb_name {
	uint16_t vendor, product;
};

struct pci_name {
	unsigned domain;
	uint8_t bus, slot, function;
};

/* "0000:01:00.0" and its end. */
#define PCI_NAME_SIZE 16

/** usb_name_parse() - `046d:c52b`. Return: whether it is one. */
bool usb_name_parse(const char *text, struct usb_name *ret_name);

/** pci_name_parse() - `01:00.0` or `0000:01:00.0`. Return: whether it is one. */
bool pci_name_parse(const char *text, struct pci_name *ret_name);

/** pci_name_text() - With the domain, as the kernel writes it. */
const char *pci_name_text(const struct pci_name *name, char buffer[static PCI_NAME_SIZE]);
