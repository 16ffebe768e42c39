/* SPDX-License-Identifier: MIT
 *
 * fuzz_session.c - a whole site with one peer, against a network and a LAN that do as they like.
 *
 * Input: one byte of options, then steps of kind 1, argument 1, length 2 and as many bytes (fewer
 * at the end). The peer is played here, with the genuine keys, so that the fuzzer gets behind the
 * cryptography: it may seal anything and say anything in a handshake. Held to:
 *  - a datagram that the peer did not make, or that was changed on its way, or comes a second time
 *    delivers no frame, moves no endpoint, counts as nothing received, and is answered with no more
 *    bytes than it had;
 *  - what the site sends is no larger than agreed, and the peer can open and parse it; a checksum
 *    is partial only for a peer that takes those, and where there is one;
 *  - the TAP gets large frames and partial checksums only if it takes them, and can cut them;
 *  - nobody is enrolled without a token, and time does not stand still.
 */
#include "crypto/cookie.h"
#include "frame/guard.h"
#include "frame/segment.h"
#include "frame/ttl.h"
#include "site/private.h" /* its peer is looked at often, and site_peer_status() counts MACs */

#include "bytes.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum step_kind {
    STEP_RAW,  /* a datagram; argument bit 0: from where the peer is */
    STEP_MAC1, /* a handshake datagram by a stranger who knows our public key; bit 1: a response */
    STEP_SEALED,  /* a genuine data datagram, twice; bit 0: from another place; bit 1: the turn it
                     belongs to goes on */
    STEP_SPOILED, /* ... with a bit changed: at the first two bytes' place; bit 7: one byte less */
    STEP_FRAME,   /* a frame from the LAN; bit 0: its offload header comes first */
    STEP_TIME,    /* length << (argument % 16) microseconds */
    STEP_CALL,    /* the peer calls; the bytes are the payload, opened */
    STEP_ANSWER,  /* the peer answers the last call; the bytes are the payload, opened */
    STEP_KINDS,
};

enum {
    OPTION_HUB = 1,
    OPTION_MULTICAST = 2,
    OPTION_RA_ROUTES = 4,
    OPTION_NO_GUARD = 8,
    OPTION_PARTIAL = 16, /* the peer takes partial checksums */
    OPTION_LARGE = 32,   /* the TAP takes large frames */
};
enum { DATAGRAM_ROOM = 2048, TICKS_MAX = 256, TURN_MAX = 64 };

static const struct endpoint peer_at = {.address = {IP_V4, {192, 0, 2, 2}}, .port = 7788};
static const struct endpoint elsewhere = {.address = {IP_V4, {198, 51, 100, 9}}, .port = 999};

/* Everything of one run. */
static struct {
    struct site *site; /* mapped once: large, sparse, and zeroed page by page */
    uint64_t now_us, random;
    uint8_t site_public[PUBLIC_KEY_BYTES], peer_private[PUBLIC_KEY_BYTES];
    uint8_t peer_public[PUBLIC_KEY_BYTES];

    struct session far; /* the peer's end; local_index 0: none */
    struct noise calling;
    uint32_t next_index;
    uint8_t called[INITIATION_BYTES], answered[INITIATION_BYTES]; /* the site's last ones */
    size_t called_bytes, answered_bytes;

    uint8_t *turn[TURN_MAX]; /* datagrams that stay until the site is flushed */
    unsigned turn_count;
    unsigned delivered;
    const struct endpoint *answers_to; /* how many bytes are sent there is counted */
    size_t answer_bytes;
} run;

static void require(bool holds)
{
    if (!holds)
        abort();
}

/* ---- the site's shell ---- */

static void fill_random(void *context, void *out, size_t bytes)
{
    (void)context;
    for (uint8_t *p = out; bytes > 0; bytes--)
        *p++ = (uint8_t)((run.random += UINT64_C(0x9e3779b97f4a7c15)) >> 56);
}

static void check_partial(const struct chunk *chunk)
{
    struct packet packet;
    if (!chunk->checksum_partial)
        return;
    require((run.site->peer->current->remote_features & FEATURE_CHECKSUM_PARTIAL) != 0);
    require(chunk->kind == CHUNK_FRAME && packet_parse(&packet, chunk->body, chunk->bytes));
    require(offload_possible(&packet));
}

/* What is addressed to the peer's session of now must be genuine and well-formed. */
static void check_data(const struct datagram *d)
{
    uint8_t copy[OUTER_PACKET_MAX_BYTES];
    struct chunk_reader reader;
    struct chunk chunk;
    enum chunk_read result;
    size_t payload_bytes;
    bool newest;
    require(d->bytes >= DATA_HEADER_BYTES && (load_be32(d->data) & 0xffffff) == 0);
    if (run.far.local_index == 0 || load_be32(d->data + 4) != run.far.local_index)
        return;
    memcpy(copy, d->data, d->bytes);
    require(session_open(&run.far, copy, d->bytes, &payload_bytes, &newest) == SESSION_OPENED);
    require(newest);
    chunk_reader_init(&reader, copy + DATA_HEADER_BYTES, payload_bytes);
    while ((result = chunk_next(&reader, &chunk)) == CHUNK_READ_ONE)
        check_partial(&chunk);
    require(result != CHUNK_READ_MALFORMED);
}

static void transmit(void *context, const struct datagram *datagrams, size_t count)
{
    (void)context;
    for (const struct datagram *d = datagrams; d < datagrams + count; d++) {
        require(d->bytes > 0 && d->to.address.family != IP_NONE &&
                d->bytes + IPV4_HEADER_BYTES + UDP_HEADER_BYTES <= OUTER_PACKET_MAX_BYTES);
        if (run.answers_to && endpoint_equal(&d->to, run.answers_to))
            run.answer_bytes += d->bytes;
        if (d->data[0] == WIRE_INITIATION) {
            require(d->bytes == INITIATION_BYTES);
            memcpy(run.called, d->data, run.called_bytes = d->bytes);
        } else if (d->data[0] == WIRE_RESPONSE) {
            require(d->bytes <= INITIATION_BYTES);
            memcpy(run.answered, d->data, run.answered_bytes = d->bytes);
        } else if (d->data[0] == WIRE_DATA) {
            check_data(d);
        } else {
            require(d->data[0] == WIRE_COOKIE && d->bytes == COOKIE_BYTES);
        }
    }
}

/* As the kernel would take it. */
static void check_offload(const uint8_t *header, uint8_t *frame, size_t bytes)
{
    struct packet packet;
    struct offload offload;
    struct segmenter segmenter;
    const struct site_lan *lan = &run.site->lan;
    require(packet_parse(&packet, frame, bytes) && offload_read(&offload, header, &packet));
    require(lan->tap_takes_large || (offload.gso == OFFLOAD_WHOLE && !offload.checksum_partial));
    require(offload.gso != OFFLOAD_UDP || lan->tap_takes_large_udp);
    if (offload.gso != OFFLOAD_WHOLE)
        require(segment_begin(&segmenter, &packet, &offload, PACKET_FRAME_MAX_BYTES, false));
}

static void deliver(void *context, const uint8_t *offload, const struct slice *slices, size_t count)
{
    static uint8_t frame[PACKET_FRAME_MAX_BYTES];
    size_t bytes = 0;
    (void)context;
    require(count > 0 && slices[0].length >= ETHER_HEADER_BYTES);
    for (size_t i = 0; i < count; i++) {
        require(slices[i].length <= sizeof frame - bytes);
        memcpy(frame + bytes, slices[i].bytes, slices[i].length);
        bytes += slices[i].length;
    }
    if (offload)
        check_offload(offload, frame, bytes);
    run.delivered++;
}

static void event(void *context, const struct site_event *e)
{
    (void)context;
    require(e->kind <= EVENT_ORDER_LOW && (!e->peer || strcmp(e->peer, "far") == 0));
}

static bool enrol(void *context, const struct site_enrolment *enrolment)
{
    (void)context;
    (void)enrolment;
    abort(); /* there is no token */
}

/* ---- what comes in ---- */

static void end_turn(void)
{
    site_flush(run.site, run.now_us);
    while (run.turn_count > 0)
        free(run.turn[--run.turn_count]);
}

static void receive(const struct endpoint *from, const uint8_t *bytes, size_t count)
{
    uint8_t *datagram = malloc(count + (count == 0)); /* the sanitizer sees its end */
    require(datagram != NULL);
    memcpy(datagram, bytes, count);
    if (run.turn_count == TURN_MAX)
        end_turn();
    run.turn[run.turn_count++] = datagram;
    site_receive_datagram(run.site, from, datagram, count, count % 8 * 10000, run.now_us);
}

/* One that the site has no reason to believe. */
static void receive_forgery(const struct endpoint *from, const uint8_t *bytes, size_t count)
{
    const struct peer *peer = run.site->peer;
    const struct session *current = peer->current;
    struct endpoint endpoint = peer->endpoint;
    uint64_t rx_frames = peer->rx_frames, rx_bytes = peer->rx_bytes;
    unsigned delivered = run.delivered;
    bool up = peer->up;
    if (run.turn_count == TURN_MAX) {
        end_turn();
        delivered = run.delivered;
    }
    run.answers_to = from;
    run.answer_bytes = 0;
    receive(from, bytes, count);
    run.answers_to = NULL;
    require(run.delivered == delivered && run.answer_bytes <= count);
    require(endpoint_equal(&peer->endpoint, &endpoint) && peer->up == up);
    require(peer->current == current);
    require(peer->rx_frames == rx_frames && peer->rx_bytes == rx_bytes);
}

static void receive_lan(uint8_t argument, const uint8_t *bytes, size_t count)
{
    const uint8_t *offload = NULL;
    if ((argument & 1) != 0 && count >= OFFLOAD_HEADER_BYTES) {
        offload = bytes;
        bytes += OFFLOAD_HEADER_BYTES;
        count -= OFFLOAD_HEADER_BYTES;
    }
    uint8_t *memory = malloc(SEGMENT_ROOM_BYTES + count + (count == 0));
    require(memory != NULL);
    uint8_t *frame = memory + SEGMENT_ROOM_BYTES;
    memcpy(frame, bytes, count);
    site_receive_frame(run.site, offload, frame, count, run.now_us);
    free(memory);
    end_turn();
}

/* A session lives 180 s and a rule may ask for something each second of them, one at a call when it
 * was not asked for long: more calls than that can only be time standing still. */
static void pass(uint64_t us)
{
    unsigned ticks = 0;
    run.now_us += us;
    do {
        site_tick(run.site, run.now_us);
        require(ticks++ < TICKS_MAX);
    } while (site_deadline_us(run.site) <= run.now_us);
}

/* ---- the peer ---- */

static void add_macs(uint8_t *datagram, size_t bytes)
{
    struct cookie_jar jar = {.have_cookie = false};
    struct cookie_key key;
    cookie_key_derive(&key, run.site_public);
    cookie_add_macs(&jar, &key, datagram, bytes, run.now_us);
}

static void begin_handshake(struct noise *noise, bool initiator)
{
    struct noise_keys keys = {.psk = {0}};
    memcpy(keys.s_private, run.peer_private, PUBLIC_KEY_BYTES);
    memcpy(keys.s_public, run.peer_public, PUBLIC_KEY_BYTES);
    memcpy(keys.rs_public, run.site_public, PUBLIC_KEY_BYTES);
    fill_random(NULL, keys.e_private, sizeof keys.e_private);
    handshake_begin(noise, initiator, &keys);
}

static void take_session(const struct noise *noise, bool initiator, uint8_t suite, uint32_t local,
                         uint32_t remote)
{
    run.far = (struct session){.local_index = local, .remote_index = remote};
    require(session_derive(&run.far, noise, initiator, (enum suite)suite, run.now_us));
}

/* The peer calls with any payload; if it is answered it goes on with the new session. */
static void call(const uint8_t *bytes, size_t count)
{
    uint8_t datagram[INITIATION_BYTES] = {WIRE_INITIATION, WIRE_PART_WHOLE};
    uint8_t payload[INITIATION_PAYLOAD_BYTES] = {0};
    uint32_t index = ++run.next_index;
    struct hello hello;
    size_t written;
    memcpy(payload, bytes, count < sizeof payload ? count : sizeof payload);
    begin_handshake(&run.calling, true);
    store_be32(datagram + 4, index);
    require(noise_write(&run.calling, payload, sizeof payload, datagram + INITIATION_NOISE_OFFSET,
                        sizeof datagram, &written));
    add_macs(datagram, sizeof datagram);
    run.answered_bytes = 0;
    receive_forgery(&peer_at, datagram, sizeof datagram); /* it proves nothing before its data */
    if (run.answered_bytes == 0)
        return;
    require(load_be32(run.answered + 8) == index);
    require(handshake_read_response(&run.calling, run.answered, run.answered_bytes, &hello));
    require(hello.version == PROTOCOL_VERSION && hello.has_site);
    take_session(&run.calling, true, hello.suite[0], index, load_be32(run.answered + 4));
}

/* The peer answers the site's last call with any payload. */
static void answer(const uint8_t *bytes, size_t count)
{
    uint8_t datagram[INITIATION_BYTES] = {WIRE_RESPONSE, WIRE_PART_WHOLE};
    struct noise noise;
    struct hello hello;
    uint32_t index = ++run.next_index;
    uint64_t handshakes = site_counters(run.site)->handshakes;
    size_t written;
    if (run.called_bytes == 0)
        return;
    begin_handshake(&noise, false);
    require(handshake_read_initiation(&noise, run.called, &hello));
    store_be32(datagram + 4, index);
    memcpy(datagram + 8, run.called + 4, 4);
    count = count < RESPONSE_PAYLOAD_MAX_BYTES ? count : RESPONSE_PAYLOAD_MAX_BYTES;
    require(noise_write(&noise, bytes, count, datagram + RESPONSE_NOISE_OFFSET, sizeof datagram,
                        &written));
    written += RESPONSE_NOISE_OFFSET + 2 * MAC_TAG_BYTES;
    add_macs(datagram, written);

    /* The site may send at once, so the peer must be ready before it knows whether it is taken. */
    struct session before = run.far;
    uint8_t suite = count > 1 ? bytes[1] : 0;
    if (aead_available((enum suite)suite))
        take_session(&noise, false, suite, index, load_be32(run.called + 4));
    receive(&peer_at, datagram, written);
    if (site_counters(run.site)->handshakes == handshakes)
        run.far = before;
    run.called_bytes = 0;
}

/* ---- one run ---- */

static void seal(uint8_t *datagram, const uint8_t *bytes, size_t *count)
{
    size_t most = DATAGRAM_ROOM - DATA_HEADER_BYTES - AEAD_TAG_MAX_BYTES;
    *count = *count < most ? *count : most;
    memcpy(datagram + DATA_HEADER_BYTES, bytes, *count);
    *count = sealer_seal(&run.far.sealer, datagram, *count);
}

static void send_sealed(uint8_t argument, const uint8_t *bytes, size_t count)
{
    uint8_t datagram[DATAGRAM_ROOM];
    if (run.far.local_index == 0)
        return;
    seal(datagram, bytes, &count);
    receive(argument & 1 ? &elsewhere : &peer_at, datagram, count);
    receive_forgery(&elsewhere, datagram, count); /* a replay */
    if ((argument & 2) == 0)
        end_turn();
}

static void send_spoiled(uint8_t argument, const uint8_t *bytes, size_t count)
{
    uint8_t datagram[DATAGRAM_ROOM];
    if (run.far.local_index == 0 || count < 2)
        return;
    size_t place = load_be16(bytes);
    seal(datagram, bytes, &count);
    if (argument & 0x80)
        count--;
    else
        datagram[place % count] ^= (uint8_t)(1 << argument % 8);
    receive_forgery(&elsewhere, datagram, count);
}

static void send_mac1(uint8_t argument, const uint8_t *bytes, size_t count)
{
    uint8_t datagram[INITIATION_BYTES] = {WIRE_INITIATION, WIRE_PART_WHOLE};
    count = count < INITIATION_BYTES - 4 ? count : INITIATION_BYTES - 4;
    memcpy(datagram + 4, bytes, count);
    if (argument & 2)
        datagram[0] = WIRE_RESPONSE;
    size_t whole = argument & 2 ? count + 4 : INITIATION_BYTES;
    if (whole < 4 + 2 * MAC_TAG_BYTES)
        return;
    add_macs(datagram, whole);
    receive_forgery(argument & 1 ? &peer_at : &elsewhere, datagram, whole);
}

static void step(uint8_t kind, uint8_t argument, uint16_t number, const uint8_t *bytes,
                 size_t count)
{
    switch ((enum step_kind)(kind % STEP_KINDS)) {
    case STEP_RAW:
        receive_forgery(argument & 1 ? &peer_at : &elsewhere, bytes, count);
        break;
    case STEP_MAC1:
        send_mac1(argument, bytes, count);
        break;
    case STEP_SEALED:
        send_sealed(argument, bytes, count);
        break;
    case STEP_SPOILED:
        send_spoiled(argument, bytes, count);
        break;
    case STEP_FRAME:
        receive_lan(argument, bytes, count);
        break;
    case STEP_TIME:
        pass((uint64_t)number << argument % 16);
        break;
    case STEP_CALL:
        call(bytes, count);
        break;
    case STEP_ANSWER:
        answer(bytes, count);
        break;
    case STEP_KINDS:
        break;
    }
}

static void set_lan(uint8_t options)
{
    static const uint8_t own6[16] = {0x20, 1, 0x0d, 0xb8, [15] = 1};
    struct site_lan lan = {.tap_mac = {{0xfe, 0, 0, 0, 0, 1}},
                           .bridge_mac = {{2, 0, 0, 0, 0, 1}},
                           .own_count = 2,
                           .prefix_count = 2,
                           .tap_takes_large = (options & OPTION_LARGE) != 0,
                           .tap_takes_large_udp = (options & OPTION_LARGE) != 0};
    lan.own[0] = ip_v4((const uint8_t[4]){192, 168, 1, 1});
    lan.own[1] = ip_v6(own6);
    lan.prefix[0].address = ip_v4((const uint8_t[4]){192, 168, 1, 0});
    lan.prefix[0].length_bits = 24;
    lan.prefix[1].address = ip_v6((const uint8_t[16]){0x20, 1, 0x0d, 0xb8});
    lan.prefix[1].length_bits = 64;
    site_set_lan(run.site, &lan, run.now_us);
}

/* A site and its peer with a session, as the peer's call makes it. */
static void begin(uint8_t options)
{
    const struct site_ops ops = {.transmit = transmit,
                                 .deliver = deliver,
                                 .event = event,
                                 .enrol = enrol,
                                 .random = fill_random};
    struct site_config config = {
        .name = "near",
        .private_key = {0x40, 1},
        .guard = options & OPTION_NO_GUARD ? 0 : 0xff,
        .ttl_repair = TTL_REPAIR_MDNS | TTL_REPAIR_SSDP,
        .multicast_all = (options & OPTION_MULTICAST) != 0,
        .ra_routes = (options & OPTION_RA_ROUTES) != 0,
        .ipv6_on_link = true,
        .hub = (options & OPTION_HUB) != 0,
        .suite = {SUITE_CHACHA20POLY1305}, /* which every machine has */
        .suite_count = 1,
    };
    struct peer_config peer = {.name = "far", .has_key = true, .keepalive_us = 20000000};
    struct hello hello = {.version = PROTOCOL_VERSION,
                          .features = options & OPTION_PARTIAL ? FEATURE_CHECKSUM_PARTIAL : 0,
                          .order = 1,
                          .suite_count = 1,
                          .suite = {SUITE_CHACHA20POLY1305},
                          .has_site = true,
                          .site = {.name = "far"}};
    uint8_t payload[INITIATION_PAYLOAD_BYTES] = {0};

    run.now_us = 1000000;
    run.peer_private[0] = 0x48;
    require(site_init(run.site, &config, &ops, 1, UINT64_C(1) << 40, run.now_us));
    site_public_key(run.site, run.site_public);
    require(noise_public_from_private(run.peer_public, run.peer_private));
    memcpy(peer.public_key, run.peer_public, PUBLIC_KEY_BYTES);
    require(site_set_peer(run.site, &peer, run.now_us));
    site_set_endpoints(run.site, "far", &peer_at, 1, run.now_us);
    set_lan(options);
    hello_encode_initiation(&hello, payload);
    call(payload, sizeof payload);
    require(run.far.local_index != 0);
    send_sealed(0, payload, 0);
    pass(0);
}

static void map_site(void)
{
    size_t bytes = site_bytes();
    if (!run.site) {
        void *at = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        require(at != MAP_FAILED && sodium_init() >= 0);
        run.site = at;
    }
    require(madvise(run.site, bytes, MADV_DONTNEED) == 0); /* reads as zero again */
    struct site *site = run.site;
    memset(&run, 0, sizeof run);
    run.site = site;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    if (bytes == 0)
        return 0;
    map_site();
    begin(data[0]);
    for (size_t at = 1; at + 4 <= bytes;) {
        uint8_t kind = data[at], argument = data[at + 1];
        uint16_t number = load_be16(data + at + 2);
        at += 4;
        size_t left = bytes - at, count = number;
        if (kind % STEP_KINDS == STEP_TIME)
            count = 0;
        count = count < left ? count : left;
        step(kind, argument, number, data + at, count);
        at += count;
    }
    end_turn();
    return 0;
}
