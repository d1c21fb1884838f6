/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Why a packet got its verdict. Python reads the names from BTF, so a code
 * keeps its number for ever: add at the end of its group, never reorder.
 */
#ifndef ECBPF_REASON_H
#define ECBPF_REASON_H

enum reason {
	REASON_NONE = 0, /* no subprogram objected */

	/* The parser (packet.h): what it could not read, and why. */
	REASON_NOT_IP = 1, /* ARP, LLDP, an unknown ethertype */
	REASON_ETH_SHORT = 2, /* the frame ends inside the Ethernet header or a tag */
	REASON_VLAN_DEPTH = 3, /* more than two VLAN tags */
	REASON_IP4_SHORT = 4, /* the frame ends inside the IPv4 header or its options */
	REASON_IP4_HEADER = 5, /* version or header length is invalid */
	REASON_IP4_LENGTH = 6, /* total length below the header or beyond the frame */
	REASON_IP6_SHORT = 7, /* the frame ends inside the IPv6 header */
	REASON_IP6_HEADER = 8, /* the version is not 6 */
	REASON_IP6_LENGTH = 9, /* payload length beyond the frame, or a jumbogram's 0 */
	REASON_IP6_EXT_SHORT = 10, /* the packet ends inside an extension header */
	REASON_IP6_EXT_DEPTH = 11, /* more extension headers than IP6_EXT_MAX */
	REASON_L4_SHORT = 12, /* the packet ends inside the TCP, UDP or ICMP header */
	REASON_TCP_HEADER = 13, /* data offset below 5 words or beyond the packet */

	/* The filter. */
	REASON_SOURCE = 32, /* the source is in the drop set */
	REASON_IP4_OPTIONS = 33, /* an IPv4 header with options */
	REASON_IP4_EVIL = 34, /* IPv4's reserved flag is set (RFC 3514) */
	REASON_FRAGMENT = 35, /* a fragment, not to this host's own addresses */
	REASON_TOO_BIG = 36, /* a first fragment, answered with Packet Too Big */

	/* The fast path. */
	REASON_FAST_PATH = 64, /* of a known flow; sent past IPVS */
	REASON_RESET_ANSWER = 65, /* of a flow that was reset; answered with a RST */
	REASON_RESET_FLOW = 66, /* of a flow that was reset, and has had its answers */
	REASON_INBOUND_LIMIT = 67, /* of an unknown flow, above the inbound limit */

	/* Subprograms written outside this project use numbers from here on. */
	REASON_EXTERNAL = 0x8000,
};

#endif /* ECBPF_REASON_H */
