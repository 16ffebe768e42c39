/* SPDX-License-Identifier: MIT
 *
 * paste_input.c - see paste_input.h
 */
#include "paste_input.h"

#include "../files.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

enum { CONTROL_C = 3, PASTED_WITHIN_MS = 200 };

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

/* ---- the line in what was pasted ---- */

/* Editors and mail programs may put a byte order mark before it. */
static size_t mark_bytes(const char *text, size_t bytes)
{
    return bytes >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0 ? 3 : 0;
}

static size_t skip_blanks(const char *text, size_t bytes, size_t at)
{
    while (at < bytes && is_blank(text + at, 1))
        at++;
    return at;
}

/* Return: where the first line with the mark begins; without one, where the text does */
static size_t find_begin(const struct paste_kind *kind, const char *text, size_t bytes)
{
    size_t first = skip_blanks(text, bytes, mark_bytes(text, bytes));
    const char *end;

    for (size_t at = first; at < bytes; at = skip_blanks(text, bytes, (size_t)(end - text))) {
        if (paste_begins(kind->mark, text + at, bytes - at))
            return at;
        end = memchr(text + at, '\n', bytes - at);
        if (end == NULL)
            break;
    }
    return first;
}

/* Return: the bytes of as many lines as it takes for all of it; what follows them is something
 * else */
static size_t find_end(const struct paste_kind *kind, const char *text, size_t bytes)
{
    if (paste_begins(kind->mark, text, bytes))
        for (size_t at = 0; at < bytes; at++)
            if (text[at] == '\n' && !kind->is_cut_short(text, at))
                return at;
    return bytes;
}

/* ---- lines of a terminal ---- */

/* What is pasted is there at once, what is typed is not. */
static bool more_is_there(void)
{
    struct pollfd terminal = {.fd = STDIN_FILENO, .events = POLLIN};

    return poll(&terminal, 1, PASTED_WITHIN_MS) > 0;
}

/* Whether what was read so far needs another line, @last being the bytes of the latest. */
static bool goes_on(const struct paste_kind *kind, const char *text, size_t bytes, size_t last)
{
    size_t begin = find_begin(kind, text, bytes);

    if (kind->is_cut_short(text + begin, bytes - begin))
        return last > 1;
    return !paste_begins(kind->mark, text + begin, bytes - begin) && more_is_there();
}

/* Lines until they hold all of it, or an empty one: what is pasted may be broken over several, and
 * have empty ones before it. */
static size_t read_lines(const struct paste_kind *kind, char *text, size_t capacity)
{
    size_t used = 0;

    while (used < capacity) {
        ssize_t got = read(STDIN_FILENO, text + used, capacity - used);

        if (got <= 0 || memchr(text + used, CONTROL_C, (size_t)got))
            return 0;
        if (used == 0 && is_blank(text, (size_t)got))
            continue;
        used += (size_t)got;
        if (!goes_on(kind, text, used, (size_t)got))
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

static void explain(const char *path, const struct paste_kind *kind, int code, struct error *error)
{
    if (code == ENOENT)
        error_set(error, EXIT_FAILED,
                  "there is no file %s: name the one that the %s is in, or none at all, and paste "
                  "the %s when asked",
                  path, kind->name, kind->name);
    else
        error_set(error, EXIT_FAILED, "cannot read the %s: %s: %s%s", kind->name, path,
                  strerror(code), files_remedy(code));
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
        explain(path, kind, errno, error);
    if (file && !standard_input)
        fclose(file);
    return read;
}

bool paste_input_read(const struct cli_options *options, const struct paste_kind *kind,
                      char text[PASTE_INPUT_SIZE], size_t *bytes, struct error *error)
{
    const char *path = options->argument_count ? options->argument[0] : "-";
    bool prompted = strcmp(path, "-") == 0 && isatty(STDIN_FILENO);
    size_t begin;

    *bytes = 0;
    if (!(prompted ? read_prompt(kind, text, bytes, error)
                   : read_file(options->input, path, kind, text, bytes, error)))
        return false;
    begin = find_begin(kind, text, *bytes);
    *bytes = find_end(kind, text + begin, *bytes - begin);
    memmove(text, text + begin, *bytes);
    return true;
}
