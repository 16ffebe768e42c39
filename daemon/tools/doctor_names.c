/* SPDX-License-Identifier: MIT
 *
 * doctor_names.c - see doctor_names.h. Each name has a thread, for the C library's resolver blocks.
 * A thread that is late writes into static memory, where nobody looks any more; the process ends
 * without it.
 */
#include "doctor_names.h"

#include "../socket_address.h"
#include "../srv.h"

#include <netdb.h>
#include <pthread.h>
#include <string.h>
#include <time.h>

enum { PATIENCE_S = 2, STACK_BYTES = 512 * 1024 };

static struct {
    pthread_mutex_t lock; /* guards all of this */
    pthread_cond_t fewer;
    size_t open; /* names without an answer */
    struct doctor_name name[DOCTOR_NAMES_MAX];
} asked = {.lock = PTHREAD_MUTEX_INITIALIZER, .fewer = PTHREAD_COND_INITIALIZER};

/* Return: false when DNS did not answer */
static bool ask_host(struct doctor_name *name)
{
    const struct addrinfo hints = {.ai_socktype = SOCK_DGRAM};
    struct addrinfo *answer = NULL;
    struct host_port at;
    int code = host_port_split(name->text, &at) ? getaddrinfo(at.host, at.port, &hints, &answer)
                                                : EAI_NONAME;

    for (struct addrinfo *a = answer; a != NULL && name->count < DOCTOR_NAME_ADDRESSES_MAX;
         a = a->ai_next)
        if (endpoint_from_socket(&name->address[name->count], a->ai_addr))
            name->count++;
    if (answer != NULL)
        freeaddrinfo(answer);
    return code != EAI_AGAIN;
}

static bool ask_service(struct doctor_name *name)
{
    return srv_look_up(name->text, name->address, DOCTOR_NAME_ADDRESSES_MAX, &name->count) !=
           SRV_NO_ANSWER;
}

static void *ask(void *context)
{
    struct doctor_name *slot = context, name = {.text = slot->text};

    name.answered = endpoint_text_is_srv(name.text) ? ask_service(&name) : ask_host(&name);
    pthread_mutex_lock(&asked.lock);
    *slot = name;
    asked.open--;
    pthread_cond_signal(&asked.fewer);
    pthread_mutex_unlock(&asked.lock);
    return NULL;
}

/* @slot: its text is there. Without a thread it stays without an answer. */
static void begin(struct doctor_name *slot, const pthread_attr_t *attributes)
{
    pthread_t thread;

    asked.open++;
    if (pthread_create(&thread, attributes, ask, slot) == 0)
        pthread_detach(thread);
    else
        asked.open--;
}

void doctor_names_ask(struct doctor_name *names, size_t count)
{
    struct timespec until;
    pthread_attr_t attributes;

    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += PATIENCE_S;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, STACK_BYTES);
    pthread_mutex_lock(&asked.lock);
    for (size_t i = 0; i < count; i++) {
        asked.name[i] = (struct doctor_name){.text = names[i].text};
        begin(&asked.name[i], &attributes);
    }
    while (asked.open > 0 && pthread_cond_timedwait(&asked.fewer, &asked.lock, &until) == 0)
        continue;
    memcpy(names, asked.name, count * sizeof *names);
    pthread_mutex_unlock(&asked.lock);
    pthread_attr_destroy(&attributes);
}
