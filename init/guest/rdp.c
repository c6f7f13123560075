/*
 * Writer and reader of the RDP connection sequence's first exchange.
 *
 * Each message is three layers deep: a TPKT header (RFC 1006 section 6), an X.224 class 0 TPDU
 * (ITU-T X.224 sections 13.3 and 13.4), and the negotiation that RDP adds as the TPDU's user data
 * ([MS-RDPBCGR] 2.2.1.1 and 2.2.1.2). The layers have one valid size each, so the reader checks
 * every byte that the documents fix, in the order in which they arrive: a wrong server is known by
 * its first wrong byte and needs no timeout.
 */
#include "init/guest/rdp.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

/* [MS-RDPBCGR] 2.2.1.1.1: the protocols that this client offers. */
#define PROTOCOL_TLS 0x00000001U
#define PROTOCOL_CREDSSP 0x00000002U
#define PROTOCOLS_OFFERED (PROTOCOL_TLS | PROTOCOL_CREDSSP)

#define TPKT_VERSION 3
#define X224_CONNECTION_REQUEST 0xe0
#define X224_CONNECTION_CONFIRM 0xd0
#define NEGOTIATION_REQUEST 1
#define NEGOTIATION_RESPONSE 2
#define NEGOTIATION_FAILURE 3
#define NEGOTIATION_SIZE 8
#define FAILURE_LAST 6 /* [MS-RDPBCGR] 2.2.1.2.2: codes 1 to 6 */

#define HEADERS_SIZE 11 /* TPKT 4, X.224 7 */

enum offset {
	AT_TPKT_VERSION,
	AT_TPKT_RESERVED,
	AT_TPKT_LENGTH_HIGH, /* of the whole message, big endian */
	AT_TPKT_LENGTH_LOW,
	AT_X224_LENGTH, /* of the TPDU without this byte */
	AT_X224_CODE,
	AT_X224_DESTINATION, /* two bytes: in an answer the reference of the request, 0 */
	AT_X224_SOURCE = AT_X224_DESTINATION + 2,
	AT_X224_CLASS = AT_X224_SOURCE + 2,
	AT_TYPE,
	AT_FLAGS,
	AT_LENGTH_LOW, /* of the negotiation, little endian */
	AT_LENGTH_HIGH,
	AT_VALUE, /* four bytes, little endian */
};

void rdp_request(uint8_t ret_bytes[static RDP_REQUEST_SIZE])
{
	memset(ret_bytes, 0, RDP_REQUEST_SIZE);
	ret_bytes[AT_TPKT_VERSION] = TPKT_VERSION;
	ret_bytes[AT_TPKT_LENGTH_LOW] = RDP_REQUEST_SIZE;
	ret_bytes[AT_X224_LENGTH] = RDP_REQUEST_SIZE - AT_X224_LENGTH - 1;
	ret_bytes[AT_X224_CODE] = X224_CONNECTION_REQUEST;
	ret_bytes[AT_TYPE] = NEGOTIATION_REQUEST;
	ret_bytes[AT_LENGTH_LOW] = NEGOTIATION_SIZE;
	ret_bytes[AT_VALUE] = PROTOCOLS_OFFERED;
}

/**
 * byte_fits() - May this byte stand at this offset of a connection confirm, given those before it?
 */
static bool byte_fits(const uint8_t *bytes, size_t offset)
{
	uint8_t byte = bytes[offset];

	switch ((enum offset)offset) {
	case AT_TPKT_VERSION: return byte == TPKT_VERSION;
	case AT_TPKT_LENGTH_LOW:
		return byte == HEADERS_SIZE || byte == HEADERS_SIZE + NEGOTIATION_SIZE;
	case AT_X224_LENGTH: return byte == bytes[AT_TPKT_LENGTH_LOW] - AT_X224_LENGTH - 1;
	case AT_X224_CODE: return byte == X224_CONNECTION_CONFIRM;
	case AT_X224_SOURCE: return true; /* the server's own reference: any, and two bytes of it */
	case AT_X224_CLASS: return byte >> 4 == 0; /* class 0; the low half is options */
	case AT_TYPE: return byte == NEGOTIATION_RESPONSE || byte == NEGOTIATION_FAILURE;
	case AT_FLAGS: return bytes[AT_TYPE] == NEGOTIATION_RESPONSE || byte == 0;
	case AT_LENGTH_LOW: return byte == NEGOTIATION_SIZE;
	case AT_TPKT_RESERVED:
	case AT_TPKT_LENGTH_HIGH:
	case AT_X224_DESTINATION:
	case AT_LENGTH_HIGH: return byte == 0;
	case AT_VALUE: return true; /* judged as a whole */
	}
	/* The second halves of the references, and the rest of the value. */
	return offset != AT_X224_DESTINATION + 1 || byte == 0;
}

int rdp_parse(const uint8_t *bytes, size_t n, struct rdp_confirm *ret_confirm)
{
	struct rdp_confirm confirm = { .answer = RDP_ANSWER_PLAIN };
	size_t checked = n < RDP_ANSWER_MAX ? n : RDP_ANSWER_MAX;
	size_t length;

	for (size_t i = 0; i < checked; i++) {
		/* Behind the last byte of a message without negotiation nothing may follow. */
		if (i >= HEADERS_SIZE && i >= bytes[AT_TPKT_LENGTH_LOW])
			return -EBADMSG;
		if (!byte_fits(bytes, i))
			return -EBADMSG;
	}
	if (n <= AT_TPKT_LENGTH_LOW)
		return -EAGAIN;
	length = bytes[AT_TPKT_LENGTH_LOW];
	if (n != length)
		return n < length ? -EAGAIN : -EBADMSG;
	if (length > HEADERS_SIZE) {
		bool selected = bytes[AT_TYPE] == NEGOTIATION_RESPONSE;

		confirm.answer = selected ? RDP_ANSWER_SELECTED : RDP_ANSWER_REFUSED;
		for (size_t i = 4; i-- > 0;)
			confirm.value = confirm.value << 8 | bytes[AT_VALUE + i];
		/* Exactly one of what was offered, or plain RDP (0); a failure code that exists. */
		if (selected && confirm.value != 0 && confirm.value != PROTOCOL_TLS &&
		    confirm.value != PROTOCOL_CREDSSP)
			return -EBADMSG;
		if (!selected && (confirm.value == 0 || confirm.value > FAILURE_LAST))
			return -EBADMSG;
	}
	*ret_confirm = confirm;
	return 0;
}
