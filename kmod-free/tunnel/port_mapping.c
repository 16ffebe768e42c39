/* SPDX-License-Identifier: MIT
 *
 * port_mapping.c - see port_mapping.h.
 *
 * PCP's request and answer (RFC 6887 s.7.1, 7.2, 11.1):
 *   version 2 | R 1 bit, opcode 7 | reserved 1 | result 1 | lifetime 4
 *   request: the client's address 16; answer: epoch 4, reserved 12
 *   MAP: nonce 12 | protocol 1 | reserved 3 | internal port 2 | external port 2 | address 16
 * NAT-PMP's (RFC 6886 s.3.2, 3.3):
 *   version 1 | opcode 1; answers have 128 added, and then result 2 | epoch 4
 *   address, answer: address 4
 *   port, request: reserved 2 | internal 2 | external 2 | lifetime 4; answer: the same without
 *   what is reserved
 */
#include "tunnel/port_mapping.h"

#include "bytes.h"

#define NEVER           UINT64_MAX
#define SECOND_US       UINT64_C(1000000)
#define RETRY_FIRST_US  UINT64_C(250000)
#define SILENT_FIRST_US (8 * SECOND_US)
#define SILENT_MAX_US   (1024 * SECOND_US)
#define AGAIN_MIN_US    (4 * SECOND_US) /* RFC 6887 s.11.2.1 */

enum {
    TRIES = 4,
    LIFETIME_S = 1200, /* what a gateway that restarts unnoticed has forgotten for 10 minutes */
    LIFETIME_MAX_S = 86400,
    REFUSED_SHORT_S = 30, /* RFC 6887 s.7.4 */
    REFUSED_LONG_S = 1800,

    PCP_VERSION = 2,
    PCP_HEADER_BYTES = 24,
    PCP_MAP_BYTES = 60,
    PCP_MAX_BYTES = 1100,
    PCP_ANNOUNCE = 0,
    PCP_MAP = 1,
    PCP_UDP = 17,
    ANSWER = 0x80,

    NAT_PMP_VERSION = 0,
    NAT_PMP_ADDRESS = 0,
    NAT_PMP_MAP_UDP = 1,
    NAT_PMP_ERROR_BYTES = 8,
    NAT_PMP_ADDRESS_BYTES = 12,
    NAT_PMP_PORT_BYTES = 16,
};

/* PCP's result codes (RFC 6887 s.7.4); NAT-PMP's are told by them. */
enum result {
    SUCCESS,
    UNSUPP_VERSION,
    NOT_AUTHORIZED,
    MALFORMED_REQUEST,
    UNSUPP_OPCODE,
    UNSUPP_OPTION,
    MALFORMED_OPTION,
    NETWORK_FAILURE,
    NO_RESOURCES,
    UNSUPP_PROTOCOL,
    USER_EX_QUOTA,
    CANNOT_PROVIDE_EXTERNAL,
    ADDRESS_MISMATCH,
    EXCESSIVE_REMOTE_PEERS,
    USELESS, /* of our own: granted, but nothing of use */
    RESULTS,
};

static const char *const result_text[RESULTS] = {
    [UNSUPP_VERSION] = "the gateway speaks neither PCP nor NAT-PMP",
    [NOT_AUTHORIZED] = "the gateway does not allow it, or has lent this port to another program",
    [MALFORMED_REQUEST] = "the gateway does not understand the request",
    [UNSUPP_OPCODE] = "the gateway cannot map ports",
    [UNSUPP_OPTION] = "the gateway does not understand the request",
    [MALFORMED_OPTION] = "the gateway does not understand the request",
    [NETWORK_FAILURE] = "the gateway has no address on the Internet",
    [NO_RESOURCES] = "the gateway has no port left",
    [UNSUPP_PROTOCOL] = "the gateway does not map UDP ports",
    [USER_EX_QUOTA] = "the gateway grants this machine no more ports",
    [CANNOT_PROVIDE_EXTERNAL] = "the gateway has no port left",
    [ADDRESS_MISMATCH] = "there is another NAT between this machine and the gateway",
    [EXCESSIVE_REMOTE_PEERS] = "the gateway does not understand the request",
    [USELESS] = "the gateway granted an address or port that is none",
};

static bool is_v4(const struct port_mapping *p)
{
    return p->settings.source.family == IP_V4;
}

/* ---- requests ---- */

/* IPv4 addresses stand in PCP as IPv4-mapped ones, the unspecified one, too (RFC 6887 s.5). */
static void store_address(uint8_t out[16], const struct ip_address *address)
{
    memset(out, 0, 16);
    if (address->family == IP_V4) {
        out[10] = out[11] = 0xff;
        memcpy(out + 12, address->octet, 4);
    } else {
        memcpy(out, address->octet, 16);
    }
}

/* We suggest what we had, and at first the port that we have ourselves. */
static uint16_t suggested_port(const struct port_mapping *p, uint32_t lifetime_s)
{
    if (lifetime_s == 0)
        return 0;
    return p->state == PORT_MAPPING_MAPPED ? p->external.port : p->settings.port;
}

static size_t write_pcp(const struct port_mapping *p, uint32_t lifetime_s, uint8_t *out)
{
    struct ip_address external = {.family = p->settings.source.family};

    if (p->state == PORT_MAPPING_MAPPED && lifetime_s != 0)
        external = p->external.address;
    memset(out, 0, PCP_MAP_BYTES);
    out[0] = PCP_VERSION;
    out[1] = PCP_MAP;
    store_be32(out + 4, lifetime_s);
    store_address(out + 8, &p->settings.source);
    memcpy(out + 24, p->settings.nonce, PORT_MAPPING_NONCE_BYTES);
    out[36] = PCP_UDP;
    store_be16(out + 40, p->settings.port);
    store_be16(out + 42, suggested_port(p, lifetime_s));
    store_address(out + 44, &external);
    return PCP_MAP_BYTES;
}

static size_t write_nat_pmp(const struct port_mapping *p, uint32_t lifetime_s, uint8_t *out)
{
    memset(out, 0, 12);
    out[0] = NAT_PMP_VERSION;
    if (p->step == PORT_MAPPING_NAT_PMP_ADDRESS) {
        out[1] = NAT_PMP_ADDRESS;
        return 2;
    }
    out[1] = NAT_PMP_MAP_UDP;
    store_be16(out + 4, p->settings.port);
    store_be16(out + 6, suggested_port(p, lifetime_s));
    store_be32(out + 8, lifetime_s);
    return 12;
}

static size_t write_request(const struct port_mapping *p, uint32_t lifetime_s, uint8_t *out)
{
    return p->step == PORT_MAPPING_PCP ? write_pcp(p, lifetime_s, out)
                                       : write_nat_pmp(p, lifetime_s, out);
}

/* ---- states ---- */

static void rest(struct port_mapping *p, uint64_t until_us)
{
    p->asking = false;
    p->next_us = until_us;
}

static void step_to(struct port_mapping *p, enum port_mapping_step step, uint64_t now_us)
{
    p->step = (uint8_t)step;
    p->asking = true;
    p->tries = 0;
    p->next_us = now_us;
}

static void fall_silent(struct port_mapping *p, uint64_t now_us)
{
    p->state = PORT_MAPPING_SILENT;
    rest(p, now_us + p->silent_us);
    p->silent_us = p->silent_us * 2 < SILENT_MAX_US ? p->silent_us * 2 : SILENT_MAX_US;
}

static void refuse(struct port_mapping *p, enum result result, uint32_t again_s, uint64_t now_us)
{
    if (again_s < REFUSED_SHORT_S)
        again_s = REFUSED_SHORT_S;
    if (again_s > REFUSED_LONG_S)
        again_s = REFUSED_LONG_S;
    p->state = PORT_MAPPING_REFUSED;
    p->result = (uint16_t)result;
    p->silent_us = SILENT_FIRST_US;
    rest(p, now_us + again_s * SECOND_US);
}

/* The gateway answers, but not this protocol. */
static void unsupported(struct port_mapping *p, enum result result, uint64_t now_us)
{
    if (p->step == PORT_MAPPING_PCP && is_v4(p))
        step_to(p, PORT_MAPPING_NAT_PMP_ADDRESS, now_us);
    else
        refuse(p, result, REFUSED_LONG_S, now_us);
}

static void rest_mapped(struct port_mapping *p, uint64_t now_us)
{
    uint64_t half_us = p->expires_us > now_us ? (p->expires_us - now_us) / 2 : 0;

    rest(p, now_us + (half_us > AGAIN_MIN_US ? half_us : AGAIN_MIN_US));
}

static bool is_reachable(const struct endpoint *e)
{
    return e->port != 0 && ip_is_one_host(&e->address);
}

static void grant(struct port_mapping *p, const struct endpoint *external, uint32_t lifetime_s,
                  uint64_t now_us)
{
    if (external->address.family != p->settings.source.family || !is_reachable(external) ||
        lifetime_s == 0) {
        refuse(p, USELESS, REFUSED_SHORT_S, now_us);
        return;
    }
    if (lifetime_s > LIFETIME_MAX_S)
        lifetime_s = LIFETIME_MAX_S;
    p->state = PORT_MAPPING_MAPPED;
    p->granted = p->step;
    p->external = *external;
    p->expires_us = now_us + lifetime_s * SECOND_US;
    p->silent_us = SILENT_FIRST_US;
    rest_mapped(p, now_us);
}

/* ---- epochs ---- */

/* RFC 6887 s.8.5: whether the gateway's clock went on as ours did; RFC 6886's rule is like it. */
static bool epoch_holds(const struct port_mapping *p, uint32_t epoch_s, uint64_t now_us)
{
    uint64_t ours_s = (now_us - p->epoch_heard_us) / SECOND_US, theirs_s = 0;

    if (!p->epoch_known)
        return true;
    if ((uint64_t)epoch_s + 1 < p->epoch_s)
        return false;
    if (epoch_s > p->epoch_s)
        theirs_s = epoch_s - p->epoch_s;
    return ours_s + 2 >= theirs_s - theirs_s / 16 && theirs_s + 2 >= ours_s - ours_s / 16;
}

static bool note_epoch(struct port_mapping *p, uint32_t epoch_s, uint64_t now_us)
{
    bool holds = epoch_holds(p, epoch_s, now_us);

    p->epochs_broken += !holds;
    p->epoch_known = true;
    p->epoch_s = epoch_s;
    p->epoch_heard_us = now_us;
    return holds;
}

/* ---- answers ---- */

static struct endpoint pcp_external(const uint8_t *data)
{
    static const uint8_t v4_mapped[12] = {[10] = 0xff, [11] = 0xff};
    bool v4 = memcmp(data + 44, v4_mapped, sizeof v4_mapped) == 0;

    return (struct endpoint){.address = v4 ? ip_v4(data + 56) : ip_v6(data + 44),
                             .port = load_be16(data + 42)};
}

static bool is_our_map(const struct port_mapping *p, const uint8_t *data, size_t bytes)
{
    return bytes >= PCP_MAP_BYTES && (data[1] & 0x7f) == PCP_MAP &&
           memcmp(data + 24, p->settings.nonce, PORT_MAPPING_NONCE_BYTES) == 0 &&
           data[36] == PCP_UDP && load_be16(data + 40) == p->settings.port;
}

/* What is granted may come late, when NAT-PMP is being asked already: it is as good. */
static bool take_map(struct port_mapping *p, const uint8_t *data, uint64_t now_us)
{
    uint8_t result = data[3];
    uint32_t lifetime_s = load_be32(data + 4);
    struct endpoint external = pcp_external(data);

    if (result != SUCCESS && (!p->asking || p->step != PORT_MAPPING_PCP))
        return false;
    p->step = PORT_MAPPING_PCP;
    if (result == SUCCESS)
        grant(p, &external, lifetime_s, now_us);
    else if (result == UNSUPP_VERSION || result == UNSUPP_OPCODE)
        unsupported(p, (enum result)result, now_us);
    else
        refuse(p, result < USELESS ? (enum result)result : MALFORMED_REQUEST, lifetime_s, now_us);
    return true;
}

static bool receive_pcp(struct port_mapping *p, const uint8_t *data, size_t bytes, uint64_t now_us)
{
    if (bytes < PCP_HEADER_BYTES || bytes > PCP_MAX_BYTES || bytes % 4 != 0 ||
        (data[1] & ANSWER) == 0)
        return false;
    if ((data[1] & 0x7f) == PCP_ANNOUNCE && data[3] == SUCCESS) {
        if (!note_epoch(p, load_be32(data + 8), now_us))
            port_mapping_renew(p, now_us);
        return true;
    }
    if (!is_our_map(p, data, bytes))
        return false;
    note_epoch(p, load_be32(data + 8), now_us); /* the mapping is new in any case */
    return take_map(p, data, now_us);
}

static void refuse_nat_pmp(struct port_mapping *p, uint16_t code, uint64_t now_us)
{
    static const uint8_t as_pcp[] = {
        [2] = NOT_AUTHORIZED, [3] = NETWORK_FAILURE, [4] = NO_RESOURCES, [5] = UNSUPP_OPCODE};
    enum result result = MALFORMED_REQUEST;

    if (code >= 2 && code < sizeof as_pcp)
        result = (enum result)as_pcp[code];
    bool passes = result == NETWORK_FAILURE || result == NO_RESOURCES;
    refuse(p, result, passes ? REFUSED_SHORT_S : REFUSED_LONG_S, now_us);
}

/* An answer to our question, or an announcement: they look the same. */
static bool take_address(struct port_mapping *p, const uint8_t *data, uint64_t now_us)
{
    struct ip_address address = ip_v4(data + 8);
    bool holds = note_epoch(p, load_be32(data + 4), now_us);
    bool other = p->state == PORT_MAPPING_MAPPED && !ip_equal(&address, &p->external.address);

    if (p->asking && p->step == PORT_MAPPING_NAT_PMP_ADDRESS) {
        p->address = address;
        if (ip_is_unspecified(&address))
            refuse(p, NETWORK_FAILURE, REFUSED_SHORT_S, now_us);
        else
            step_to(p, PORT_MAPPING_NAT_PMP_PORT, now_us);
    } else if (!holds || other) {
        port_mapping_renew(p, now_us);
    }
    return true;
}

static bool take_port(struct port_mapping *p, const uint8_t *data, size_t bytes, uint64_t now_us)
{
    struct endpoint external = {.address = p->address};

    if (bytes < NAT_PMP_PORT_BYTES || load_be16(data + 8) != p->settings.port)
        return false;
    note_epoch(p, load_be32(data + 4), now_us);
    external.port = load_be16(data + 10);
    grant(p, &external, load_be32(data + 12), now_us);
    return true;
}

/* A server that knows only NAT-PMP answers PCP, too, in its own version (RFC 6886 s.3.5). So its
 * refusals of PCP's MAP look like those of a NAT-PMP port, but that it cannot mean. */
static bool receive_nat_pmp(struct port_mapping *p, const uint8_t *data, size_t bytes,
                            uint64_t now_us)
{
    uint16_t code = bytes >= NAT_PMP_ERROR_BYTES ? load_be16(data + 2) : 0;
    bool port;

    if (bytes < NAT_PMP_ERROR_BYTES || !is_v4(p))
        return false;
    if (code == UNSUPP_VERSION) {
        if (!p->asking || p->step != PORT_MAPPING_PCP)
            return false;
        unsupported(p, UNSUPP_VERSION, now_us);
        return true;
    }
    if (data[1] == (ANSWER | NAT_PMP_ADDRESS) && code == SUCCESS)
        return bytes >= NAT_PMP_ADDRESS_BYTES && take_address(p, data, now_us);
    port = p->step == PORT_MAPPING_NAT_PMP_PORT;
    if (!p->asking || p->step == PORT_MAPPING_PCP ||
        data[1] != (ANSWER | (port ? NAT_PMP_MAP_UDP : NAT_PMP_ADDRESS)))
        return false;
    if (code == SUCCESS)
        return take_port(p, data, bytes, now_us);
    refuse_nat_pmp(p, code, now_us);
    return true;
}

/* Neither version: only that much of such an answer is known (RFC 6887 s.9). */
static bool receive_other(struct port_mapping *p, const uint8_t *data, size_t bytes,
                          uint64_t now_us)
{
    if (bytes < 4 || (data[1] & ANSWER) == 0 || data[3] != UNSUPP_VERSION || !p->asking)
        return false;
    unsupported(p, UNSUPP_VERSION, now_us);
    return true;
}

static bool understand(struct port_mapping *p, const uint8_t *data, size_t bytes, uint64_t now_us)
{
    if (bytes == 0)
        return false;
    if (data[0] == PCP_VERSION)
        return receive_pcp(p, data, bytes, now_us);
    if (data[0] == NAT_PMP_VERSION)
        return receive_nat_pmp(p, data, bytes, now_us);
    return receive_other(p, data, bytes, now_us);
}

/* ---- what the owner calls ---- */

void port_mapping_begin(struct port_mapping *p, const struct port_mapping_settings *settings,
                        uint64_t now_us)
{
    memset(p, 0, sizeof *p);
    p->settings = *settings;
    p->silent_us = SILENT_FIRST_US;
    p->next_us = p->asked_us = now_us;
}

/* The next protocol, when there is one. Return: false: it is enough for now */
static bool go_on(struct port_mapping *p, uint64_t now_us)
{
    if (p->state == PORT_MAPPING_MAPPED)
        rest_mapped(p, now_us);
    else if (p->step == PORT_MAPPING_PCP && is_v4(p))
        step_to(p, PORT_MAPPING_NAT_PMP_ADDRESS, now_us);
    else
        fall_silent(p, now_us);
    return p->asking;
}

size_t port_mapping_due(struct port_mapping *p, uint64_t now_us,
                        uint8_t out[PORT_MAPPING_REQUEST_MAX])
{
    if (p->state == PORT_MAPPING_MAPPED && now_us >= p->expires_us) {
        p->state = PORT_MAPPING_ASKING;
        rest(p, now_us);
    }
    if (now_us < p->next_us)
        return 0;
    if (!p->asking) {
        bool nat_pmp = p->state == PORT_MAPPING_MAPPED && p->granted != PORT_MAPPING_PCP;
        step_to(p, nat_pmp ? PORT_MAPPING_NAT_PMP_ADDRESS : PORT_MAPPING_PCP, now_us);
    } else if (p->tries == TRIES && !go_on(p, now_us)) {
        return 0;
    }
    p->asked_us = now_us;
    p->next_us = now_us + (RETRY_FIRST_US << p->tries++);
    return write_request(p, LIFETIME_S, out);
}

uint64_t port_mapping_deadline_us(const struct port_mapping *p)
{
    if (p->state == PORT_MAPPING_MAPPED && p->expires_us < p->next_us)
        return p->expires_us;
    return p->next_us;
}

bool port_mapping_receive(struct port_mapping *p, const struct endpoint *from, const uint8_t *data,
                          size_t bytes, uint64_t now_us)
{
    return p->next_us != NEVER && endpoint_equal(from, &p->settings.gateway) &&
           understand(p, data, bytes, now_us);
}

void port_mapping_renew(struct port_mapping *p, uint64_t now_us)
{
    uint64_t soon_us = p->asked_us + AGAIN_MIN_US;

    if (soon_us < now_us)
        soon_us = now_us;
    if (!p->asking && p->next_us != NEVER && soon_us < p->next_us)
        p->next_us = soon_us;
}

void port_mapping_unreachable(struct port_mapping *p, uint64_t now_us)
{
    if (!p->asking)
        return;
    if (p->state == PORT_MAPPING_MAPPED)
        rest_mapped(p, now_us);
    else
        fall_silent(p, now_us);
}

size_t port_mapping_release(struct port_mapping *p, uint8_t out[PORT_MAPPING_REQUEST_MAX])
{
    bool mapped = p->state == PORT_MAPPING_MAPPED;
    size_t bytes = 0;

    if (mapped)
        p->step = p->granted;
    if (mapped || (p->asking && p->step != PORT_MAPPING_NAT_PMP_ADDRESS))
        bytes = write_request(p, 0, out);
    p->state = PORT_MAPPING_ASKING;
    rest(p, NEVER);
    return bytes;
}

const char *port_mapping_protocol(const struct port_mapping *p)
{
    uint8_t step = p->state == PORT_MAPPING_MAPPED ? p->granted : p->step;

    return step == PORT_MAPPING_PCP ? "pcp" : "nat-pmp";
}

const char *port_mapping_problem(const struct port_mapping *p)
{
    switch ((enum port_mapping_state)p->state) {
    case PORT_MAPPING_REFUSED:
        return result_text[p->result];
    case PORT_MAPPING_SILENT:
        return is_v4(p) ? "the gateway speaks neither PCP nor NAT-PMP"
                        : "the gateway does not speak PCP";
    case PORT_MAPPING_MAPPED:
        return ip_is_private(&p->external.address) ? "mapped, but behind another NAT" : NULL;
    case PORT_MAPPING_ASKING:
        break;
    }
    return NULL;
}
