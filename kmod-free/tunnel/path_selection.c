/* SPDX-License-Identifier: MIT
 *
 * path_selection.c - see path_selection.h.
 */
#include "tunnel/path_selection.h"

#define MS     UINT64_C(1000)
#define SECOND (1000 * MS)

#define MOVE_HOLD (5 * SECOND)

#define IPV6_BONUS_US INT64_C(3000)
#define GAIN_MIN_US   INT64_C(5000)

enum { NONE = -1, UPGRADE_ANSWERS = 2, BETTER_ANSWERS = 3, FALLS_MAX = 3 };

static int64_t larger(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

enum path_class path_class(const struct path *e)
{
    if (e->to.via >= VIA_PEER)
        return PATH_THROUGH_PEER;
    return e->to.via != VIA_DIRECT || e->kind == CANDIDATE_RELAYED ? PATH_BY_TURN : PATH_DIRECT;
}

bool path_is_direct(const struct path *e)
{
    return path_class(e) == PATH_DIRECT;
}

bool path_is_v6(const struct path *e)
{
    return e->to.address.family == IP_V6;
}

bool path_is_valid(const struct path *e)
{
    return e->state == PATH_VALID;
}

bool path_has_failed(const struct path *e)
{
    return !path_is_valid(e) && e->losses >= PATH_FAILING_LOSSES;
}

static int64_t score_us(const struct path *e)
{
    return e->srtt_us - (path_is_v6(e) ? IPV6_BONUS_US : 0);
}

/* How much less a score must be than that of @than to be called so. */
static int64_t margin_us(const struct path *e, const struct path *than)
{
    int64_t deviation = larger(e->rttvar_us, than->rttvar_us);
    return larger(larger(GAIN_MIN_US, score_us(than) / 10), deviation);
}

static bool scores_better(const struct path *e, const struct path *than)
{
    return e->srtt_us >= 0 && than->srtt_us >= 0 &&
           score_us(than) - score_us(e) >= margin_us(e, than);
}

bool path_is_close(const struct path *e, const struct path *than)
{
    int64_t apart_us = score_us(e) - score_us(than);
    return e->srtt_us >= 0 && than->srtt_us >= 0 && apart_us <= e->rttvar_us + than->rttvar_us;
}

/* Whether @e should be used instead of @than if it stays like this. */
static bool is_better(const struct path *e, const struct path *than)
{
    if (e->srtt_us < 0 || than->srtt_us < 0)
        return false;
    if (path_class(e) == path_class(than))
        return scores_better(e, than) ||
               (path_is_v6(e) && !path_is_v6(than) && score_us(e) <= score_us(than));
    if (path_is_direct(e) || path_is_direct(than))
        return path_is_direct(e);
    if (path_class(e) == PATH_BY_TURN)
        return e->srtt_us <= 2 * than->srtt_us;
    return than->srtt_us - 2 * e->srtt_us >= margin_us(e, than);
}

void path_want(struct path *e, uint64_t now_us)
{
    e->wanted = true;
    e->wanted_us = now_us;
}

/* Whether it may well work when the path in use does not. */
static bool stands_apart(const struct paths *p, const struct path *e)
{
    const struct path *s = &p->path[p->selected];
    return path_class(e) != path_class(s) || e->to.address.family != s->to.address.family;
}

static bool stands_better(const struct paths *p, const struct path *e, const struct path *than)
{
    if (stands_apart(p, e) != stands_apart(p, than))
        return stands_apart(p, e);
    if (path_class(e) != path_class(than))
        return path_class(e) < path_class(than);
    return scores_better(e, than);
}

void paths_choose_standby(struct paths *p)
{
    int best = p->standby;
    if (best >= 0 && (best == p->selected || !path_is_valid(&p->path[best])))
        best = NONE;
    for (int i = 0; i < p->count && p->selected >= 0; i++)
        if (i != p->selected && i != best && path_is_valid(&p->path[i]) &&
            (best < 0 || stands_better(p, &p->path[i], &p->path[best])))
            best = i;
    p->standby = best;
}

/* All but the path in use. */
static void check_anew(struct paths *p, uint64_t now_us)
{
    for (int i = 0; i < p->count; i++) {
        struct path *e = &p->path[i];
        if (i == p->selected)
            continue;
        if (e->state == PATH_FAILED) {
            e->state = PATH_WAITING;
            e->losses = 0;
        }
        path_want(e, now_us);
    }
}

bool paths_use(struct paths *p, int i, uint64_t now_us)
{
    bool failed = p->selected >= 0 && path_has_failed(&p->path[p->selected]);
    struct path *e = &p->path[i];
    p->selected = i;
    p->selected_us = now_us;
    if (!path_is_valid(e)) { /* it gets its chance */
        e->state = PATH_WAITING;
        e->losses = 0;
    }
    for (int j = 0; j < p->count; j++)
        p->path[j].better = 0;
    path_want(e, now_us);
    if (failed)
        check_anew(p, now_us);
    return true;
}

/* How many answers in a row are asked for, where @usual are. */
static unsigned answers_needed(const struct path *e, unsigned usual)
{
    unsigned after_falls = e->falls == 0 ? 0 : 2u << e->falls;
    return usual > after_falls ? usual : after_falls;
}

/* It was left, and comes back the harder. */
static void count_fall(struct path *e)
{
    if (e->falls < FALLS_MAX)
        e->falls++;
}

bool paths_consider(struct paths *p, int i, uint64_t now_us)
{
    struct path *e = &p->path[i];
    const struct path *s = p->selected < 0 ? NULL : &p->path[p->selected];
    if (!s || path_has_failed(s))
        return paths_use(p, i, now_us);
    if (path_is_direct(e) && !path_is_direct(s))
        return e->answers >= answers_needed(e, UPGRADE_ANSWERS) && paths_use(p, i, now_us);
    if (!is_better(e, s)) {
        e->better = 0;
        return false;
    }
    if (e->better < UINT8_MAX)
        e->better++;
    if (e->better < answers_needed(e, BETTER_ANSWERS))
        return false;
    count_fall(&p->path[p->selected]);
    return paths_use(p, i, now_us);
}

void paths_fail_over(struct paths *p, uint64_t now_us)
{
    struct path *s = &p->path[p->selected];
    paths_choose_standby(p);
    if (p->standby < 0) {
        check_anew(p, now_us);
        return;
    }
    if (!s->answered || s->answered_us < p->selected_us) /* it never worked while it was in use */
        p->hold_us = now_us + MOVE_HOLD;
    else
        count_fall(s);
    paths_use(p, p->standby, now_us);
}
