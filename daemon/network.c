/* SPDX-License-Identifier: MIT
 *
 * network.c - see network.h.
 */
#include "network.h"

#include "clock.h"
#include "log.h"

#include <stdlib.h>
#include <string.h>

enum {
    DEBOUNCE_MS = 50,
    RETRY_MS = 1000, /* after what the kernel refused; between two attempts to put the TAP back */
};

static const struct link *link_by_index(const struct network *network, int index)
{
    for (size_t i = 0; i < network->link_count; i++)
        if (index != 0 && network->links[i].index == index)
            return &network->links[i];
    return NULL;
}

static const struct link *link_by_name(const struct network *network, const char *name)
{
    for (size_t i = 0; i < network->link_count; i++)
        if (strcmp(network->links[i].name, name) == 0)
            return &network->links[i];
    return NULL;
}

static void drop_links(struct network *network)
{
    free(network->links);
    network->links = NULL;
    network->link_count = 0;
}

/* ---- joining and leaving ---- */

static bool find_bridge(struct network *network, struct link *out, struct error *error)
{
    const char *name = network->bridge_name;

    if (!netlink_link_by_name(network->netlink, name, out))
        error_set(error, EXIT_FAILED,
                  "no such bridge: %s: make it first, or change 'bridge' in [site]", name);
    else if (strcmp(out->kind, "bridge") != 0)
        error_set(error, EXIT_FAILED, "not a bridge: %s: change 'bridge' in [site]", name);
    else
        return true;
    return false;
}

static bool join(struct network *network, const struct link *bridge)
{
    if (!bridge_join(network->netlink, bridge, network->tap->index))
        return false;
    if (network->before.index != bridge->index)
        network->before = *bridge;
    network->bridge = *bridge;
    return true;
}

bool network_attach(struct network *network, struct netlink *netlink, struct tap *tap,
                    const char *bridge, struct error *error)
{
    struct link target = {0};

    *network = (struct network){.netlink = netlink, .tap = tap};
    memcpy(network->bridge_name, bridge, strnlen(bridge, IFNAMSIZ - 1));
    if (bridge[0] != '\0' && !find_bridge(network, &target, error))
        return false;
    if (tap->found && tap->former.master != 0)
        bridge_read_port(netlink, tap->index, &network->former_port);
    if (!tap_start(tap, netlink, target.mtu, error))
        return false;
    if (bridge[0] == '\0' || join(network, &target))
        return true;
    error_set(error, EXIT_FAILED, "cannot put the TAP %s into the bridge: %s", tap->name, bridge);
    return false;
}

/* A TAP that was found goes back to where it was; one we made leaves with tap_close(). */
void network_detach(struct network *network)
{
    struct tap *tap = network->tap;
    struct link now;

    if (tap->fd >= 0 && netlink_link_by_index(network->netlink, tap->index, &now)) {
        int master = tap->found ? tap->former.master : 0;
        if (now.master != master)
            netlink_set_master(network->netlink, tap->index, master);
        if (tap->found && master != 0)
            bridge_restore_port(network->netlink, tap->index, &network->former_port);
    }
    network->bridge = (struct link){0};
}

void network_restore_bridge(struct network *network)
{
    if (network->before.index != 0)
        bridge_restore(network->netlink, &network->before, &network->tap->mac);
}

void network_flush(struct network *network)
{
    if (network->bridge.index != 0)
        bridge_flush_port(network->netlink, network->tap->index);
}

bool network_is_attached(const struct network *network)
{
    return network->bridge.index != 0;
}

/* ---- refresh ---- */

static void schedule(struct network *network, uint64_t ms);

/* Return: whether @code is 0; otherwise all stays as it is and is read again later */
static bool was_read(struct network *network, const char *what, int code)
{
    if (code == 0)
        return true;
    log_warn("cannot read the %s: %s: trying again", what, netlink_error_text(code));
    schedule(network, RETRY_MS);
    return false;
}

static bool read_links(struct network *network)
{
    drop_links(network);
    return was_read(network, "network interfaces",
                    netlink_links(network->netlink, &network->links, &network->link_count));
}

/* Return: whether an attempt may be made now; otherwise a refresh is scheduled for later */
static bool may_try(struct network *network)
{
    uint64_t now_us = clock_now_us();

    if (now_us < network->next_try_us) {
        schedule(network, (network->next_try_us - now_us) / 1000 + 1);
        return false;
    }
    network->next_try_us = now_us + RETRY_MS * UINT64_C(1000);
    return true;
}

static void tell_tap(struct network *network, bool present)
{
    network->listener.tap(network->listener.context, present);
}

/* Return: the TAP's link, made again if need be; NULL when there is none for now */
static const struct link *mend_tap(struct network *network)
{
    struct tap *tap = network->tap;
    const struct link *link = link_by_index(network, tap->index);
    struct error error;

    if (link != NULL && tap->fd >= 0)
        return link;
    if (tap->fd >= 0) {
        log_warn("the TAP %s was deleted: making it again", tap->name);
        tell_tap(network, false);
    }
    if (!may_try(network))
        return NULL;
    if (!tap_reopen(tap, network->netlink, &error) ||
        !tap_start(tap, network->netlink, network->bridge.mtu, &error)) {
        log_warn("%s", error.text);
        tap_close(tap, network->netlink);
        schedule(network, RETRY_MS);
        return NULL;
    }
    tell_tap(network, true);
    return read_links(network) ? link_by_index(network, tap->index) : NULL;
}

/* With 'bridge' set the TAP is ours to keep going: down, it looks attached and carries nothing. */
static void mend_down(struct network *network, const struct link *tap)
{
    if (network->bridge_name[0] == '\0' || tap->up || !may_try(network))
        return;
    log_warn("the TAP %s was set down: setting it up again", tap->name);
    int code = netlink_set_up(network->netlink, tap->index, true);
    if (code < 0)
        log_warn("cannot set up the TAP %s: %s", tap->name, netlink_error_text(code));
}

static void tell_down(struct network *network, const struct link *bridge)
{
    bool down = bridge != NULL && !bridge->up;

    if (down && !network->down_told)
        log_warn("bridge %s is down: nothing crosses: 'ip link set %s up'", bridge->name,
                 bridge->name);
    network->down_told = down;
}

static void tell_missing(struct network *network, bool missing)
{
    if (missing && !network->missing_told)
        log_warn("bridge %s is gone: waiting for it to come back", network->bridge_name);
    network->missing_told = missing;
}

/* Return: the bridge the TAP is in, NULL when in none */
static const struct link *mend_membership(struct network *network, const struct link *tap)
{
    if (network->bridge_name[0] == '\0') {
        const struct link *master = link_by_index(network, tap->master);
        if (master == NULL || strcmp(master->kind, "bridge") != 0)
            return NULL;
        if (master->index != network->bridge.index) {
            log_info("the TAP %s is now in bridge %s", tap->name, master->name);
            bridge_set_port(network->netlink, tap->index);
        }
        return master;
    }
    const struct link *wanted = link_by_name(network, network->bridge_name);
    tell_missing(network, wanted == NULL);
    if (wanted == NULL || tap->master == wanted->index)
        return wanted;
    if (!may_try(network))
        return NULL;
    log_info("putting the TAP %s back into bridge %s", tap->name, wanted->name);
    return join(network, wanted) ? wanted : NULL;
}

/* What the links of a bridge other than the TAP say. */
struct ports {
    uint64_t hash;       /* of all ports and their state, the TAP among them */
    unsigned largest;    /* MTU of the bridge and its ports */
    unsigned everywhere; /* the smallest of them, ports that are down left out; 0: no port is up */
};

static struct ports survey_ports(const struct network *network, const struct link *bridge)
{
    struct ports ports = {.largest = bridge->mtu};

    for (size_t i = 0; i < network->link_count; i++) {
        const struct link *l = &network->links[i];
        if (l->master != bridge->index)
            continue;
        uint64_t one = (uint64_t)(uint32_t)l->index << 2 | (l->up ? 2u : 0u) | l->running;
        ports.hash += (one + 1) * UINT64_C(0x9e3779b97f4a7c15);
        if (l->index == network->tap->index)
            continue;
        if (l->mtu > ports.largest)
            ports.largest = l->mtu;
        if (l->up && (ports.everywhere == 0 || l->mtu < ports.everywhere))
            ports.everywhere = l->mtu;
    }
    if (ports.everywhere > bridge->mtu) /* what the router itself can be sent */
        ports.everywhere = bridge->mtu;
    return ports;
}

static void follow_mtu(struct network *network, const struct link *tap, unsigned largest)
{
    unsigned wanted = largest < TAP_MTU_MAX_BYTES ? largest : TAP_MTU_MAX_BYTES;

    if (wanted == tap->mtu)
        return;
    int code = netlink_set_mtu(network->netlink, tap->index, wanted);
    if (code < 0)
        log_warn("cannot set the MTU of %s to %u: %s", tap->name, wanted, netlink_error_text(code));
    else
        log_info("the MTU of %s is now %u, the largest in its bridge", tap->name, wanted);
}

static void tell_lan(struct network *network, const struct link *interface, bool is_bridge,
                     unsigned mtu)
{
    const struct network_listener *listener = &network->listener;
    struct lan_view view;

    if (!was_read(network, "addresses and routes",
                  lan_read(network->netlink, interface, is_bridge, &network->tap->mac, &view)))
        return;
    view.lan.mtu_bytes = (uint16_t)(mtu < UINT16_MAX ? mtu : UINT16_MAX);
    bool lan_differs = !lan_equal(&view.lan, &network->view.lan);
    bool outside_differs = view.outside != network->view.outside;
    network->view = view;
    if (lan_differs)
        listener->lan(listener->context, &network->view.lan);
    if (outside_differs)
        listener->outside(listener->context, &network->view);
}

static void refresh(struct network *network)
{
    struct ports ports = {0};

    if (!read_links(network))
        return;
    const struct link *tap = mend_tap(network);
    network->tap_up = tap != NULL && tap->up;
    if (tap != NULL)
        mend_down(network, tap);
    const struct link *bridge = tap != NULL ? mend_membership(network, tap) : NULL;
    tell_down(network, bridge);
    if (bridge != NULL) {
        ports = survey_ports(network, bridge);
        follow_mtu(network, tap, ports.largest);
    }
    network->bridge = bridge != NULL ? *bridge : (struct link){0};
    if (ports.hash != network->ports)
        network->listener.links(network->listener.context);
    network->ports = ports.hash;
    if (bridge != NULL)
        tell_lan(network, bridge, true, ports.everywhere);
    else if (tap != NULL)
        tell_lan(network, tap, false, tap->mtu);
}

/* ---- the loop ---- */

static void on_timer(uv_timer_t *timer)
{
    refresh(timer->data);
}

/* A refresh that comes sooner anyway is not put off. */
static void schedule(struct network *network, uint64_t ms)
{
    if (!network->watching)
        return;
    if (uv_is_active((uv_handle_t *)&network->timer) && uv_timer_get_due_in(&network->timer) <= ms)
        return;
    uv_timer_start(&network->timer, on_timer, ms, 0);
}

static void on_events(uv_poll_t *poll, int status, int events)
{
    struct network *network = poll->data;
    int interface = network->bridge.index != 0 ? network->bridge.index : network->tap->index;

    (void)status;
    (void)events;
    if (netlink_read_events(network->netlink, interface))
        schedule(network, DEBOUNCE_MS);
}

void network_watch(struct network *network, uv_loop_t *loop,
                   const struct network_listener *listener)
{
    network->listener = *listener;
    uv_poll_init(loop, &network->events, netlink_events_fd(network->netlink));
    uv_timer_init(loop, &network->timer);
    network->events.data = network;
    network->timer.data = network;
    network->watching = true;
    uv_poll_start(&network->events, UV_READABLE, on_events);
    refresh(network);
}

void network_unwatch(struct network *network)
{
    if (!network->watching)
        return;
    network->watching = false;
    uv_close((uv_handle_t *)&network->events, NULL);
    uv_close((uv_handle_t *)&network->timer, NULL);
    drop_links(network);
}
