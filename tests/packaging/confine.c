/* SPDX-License-Identifier: MIT
 *
 * confine.c - confine FILTER COMMAND... - run a command under a seccomp filter.
 *
 * FILTER is a file of struct sock_filter, as confinement.py makes it of a unit's lines. It is the
 * last thing a service manager does before the service: setpriv has done the rest by then.
 */
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    static struct sock_filter filter[BPF_MAXINSNS];
    int file = argc > 2 ? open(argv[1], O_RDONLY | O_CLOEXEC) : -1;
    ssize_t bytes = file < 0 ? -1 : read(file, filter, sizeof filter);

    if (bytes <= 0) {
        fprintf(stderr, "usage: confine FILTER COMMAND...\n");
        return 2;
    }
    struct sock_fprog program = {(unsigned short)((size_t)bytes / sizeof *filter), filter};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1ul, 0ul, 0ul, 0ul) != 0 ||
        prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0) {
        perror("confine: seccomp");
        return 1;
    }
    execv(argv[2], argv + 2);
    perror("confine: exec");
    return 1;
}
