/* SPDX-License-Identifier: MIT
 *
 * handshaking.c - who may call, who is called, and how a token becomes a peer.
 *
 * A peer has up to four sessions: current (we send on it), previous (still opened, for what is on
 * its way during a rekey), next (we answered an initiation; nothing proves yet that our answer
 * was wanted) and initiating (our initiation is out). Next becomes current when the first valid
 * datagram arrives on it; until then nothing about the peer changes, so that a replayed
 * initiation, or one under a guessed token, achieves nothing. Initiating becomes current with the
 * response, which is proof by itself. Because the responder opens both current and next, and each
 * side opens previous, no frame is lost while the two ends change over.
 *
 * Both call at once: if the other's initiation comes from where ours went, the end with the
 * greater public key stands by its own and ignores the other's, once; so one of them completes.
 *
 * Enrolment (PROTOCOL.md): the inviter answers an unknown key under the token's one-time PSK; the
 * key's first valid data datagram proves that it holds that PSK, enrols it and binds the token to
 * it. Until its first handshake under the lasting PSK the same key may retry with the token, so a
 * crash at any moment on either side is mended by retrying. Meanwhile only the joiner calls.
 */
#include "site/private.h"

#include "bytes.h"
#include "rate.h"

#include <sodium.h>
#include <string.h>

enum { INDEX_SLOT_BITS = 2, INDEX_PEER_BITS = 5 };

_Static_assert(SESSION_SLOTS == 1 << INDEX_SLOT_BITS, "a slot number fits its bits");
_Static_assert(SITE_PEERS_MAX == 1 << INDEX_PEER_BITS, "a peer number fits its bits");

#define CLAIM_US        UINT64_C(5000000) /* how long a claimant may take to prove its token */
#define COOKIE_HURRY_US UINT64_C(1000000)
#define LOAD_TOLD_US    UINT64_C(60000000)
#define ENROL_EACH_US   UINT64_C(30000000)

enum { ENROL_BURST = 8 };

/* ---- sessions and their indices ---- */

struct session *site_find_session(struct site *site, uint32_t index, struct peer **peer)
{
    struct peer *p = &site->peer[(index >> INDEX_SLOT_BITS) % SITE_PEERS_MAX];
    struct session *session = &p->slot[index % SESSION_SLOTS];
    if (index == 0 || !p->used || session->local_index != index)
        return NULL;
    *peer = p;
    return session;
}

static struct session *take_slot(struct site *site, struct peer *peer)
{
    for (unsigned i = 0; i < SESSION_SLOTS; i++) {
        struct session *s = &peer->slot[i];
        uint32_t high = 0;
        if (s->local_index != 0)
            continue;
        while (high == 0) {
            site_random(site, &high, sizeof high);
            high >>= INDEX_SLOT_BITS + INDEX_PEER_BITS;
        }
        s->local_index = high << (INDEX_SLOT_BITS + INDEX_PEER_BITS) |
                         (uint32_t)peer_number(site, peer) << INDEX_SLOT_BITS | i;
        return s;
    }
    return NULL; /* cannot be: the other three roles have a slot each */
}

static struct peer *find_peer_by_key(struct site *site, const uint8_t *public_key)
{
    for_each_peer(site, peer) if (peer->config.has_key &&
                                  memcmp(peer->config.public_key, public_key, PUBLIC_KEY_BYTES) ==
                                      0) return peer;
    return NULL;
}

static struct peer *find_peer_by_token(struct site *site, const uint8_t *token_id)
{
    for_each_peer(site, peer) if (peer_awaits_enrolment(peer) &&
                                  sodium_memcmp(peer->config.token_id, token_id, TOKEN_ID_BYTES) ==
                                      0) return peer;
    return NULL;
}

/* ---- calling ---- */

bool peer_callable(const struct peer *peer)
{
    return peer->config.has_key && !peer_awaits_enrolment(peer) && peer_has_target(peer);
}

static void own_keys(struct site *site, struct noise_keys *keys)
{
    memset(keys, 0, sizeof *keys);
    memcpy(keys->s_private, site->config.private_key, sizeof keys->s_private);
    memcpy(keys->s_public, site->public_key, sizeof keys->s_public);
    site_random(site, keys->e_private, sizeof keys->e_private);
}

static bool take_order_number(struct site *site, uint64_t *order)
{
    bool none_left = site->order_next >= site->order_limit;
    if (none_left || (!site->order_low_told && site->order_next + 1024 >= site->order_limit)) {
        site->order_low_told = true;
        site_report(site, EVENT_ORDER_LOW, NULL);
    }
    if (site->order_next >= site->order_limit)
        return false;
    *order = site->order_next++;
    return true;
}

static void fill_initiation(const struct site *site, const struct peer *peer, struct hello *hello)
{
    hello->version = PROTOCOL_VERSION;
    hello->features = FEATURE_CHECKSUM_PARTIAL;
    hello->suite_count = site->config.suite_count;
    memcpy(hello->suite, site->config.suite, site->config.suite_count);
    hello->has_token = peer->config.joining;
    if (peer->config.joining) {
        memcpy(hello->token_id, peer->config.token_id, TOKEN_ID_BYTES);
    } else {
        hello->has_site = true;
        site_compose_info(site, peer, &hello->site);
    }
}

static void send_everywhere(struct site *site, struct peer *peer, const uint8_t *datagram)
{
    struct endpoint to[PATHS_MAX];
    size_t count = peer_targets(site, peer, to);
    for (size_t i = 0; i < count; i++)
        site_transmit_now(site, &to[i], datagram, INITIATION_BYTES);
}

void peer_initiate(struct site *site, struct peer *peer)
{
    uint8_t datagram[INITIATION_BYTES];
    struct hello hello = {0};
    struct noise_keys keys;
    uint32_t jitter;

    site_random(site, &jitter, sizeof jitter);
    liveness_handshake_sent(&peer->liveness, jitter, site->now_us);
    if (!take_order_number(site, &hello.order))
        return;
    peer_drop_session(peer, &peer->initiating);
    peer->initiating = take_slot(site, peer);
    peer->initiating->enrolling = peer->config.joining;

    own_keys(site, &keys);
    memcpy(keys.rs_public, peer->config.public_key, PUBLIC_KEY_BYTES);
    memcpy(keys.psk, peer->config.joining ? peer->config.token_psk : peer->config.psk, PSK_BYTES);
    handshake_begin(&peer->noise, true, &keys);
    sodium_memzero(&keys, sizeof keys);
    fill_initiation(site, peer, &hello);
    if (!handshake_write_initiation(&peer->noise, &hello, peer->initiating->local_index,
                                    datagram)) {
        peer_drop_session(peer, &peer->initiating);
        return;
    }
    cookie_add_macs(&peer->cookie_jar, &peer->cookie_key, datagram, sizeof datagram, site->now_us);
    send_everywhere(site, peer, datagram);
}

static void receive_response(struct site *site, const uint8_t *datagram, size_t bytes)
{
    struct hello hello;
    struct peer *peer;
    struct session *session = site_find_session(site, load_be32(datagram + 8), &peer);

    if (!session || session != peer->initiating) {
        site->counters.unknown_index++;
        return;
    }
    struct noise noise = peer->noise; /* a forged response must not spoil the handshake */
    if (!handshake_read_response(&noise, datagram, bytes, &hello)) {
        site->counters.auth_failed++;
        noise_wipe(&noise);
        return;
    }
    enum suite suite =
        aead_choose(site->config.suite, site->config.suite_count, hello.suite, hello.suite_count);
    if (hello.version != PROTOCOL_VERSION || suite == SUITE_NONE) {
        site->counters.handshakes_refused++;
        noise_wipe(&noise);
        return;
    }
    session->remote_index = load_be32(datagram + 4);
    session->remote_features = hello.features;
    bool derived = session_derive(session, &noise, true, suite, site->now_us);
    noise_wipe(&noise);
    noise_wipe(&peer->noise);
    if (!derived) {
        peer_drop_session(peer, &peer->initiating);
        return;
    }
    peer->initiating = NULL;
    peer_set_session(site, peer, session);
    peer_path_proved(site, peer);
    if (hello.has_site)
        peer_take_site_info(site, peer, &hello.site);
    peer_came_up(site, peer);
    peer_probe(site, peer); /* proves us to the responder, who may not send before */
    peer_tell_candidates(site, peer);
}

/* ---- being called ---- */

static void report_refusal(struct site *site, const struct peer *invited)
{
    struct site_event event = {.kind = EVENT_TOKEN_REFUSED,
                               .peer = invited ? invited->config.name : NULL,
                               .endpoint = site->from};
    site->ops.event(site->ops.context, &event);
}

/* Who presents what: the rules of the enrolment, and of ordinary peers. Under which PSK do we
 * answer, and is the session then one of an enrolment? NULL: not at all. */
static struct peer *judge_caller(struct site *site, const uint8_t *key, const struct hello *hello,
                                 const uint8_t **psk, bool *enrolling)
{
    struct peer *peer = find_peer_by_key(site, key);
    *enrolling = hello->has_token;
    if (!hello->has_token) {
        if (!peer || peer->config.joining)
            return NULL;
        *psk = peer->config.psk;
        return peer;
    }
    struct peer *invited = find_peer_by_token(site, hello->token_id);
    if (!invited || (peer && peer != invited) || (!peer && invited->config.has_key) ||
        site->now_us >= invited->config.token_until_us) {
        report_refusal(site, invited);
        return NULL;
    }
    *psk = invited->config.token_psk;
    return invited;
}

/* One claimant at a time; another key waits until the first has had its chance to prove itself. */
static bool admit_claimant(struct site *site, struct peer *peer, const uint8_t *key)
{
    bool same = peer->has_claimant && memcmp(peer->claimant, key, PUBLIC_KEY_BYTES) == 0;
    if (peer->has_claimant && !same && site->now_us - peer->claimed_us < CLAIM_US) {
        report_refusal(site, peer);
        return false;
    }
    if (!same)
        peer->order_greatest = 0;
    peer->has_claimant = true;
    peer->claimed_us = site->now_us;
    memcpy(peer->claimant, key, PUBLIC_KEY_BYTES);
    return true;
}

/* Both call at once: one call is enough. But ours may have come before the other was running, so it
 * is made again; and only once in an attempt, for ours may not get there at all. */
static bool ours_stands(struct site *site, struct peer *peer)
{
    if (!peer->initiating || peer->ignored_initiation || !paths_knows(&peer->paths, &site->from) ||
        memcmp(site->public_key, peer->config.public_key, PUBLIC_KEY_BYTES) < 0)
        return false;
    peer->ignored_initiation = true;
    liveness_call(&peer->liveness, site->now_us);
    return true;
}

static void respond(struct site *site, struct peer *peer, struct noise *noise,
                    const struct hello *theirs, bool enrolling, uint32_t remote_index)
{
    uint8_t datagram[INITIATION_BYTES];
    struct hello hello = {
        .version = PROTOCOL_VERSION, .features = FEATURE_CHECKSUM_PARTIAL, .suite_count = 1};
    struct cookie_key their_key;
    struct cookie_jar no_cookie = {0};

    enum suite suite = aead_choose(site->config.suite, site->config.suite_count, theirs->suite,
                                   theirs->suite_count);
    if (suite == SUITE_NONE) {
        site->counters.handshakes_refused++;
        return;
    }
    hello.suite[0] = (uint8_t)suite;
    hello.has_site = !enrolling; /* an unproved key learns nothing about this LAN */
    if (hello.has_site)
        site_compose_info(site, peer, &hello.site);

    peer_drop_session(peer, &peer->next);
    struct session *session = take_slot(site, peer);
    session->enrolling = enrolling;
    session->remote_index = remote_index;
    session->remote_features = theirs->features;
    cookie_key_derive(&their_key, noise_remote_static(noise));
    size_t bytes =
        handshake_write_response(noise, &hello, session->local_index, remote_index, datagram);
    if (bytes == 0 || !session_derive(session, noise, false, suite, site->now_us)) {
        session_wipe(session);
        return;
    }
    peer->next = session;
    memcpy(peer->next_key, noise_remote_static(noise), PUBLIC_KEY_BYTES);
    peer->next_has_remote = theirs->has_site && !enrolling;
    peer->next_remote = theirs->site;
    cookie_add_macs(&no_cookie, &their_key, datagram, bytes, site->now_us);
    site_transmit_now(site, &site->from, datagram, bytes);
}

static void answer_initiation(struct site *site, const uint8_t *datagram, struct noise *noise)
{
    struct hello hello;
    const uint8_t *psk = NULL;
    bool enrolling;

    if (!handshake_read_initiation(noise, datagram, &hello)) {
        site->counters.auth_failed++;
        return;
    }
    const uint8_t *key = noise_remote_static(noise);
    struct peer *peer = judge_caller(site, key, &hello, &psk, &enrolling);
    if (!peer || hello.version != PROTOCOL_VERSION ||
        (enrolling && !peer->config.has_key && !admit_claimant(site, peer, key))) {
        site->counters.handshakes_refused++;
        return;
    }
    if (hello.order <= peer->order_greatest) {
        site->counters.replay_dropped++;
        return;
    }
    peer->order_greatest = hello.order;
    if (!enrolling && ours_stands(site, peer))
        return;
    noise_set_psk(noise, psk);
    respond(site, peer, noise, &hello, enrolling, load_be32(datagram + 4));
}

/* Whose allowance it draws from: what comes through a peer may say that it is of anyone. */
static struct ip_address admission_source(const struct endpoint *from)
{
    if (from->via < VIA_PEER)
        return from->address;
    return (struct ip_address){.family = IP_SITE, .octet = {from->via}};
}

/* Now and then, while it lasts. */
static void report_load(struct site *site)
{
    if (site->load_told && site->now_us - site->load_told_us <= LOAD_TOLD_US)
        return;
    site->load_told = true;
    site->load_told_us = site->now_us;
    site_report(site, EVENT_UNDER_LOAD, NULL);
}

static void renew_cookie_secret(struct site *site)
{
    uint8_t secret[32];
    if (!cookie_needs_secret(&site->cookie_maker, site->now_us))
        return;
    site_random(site, secret, sizeof secret);
    cookie_set_secret(&site->cookie_maker, secret, site->now_us);
    sodium_memzero(secret, sizeof secret);
}

static void send_cookie(struct site *site, const uint8_t *datagram, size_t bytes)
{
    uint8_t reply[COOKIE_BYTES], nonce[crypto_aead_xchacha20poly1305_ietf_NPUBBYTES];
    if (!admission_check_cookie(&site->admission, site->now_us)) {
        site->counters.handshakes_refused++;
        return;
    }
    site_random(site, nonce, sizeof nonce);
    cookie_make_reply(&site->cookie_maker, reply, load_be32(datagram + 4), nonce, datagram, bytes,
                      &site->from);
    site_transmit_now(site, &site->from, reply, sizeof reply);
    site->counters.cookies_sent++;
}

/* Whether an initiation is worth its computation (tunnel/admission.h). */
static bool admit(struct site *site, const uint8_t *datagram, size_t bytes)
{
    if (admission_check(&site->admission, site->now_us) == ADMIT)
        return true;
    report_load(site);
    renew_cookie_secret(site);
    if (cookie_mac2_valid(&site->cookie_maker, datagram, bytes, &site->from)) {
        struct ip_address source = admission_source(&site->from);
        return admission_check_source(&site->admission, &source, site->now_us);
    }
    send_cookie(site, datagram, bytes);
    return false;
}

static void receive_initiation(struct site *site, const uint8_t *datagram, size_t bytes)
{
    struct noise_keys keys;
    struct noise noise;
    if (!admit(site, datagram, bytes))
        return;
    own_keys(site, &keys);
    handshake_begin(&noise, false, &keys);
    answer_initiation(site, datagram, &noise);
    sodium_memzero(&keys, sizeof keys);
    noise_wipe(&noise);
}

static void receive_cookie(struct site *site, const uint8_t *datagram)
{
    struct peer *peer;
    struct session *session = site_find_session(site, load_be32(datagram + 4), &peer);
    if (!session || session != peer->initiating) {
        site->counters.unknown_index++;
        return;
    }
    if (!cookie_consume_reply(&peer->cookie_jar, &peer->cookie_key, datagram, site->now_us)) {
        site->counters.auth_failed++;
        return;
    }
    site->counters.cookies_received++;
    if (site->now_us - peer->cookie_hurried_us >= COOKIE_HURRY_US) {
        peer->cookie_hurried_us = site->now_us;
        liveness_call(&peer->liveness, site->now_us);
    }
}

static bool handshake_shape_ok(const uint8_t *datagram, size_t bytes)
{
    if (bytes < COOKIE_BYTES || datagram[1] != WIRE_PART_WHOLE || load_be16(datagram + 2) != 0)
        return false;
    switch (datagram[0]) {
    case WIRE_INITIATION:
        return bytes == INITIATION_BYTES;
    case WIRE_RESPONSE:
        return bytes <= INITIATION_BYTES &&
               bytes >= RESPONSE_NOISE_OFFSET + NOISE_2_OVERHEAD_BYTES + 2 * MAC_TAG_BYTES;
    default:
        return bytes == COOKIE_BYTES;
    }
}

void site_receive_handshake(struct site *site, const uint8_t *datagram, size_t bytes)
{
    if (!handshake_shape_ok(datagram, bytes)) {
        site->counters.malformed++;
        return;
    }
    if (datagram[0] == WIRE_COOKIE) {
        receive_cookie(site, datagram);
        return;
    }
    if (!cookie_mac1_valid(&site->cookie_maker, datagram, bytes)) {
        site->counters.auth_failed++;
        return;
    }
    if (datagram[0] == WIRE_INITIATION)
        receive_initiation(site, datagram, bytes);
    else
        receive_response(site, datagram, bytes);
}

/* ---- proof ---- */

/* The inviter's side: the first data on a session under the token's PSK enrols its key; the
 * first under the lasting PSK ends the token. False: it could not be stored, so it is not so. */
static bool settle_token(struct site *site, struct peer *peer, const struct session *session)
{
    struct site_enrolment enrolment = {.peer = peer->config.name, .confirmed = !session->enrolling};
    if (!peer_awaits_enrolment(peer))
        return true;
    /* Each is written to disk; and who holds a token may begin again and again. */
    if (session->enrolling &&
        !rate_admits(&peer->enrolled_whole_us, ENROL_EACH_US, ENROL_BURST, site->now_us)) {
        site->counters.handshakes_refused++;
        return false;
    }
    memcpy(enrolment.public_key,
           session->enrolling && !peer->config.has_key ? peer->next_key : peer->config.public_key,
           PUBLIC_KEY_BYTES);
    memcpy(enrolment.psk, session->enrolling ? session->lasting_psk : peer->config.psk, PSK_BYTES);
    bool stored = site->ops.enrol(site->ops.context, &enrolment);
    if (stored) {
        peer->config.has_key = true;
        peer->config.has_token = session->enrolling;
        if (!session->enrolling)
            sodium_memzero(peer->config.token_psk, PSK_BYTES);
        memcpy(peer->config.public_key, enrolment.public_key, PUBLIC_KEY_BYTES);
        memcpy(peer->config.psk, enrolment.psk, PSK_BYTES);
        cookie_key_derive(&peer->cookie_key, peer->config.public_key);
    }
    sodium_memzero(&enrolment, sizeof enrolment);
    return stored;
}

bool peer_prove_next(struct site *site, struct peer *peer)
{
    struct session *session = peer->next;
    if (!settle_token(site, peer, session)) {
        peer_drop_session(peer, &peer->next);
        return false;
    }
    peer->next = NULL;
    peer_set_session(site, peer, session);
    peer_path_proved(site, peer);
    if (peer->next_has_remote)
        peer_take_site_info(site, peer, &peer->next_remote);
    if (session->enrolling)
        peer_tell_site(site, peer); /* now that it is proved; for the joiner this is our word */
    peer_tell_candidates(site, peer);
    return true;
}

/* The joiner's side: data on the enrolment's session says that the inviter has stored us. */
void peer_finish_joining(struct site *site, struct peer *peer, const struct session *session)
{
    struct site_enrolment enrolment = {.peer = peer->config.name, .joining = true};
    if (!peer->config.joining || !session->enrolling)
        return;
    memcpy(enrolment.public_key, peer->config.public_key, PUBLIC_KEY_BYTES);
    memcpy(enrolment.psk, session->lasting_psk, PSK_BYTES);
    if (site->ops.enrol(site->ops.context, &enrolment)) {
        memcpy(peer->config.psk, enrolment.psk, PSK_BYTES);
        peer->config.joining = peer->config.has_token = peer->liveness.eager = false;
        sodium_memzero(peer->config.token_psk, PSK_BYTES);
        peer_tell_site(site, peer);
        liveness_call(&peer->liveness, site->now_us); /* under the lasting PSK: ends the token */
    }
    sodium_memzero(&enrolment, sizeof enrolment);
}
