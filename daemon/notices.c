/* SPDX-License-Identifier: MIT
 *
 * notices.c - see notices.h
 */
#include "notices.h"

#include "clock.h"
#include "copy.h"
#include "daemon.h"
#include "text.h"

#include <string.h>

enum { LOOK_MS = 1000 };

/* ---- what holds now ---- */

static struct notice *hold(struct notice_list *list, enum notice_kind kind, const char *peer)
{
    struct notice *notice = &list->held[list->count++];

    *notice = (struct notice){.kind = kind};
    copy_text(notice->peer, sizeof notice->peer, peer);
    return notice;
}

/* One that has not accepted us yet answers, but carries nothing. */
static void see_peer(const struct daemon *daemon, const struct peer_status *peer,
                     struct notice_list *now)
{
    const char *path = status_path_name(peer);

    if (path != NULL && !peer->joining) {
        struct notice *notice = hold(now, NOTICE_PEER_UP, peer->name);
        copy_text(notice->path, sizeof notice->path, path);
        status_where(daemon->site, &peer->endpoint, notice->endpoint);
    }
    if (peer->shut)
        hold(now, NOTICE_LOOP, peer->name);
}

/* Different subnets are no event: they are how the homes were set up. */
static void see_clash(const struct site_clash *clash, struct notice_list *now)
{
    struct notice *notice;

    if (clash->kind == CLASH_SUBNET)
        return;
    notice = hold(now, NOTICE_CLASH, clash->peer);
    copy_text(notice->clash, sizeof notice->clash, status_clash_name(clash->kind));
    text_address(&clash->address, notice->address);
}

static void see(const struct daemon *daemon, struct notice_list *now)
{
    struct site_clash clash[SITE_CLASHES_MAX];
    uint64_t now_us = clock_now_us();
    size_t clashes = site_clashes(daemon->site, now_us, clash, SITE_CLASHES_MAX);

    now->count = 0;
    for (size_t i = 0; i < site_peer_count(daemon->site); i++) {
        struct peer_status peer;
        site_peer_status(daemon->site, i, now_us, &peer);
        see_peer(daemon, &peer, now);
    }
    for (size_t i = 0; i < clashes; i++)
        see_clash(&clash[i], now);
    if (site_port_shut(daemon->site))
        hold(now, NOTICE_LOOP, "");
}

/* ---- what is new ---- */

static const struct notice *find(const struct notice_list *list, const struct notice *like)
{
    for (const struct notice *n = list->held; n < list->held + list->count; n++)
        if (n->kind == like->kind && strcmp(n->peer, like->peer) == 0 &&
            strcmp(n->clash, like->clash) == 0 && strcmp(n->address, like->address) == 0)
            return n;
    return NULL;
}

static void tell_end(struct daemon *daemon, const struct notice *held)
{
    static const enum notice_kind ends[] = {[NOTICE_PEER_UP] = NOTICE_PEER_DOWN,
                                            [NOTICE_CLASH] = NOTICE_CLASH_OVER,
                                            [NOTICE_LOOP] = NOTICE_LOOP_OVER};
    struct notice notice = *held;

    notice.kind = ends[held->kind];
    notice.path[0] = notice.endpoint[0] = '\0';
    event_command_add(&daemon->event_command, &notice);
}

static void tell_difference(struct daemon *daemon, const struct notice_list *before,
                            const struct notice_list *now)
{
    for (size_t i = 0; i < before->count; i++)
        if (find(now, &before->held[i]) == NULL)
            tell_end(daemon, &before->held[i]);
    for (size_t i = 0; i < now->count; i++) {
        struct notice notice = now->held[i];
        const struct notice *held = find(before, &notice);
        if (held != NULL && strcmp(held->path, notice.path) == 0)
            continue;
        if (held != NULL)
            notice.kind = NOTICE_PEER_PATH;
        event_command_add(&daemon->event_command, &notice);
    }
}

static void look(struct daemon *daemon)
{
    struct notice_list now;

    daemon->notices.look = false;
    if (!event_command_is_set(&daemon->event_command))
        return;
    see(daemon, &now);
    tell_difference(daemon, &daemon->notices.told, &now);
    daemon->notices.told = now;
}

static void on_look(uv_timer_t *timer)
{
    look(timer->data);
}

/* ---- what others tell ---- */

void notices_start(struct daemon *daemon)
{
    event_command_start(&daemon->event_command, &daemon->loop, daemon->config_path,
                        daemon->config->name, daemon->tap.name);
    uv_timer_init(&daemon->loop, &daemon->notices.timer);
    daemon->notices.timer.data = daemon;
}

void notices_set_program(struct daemon *daemon)
{
    struct notices *notices = &daemon->notices;

    event_command_set_program(&daemon->event_command, daemon->config->event_command);
    notices->look = true;
    if (event_command_is_set(&daemon->event_command)) {
        uv_timer_start(&notices->timer, on_look, LOOK_MS, LOOK_MS);
    } else {
        uv_timer_stop(&notices->timer);
        notices->told.count = 0;
    }
}

void notices_enrolled(struct daemon *daemon, const char *peer)
{
    struct notice notice = {.kind = NOTICE_PEER_ENROLLED};

    copy_text(notice.peer, sizeof notice.peer, peer);
    event_command_add(&daemon->event_command, &notice);
}

void notices_settle(struct daemon *daemon)
{
    if (daemon->notices.look)
        look(daemon);
}
