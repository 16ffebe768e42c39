/* SPDX-License-Identifier: MIT
 *
 * path_selection.h - which of a peer's paths is used and which stands by; paths.h has the rules.
 *
 * The inner half of paths.c, which says what came and what was lost; nobody but it and its other
 * parts, path_spray.c and path_report.c, includes it.
 */
#ifndef TUNNEL_PATH_SELECTION_H
#define TUNNEL_PATH_SELECTION_H

#include "tunnel/paths.h"

enum path_class { PATH_DIRECT = 0, PATH_BY_TURN, PATH_THROUGH_PEER };

/* Checks lost in a row until a path is in doubt, and until it is given up. */
enum { PATH_FAILING_LOSSES = 2, PATH_FAILED_LOSSES = 5 };

enum path_class path_class(const struct path *e);

bool path_is_direct(const struct path *e);

bool path_is_v6(const struct path *e);

bool path_is_valid(const struct path *e);

/** path_has_failed() - it is not valid and has had its chance */
bool path_has_failed(const struct path *e);

/** path_is_close() - their scores differ by less than they vary: they are to be measured well */
bool path_is_close(const struct path *e, const struct path *than);

/** path_want() - check it now, whatever its turn */
void path_want(struct path *e, uint64_t now_us);

/** paths_use() - send data by path @i from now on; returns true */
bool paths_use(struct paths *p, int i, uint64_t now_us);

/**
 * paths_consider() - path @i, not in use, has just answered: is it time to use it
 *
 * Return: whether it is used now
 */
bool paths_consider(struct paths *p, int i, uint64_t now_us);

/** paths_fail_over() - the path in use has just lost PATH_FAILING_LOSSES checks */
void paths_fail_over(struct paths *p, uint64_t now_us);

/** paths_choose_standby() - to be called after every change */
void paths_choose_standby(struct paths *p);

#endif
