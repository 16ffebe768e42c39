/* SPDX-License-Identifier: MIT
 *
 * doctor_facts.c - see doctor_facts.h
 */
#include "doctor_facts.h"

#include "daemon_client.h"

#include <errno.h>
#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>

/* Return: false when a daemon is there, or may be, and we are not allowed to ask it */
static bool ask_daemon(struct doctor_facts *facts, struct error *error)
{
    facts->status = daemon_ask(facts->config->control, "status", &facts->daemon_error);
    if (facts->status != NULL || (errno != EACCES && errno != EPERM))
        return true;
    *error = facts->daemon_error;
    return false;
}

static const struct link *find_link(const struct doctor_facts *facts, const char *name, int index)
{
    for (size_t i = 0; i < facts->link_count; i++)
        if (name != NULL ? strcmp(facts->links[i].name, name) == 0 : facts->links[i].index == index)
            return &facts->links[i];
    return NULL;
}

/* The bridge of the configuration; when others place the TAP, the one that it is in. */
static void find_lan(struct doctor_facts *facts)
{
    const struct config *config = facts->config;
    const struct link *bridge = NULL;

    facts->tap = find_link(facts, config->tap, 0);
    if (config->bridge[0] != '\0')
        bridge = find_link(facts, config->bridge, 0);
    else if (facts->tap != NULL && facts->tap->master != 0)
        bridge = find_link(facts, NULL, facts->tap->master);
    facts->bridge = bridge != NULL && strcmp(bridge->kind, "bridge") == 0 ? bridge : NULL;
}

static bool read_links(struct doctor_facts *facts, struct netlink *netlink, struct error *error)
{
    int code = netlink_links(netlink, &facts->links, &facts->link_count);

    if (code < 0)
        error_set(error, EXIT_FAILED, "cannot read the network interfaces: %s",
                  netlink_error_text(code));
    return code >= 0;
}

bool doctor_gather(struct doctor_facts *facts, const struct config *config, struct error *error)
{
    struct netlink netlink;
    bool read;

    memset(facts, 0, sizeof *facts);
    facts->config = config;
    if (!ask_daemon(facts, error) || !netlink_open(&netlink, error))
        return false;
    read = read_links(facts, &netlink, error);
    if (read) {
        find_lan(facts);
        doctor_find_routes(facts, &netlink);
    }
    netlink_close(&netlink);
    return read;
}

void doctor_release(struct doctor_facts *facts)
{
    json_object_put(facts->status);
    free(facts->links);
}
