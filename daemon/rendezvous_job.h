/* SPDX-License-Identifier: MIT
 *
 * rendezvous_job.h - one run of the rendezvous program, between rendezvous.c and its process.
 */
#ifndef RENDEZVOUS_JOB_H
#define RENDEZVOUS_JOB_H

#include "rendezvous.h"

/**
 * rendezvous_job_start() - run the program; rendezvous_job_ended() is called once, later
 * @place: KEY
 * @blob: the text to store, without a line end; NULL when loading
 */
void rendezvous_job_start(struct rendezvous *rendezvous, enum rendezvous_verb verb,
                          const char *peer, const uint8_t place[BLOB_NAME_BYTES], const char *blob);

/** rendezvous_job_ended() - rendezvous.c's: the program has ended, all is in rendezvous->job */
void rendezvous_job_ended(struct rendezvous *rendezvous);

#endif
