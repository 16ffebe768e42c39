/* SPDX-License-Identifier: MIT
 *
 * notes.c - notes from the egress, as calls or as messages. See border.h.
 *
 * The functions named take_*() are what a note means to the site. In one thread they are called at
 * once, in two when the message is read. What was sent and counted is summed up, and told now and
 * then; when there is no room, later.
 */
#include "site/border.h"

#include "site/message.h"
#include "site/private.h"

#include <string.h>

enum {
    NOTED_FRAME_MAX_BYTES = 2048, /* all that teaches is smaller, or none the wiser */
    /* Of the mailbox, what can be lost leaves so much to loop probes, what was sent, and counters.
     * As in orders.c, less than half of the least one. */
    KEPT_BYTES = 1024,
};

#define TELL_EACH_US UINT64_C(10000) /* what was sent and counted */

enum note {
    NOTE_FRAME,     /* the frame */
    NOTE_CAME_HOME, /* home_note */
    NOTE_SENT,      /* sent_note */
    NOTE_COUNTED,   /* struct site_counters */
};

struct home_note {
    struct mac mac;
    uint16_t vlan_id;
};

struct sent_note {
    struct egress_sent sent;
    uint16_t peer, tenant;
};

/* ---- what notes mean ---- */

static size_t note_head_bytes(unsigned kind)
{
    static const size_t bytes[] = {
        [NOTE_FRAME] = 0,
        [NOTE_CAME_HOME] = sizeof(struct home_note),
        [NOTE_SENT] = sizeof(struct sent_note),
        [NOTE_COUNTED] = sizeof(struct site_counters),
    };
    return bytes[kind];
}

static void take_frame(struct site *site, const struct message *m)
{
    struct packet packet;
    if (!packet_parse(&packet, m->body, m->body_bytes))
        return; /* cannot be: it was parsed before */
    if (loop_is_probe(&packet))
        site_receive_probe_frame(site, &packet, NULL);
    else
        site_learn_frame(site, &packet);
    border_publish(site); /* the next frame may not be forwarded any more */
}

/* Noted once for each frame until it is forgotten here: only the first of them is a move. */
static void take_came_home(struct site *site, const struct message *m)
{
    struct home_note note;
    memcpy(&note, m->head, sizeof note);
    if (fdb_lookup(&site->remote_macs, &note.mac, note.vlan_id, site->now_us) < 0)
        return;
    fdb_forget(&site->remote_macs, &note.mac, note.vlan_id);
    site_note_flap(site, &note.mac);
}

static void take_sent(struct site *site, const struct message *m)
{
    struct sent_note note;
    memcpy(&note, m->head, sizeof note);
    struct peer *peer = &site->peer[note.peer];
    if (!peer->used || note.tenant != site->known.peer[note.peer].tenant)
        return;
    peer->tx_frames += note.sent.frames;
    peer->tx_bytes += note.sent.bytes;
    if (note.sent.asks)
        liveness_asked(&peer->liveness, note.sent.last_us);
    else
        liveness_sent(&peer->liveness, note.sent.last_us);
    peer_mtu_sent(peer, note.sent.largest_bytes, note.sent.last_us);
}

/* All of its members are uint64_t. */
static void take_counted(struct site *site, const struct message *m)
{
    uint64_t more[sizeof(struct site_counters) / sizeof(uint64_t)], sum[sizeof more / sizeof *more];
    memcpy(more, m->head, sizeof more);
    memcpy(sum, &site->counters, sizeof sum);
    for (size_t i = 0; i < sizeof sum / sizeof *sum; i++)
        sum[i] += more[i];
    memcpy(&site->counters, sum, sizeof sum);
}

static void take(struct site *site, const struct message *m)
{
    static void (*const how[])(struct site *, const struct message *) = {
        [NOTE_FRAME] = take_frame,
        [NOTE_CAME_HOME] = take_came_home,
        [NOTE_SENT] = take_sent,
        [NOTE_COUNTED] = take_counted,
    };
    how[m->kind](site, m);
}

void site_take_notes(struct site *site, uint64_t now_us)
{
    const size_t capacity = site->notes ? site->notes->capacity : 0;
    struct mailbox_message m;
    size_t taken = 0;
    site->now_us = now_us;
    while (taken < capacity && mailbox_peek(site->notes, &m)) {
        struct message note = message_read(&m, note_head_bytes(m.kind));
        taken += MAILBOX_HEAD_BYTES + m.length;
        take(site, &note);
        mailbox_done(site->notes);
    }
}

/* ---- giving notes ---- */

/* @keep_bytes: what must stay free in the mailbox. Return: false when it is lost */
static bool tell(struct egress *egress, const struct message *m, size_t keep_bytes)
{
    if (egress->site) {
        egress->site->now_us = egress->now_us;
        take(egress->site, m);
        return true;
    }
    if (!message_put(egress->notes, m, keep_bytes))
        return false;
    egress->notes_given = true;
    return true;
}

/* A storm of frames that teach must not hide the probes that tell it is a loop's. */
void note_frame(struct egress *egress, struct packet *packet)
{
    struct message note = {NOTE_FRAME, NULL, 0, packet->frame, packet->frame_bytes};
    size_t keep_bytes = loop_is_probe(packet) ? 0 : KEPT_BYTES;
    if (packet->frame_bytes <= NOTED_FRAME_MAX_BYTES && !tell(egress, &note, keep_bytes))
        egress->counters->notes_lost++;
}

void note_came_home(struct egress *egress, const struct mac *mac, uint16_t vlan_id)
{
    struct home_note home = {*mac, vlan_id};
    struct message note = {NOTE_CAME_HOME, &home, sizeof home, NULL, 0};
    if (!tell(egress, &note, KEPT_BYTES))
        egress->counters->notes_lost++;
}

static void tell_sent(struct egress *egress, struct egress_peer *peer)
{
    struct sent_note sent = {peer->sent, (uint16_t)(peer - egress->peer), peer->path.tenant};
    struct message note = {NOTE_SENT, &sent, sizeof sent, NULL, 0};
    if (tell(egress, &note, 0))
        peer->sent = (struct egress_sent){0};
}

void note_sent(struct egress *egress, struct egress_peer *peer, size_t datagram_bytes,
               size_t outer_bytes)
{
    struct egress_sent *sent = &peer->sent;
    sent->last_us = egress->now_us;
    sent->bytes += datagram_bytes;
    if (outer_bytes > sent->largest_bytes)
        sent->largest_bytes = (uint16_t)outer_bytes;
    if (egress->site)
        tell_sent(egress, peer);
}

static bool anything_counted(const struct egress *egress)
{
    static const struct site_counters none;
    return memcmp(&egress->counted, &none, sizeof none) != 0;
}

void note_all(struct egress *egress)
{
    for (struct egress_peer *p = egress->peer; p < egress->peer + SITE_PEERS_MAX; p++)
        if (p->sent.largest_bytes != 0)
            tell_sent(egress, p);
    struct message counted = {NOTE_COUNTED, &egress->counted, sizeof egress->counted, NULL, 0};
    if (anything_counted(egress) && tell(egress, &counted, 0))
        egress->counted = (struct site_counters){0};
}

static bool has_untold(const struct egress *egress)
{
    for (const struct egress_peer *p = egress->peer; p < egress->peer + SITE_PEERS_MAX; p++)
        if (p->sent.largest_bytes != 0)
            return true;
    return anything_counted(egress);
}

void note_counts(struct egress *egress)
{
    if (egress->site)
        return;
    egress->untold = has_untold(egress);
    if (egress->untold && egress->now_us - egress->told_us >= TELL_EACH_US) {
        egress->told_us = egress->now_us;
        note_all(egress);
        egress->untold = has_untold(egress);
    }
    /* Also when it only had no room: it offers its orders again whenever it is awake. */
    if (egress->notes_given || egress->made_room)
        egress->ops.wake_site(egress->ops.context);
    egress->notes_given = egress->made_room = false;
}

uint64_t egress_deadline_us(const struct egress *egress)
{
    return egress->untold ? egress->told_us + TELL_EACH_US : UINT64_MAX;
}
