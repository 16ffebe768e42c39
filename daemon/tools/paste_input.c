/* SPDX-License-Identifier: MIT
 *
 * paste_input.c - see paste_input.h
 */
#include "paste_input.h"

#include "../files.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

enum { CONTROL_C = 3 };

/* ---- the prompt ---- */

static struct termios terminal_before; /* as on_signal() is to leave it */

static void on_signal(int number)
{
    tcsetattr(STDIN_FILENO, TCSANOW, &terminal_before);
    signal(number, SIG_DFL);
    raise(number);
}

static void catch_signals(void (*on)(int))
{
    static const int ending[] = {SIGHUP, SIGINT, SIGQUIT, SIGTERM};

    for (size_t i = 0; i < sizeof ending / sizeof *ending; i++)
        signal(ending[i], on);
}

/* Without echo, a token stays off the screen and out of its scrollback. ^C ends the line as a
 * character, so that the terminal is put right before the program ends. */
static bool set_quiet(void)
{
    struct termios quiet;

    if (tcgetattr(STDIN_FILENO, &terminal_before) < 0)
        return false;
    catch_signals(on_signal);
    quiet = terminal_before;
    quiet.c_lflag &= ~(tcflag_t)(ECHO | ISIG);
    quiet.c_cc[VEOL] = CONTROL_C;
    return tcsetattr(STDIN_FILENO, TCSAFLUSH, &quiet) == 0;
}

static void set_as_before(void)
{
    tcsetattr(STDIN_FILENO, TCSAFLUSH, &terminal_before);
    catch_signals(SIG_DFL);
}

static bool is_blank(const char *text, size_t bytes)
{
    while (bytes && (text[bytes - 1] == ' ' || text[bytes - 1] == '\t' || text[bytes - 1] == '\r' ||
                     text[bytes - 1] == '\n'))
        bytes--;
    return bytes == 0;
}

/* Editors and mail programs may put a byte order mark before it. */
static size_t mark_bytes(const char *text, size_t bytes)
{
    return bytes >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0 ? 3 : 0;
}

/* Lines until they hold all of it, or an empty one: what is pasted may be broken over several, and
 * have empty ones before it. */
static size_t read_lines(const struct paste_kind *kind, char *text, size_t capacity)
{
    size_t used = 0, mark;

    while (used < capacity) {
        ssize_t got = read(STDIN_FILENO, text + used, capacity - used);

        if (got <= 0 || memchr(text + used, CONTROL_C, (size_t)got))
            return 0;
        if (used == 0 && is_blank(text, (size_t)got))
            continue;
        used += (size_t)got;
        mark = mark_bytes(text, used);
        if (got == 1 || !kind->is_cut_short(text + mark, used - mark))
            break;
    }
    return used;
}

static size_t prompt(const struct paste_kind *kind, char *text, size_t capacity)
{
    bool quiet = set_quiet();
    size_t used;

    fprintf(stderr, "Paste the %s and press Enter (it is not shown; ^C ends): ", kind->name);
    used = read_lines(kind, text, capacity);
    if (quiet)
        set_as_before();
    fprintf(stderr, "\n");
    return used;
}

/* ---- whatever it comes from ---- */

static bool read_prompt(const struct paste_kind *kind, char *text, size_t *bytes,
                        struct error *error)
{
    *bytes = prompt(kind, text, PASTE_INPUT_SIZE);
    if (*bytes == 0)
        error_set(error, EXIT_FAILED, "no %s was given: nothing was changed", kind->name);
    return *bytes > 0;
}

/* @file: opened already, or NULL */
static bool read_file(FILE *file, const char *path, const struct paste_kind *kind, char *text,
                      size_t *bytes, struct error *error)
{
    bool standard_input = strcmp(path, "-") == 0, read = false;

    if (!file)
        file = standard_input ? stdin : fopen(path, "re");

    if (file) {
        *bytes = fread(text, 1, PASTE_INPUT_SIZE, file);
        read = !ferror(file);
    }
    if (!read)
        error_set(error, EXIT_FAILED, "cannot read the %s: %s: %s%s", kind->name, path,
                  strerror(errno), files_remedy(errno));
    if (file && !standard_input)
        fclose(file);
    return read;
}

bool paste_input_read(const struct cli_options *options, const struct paste_kind *kind,
                      char text[PASTE_INPUT_SIZE], size_t *bytes, struct error *error)
{
    const char *path = options->argument_count ? options->argument[0] : "-";
    bool prompted = strcmp(path, "-") == 0 && isatty(STDIN_FILENO);
    size_t mark;

    *bytes = 0;
    if (!(prompted ? read_prompt(kind, text, bytes, error)
                   : read_file(options->input, path, kind, text, bytes, error)))
        return false;
    mark = mark_bytes(text, *bytes);
    *bytes -= mark;
    memmove(text, text + mark, *bytes);
    return true;
}
