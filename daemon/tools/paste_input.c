/* SPDX-License-Identifier: MIT
 *
 * paste_input.c - see paste_input.h
 */
#include "paste_input.h"

#include "../files.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

enum {
    CONTROL_C = 3,
    PASTED_WITHIN_MS = 200,
    TEXT_SIZE = 2 * PASTE_TEXT_SIZE, /* mail and chat programs put blanks in */
};

/* A kind of line, and where in the enrolment it belongs. */
struct paste_kind {
    const char *name, *mark, *printed_by, *taken_by, *taken_at;
    enum paste_error (*decode)(void *line, const char *text, size_t bytes);
};

static enum paste_error decode_token(void *token, const char *text, size_t bytes)
{
    return token_decode(token, text, bytes);
}

static enum paste_error decode_reply(void *line, const char *text, size_t bytes)
{
    return reply_decode(line, text, bytes);
}

static const struct paste_kind a_token = {
    "token", TOKEN_MARK, "invite", "join", "the home that is invited", decode_token};
static const struct paste_kind a_reply = {
    "reply", REPLY_MARK, "join", "accept", "the home that made the token", decode_reply};

/* What is read, and what it is decoded to, as far as it is there. */
struct paste_input {
    const struct paste_kind *kind, *other;
    void *line;
};

static bool is_cut_short(const struct paste_input *in, const char *text, size_t bytes)
{
    return in->kind->decode(in->line, text, bytes) == PASTE_CUT_SHORT;
}

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
static size_t find_begin(const struct paste_input *in, const char *text, size_t bytes)
{
    size_t first = skip_blanks(text, bytes, mark_bytes(text, bytes));
    const char *end;

    for (size_t at = first; at < bytes; at = skip_blanks(text, bytes, (size_t)(end - text))) {
        if (paste_begins(in->kind->mark, text + at, bytes - at))
            return at;
        end = memchr(text + at, '\n', bytes - at);
        if (end == NULL)
            break;
    }
    return first;
}

/* Return: the bytes of as many lines as it takes for all of it; what follows them is something
 * else */
static size_t find_end(const struct paste_input *in, const char *text, size_t bytes)
{
    if (paste_begins(in->kind->mark, text, bytes))
        for (size_t at = 0; at < bytes; at++)
            if (text[at] == '\n' && !is_cut_short(in, text, at))
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

/* Of a copy that ended too early, to one who would wait: nothing that is typed shows. */
static void tell_cut_short(const struct paste_input *in)
{
    fprintf(
        stderr,
        "\nThe %s is cut short so far. Paste the rest of it, or all of it once more (Enter alone "
        "ends): ",
        in->kind->name);
}

/* Whether what was read so far needs another line, @last being the bytes of the latest. */
static bool goes_on(const struct paste_input *in, const char *text, size_t bytes, size_t last)
{
    size_t begin = find_begin(in, text, bytes);

    if (is_cut_short(in, text + begin, bytes - begin)) {
        if (last > 1 && !more_is_there())
            tell_cut_short(in);
        return last > 1;
    }
    return !paste_begins(in->kind->mark, text + begin, bytes - begin) && more_is_there();
}

/* A line that begins with the mark is all of it, pasted anew: what came before goes.
 *
 * Return: the bytes of @text, whose first @used were there before the latest line's @got */
static size_t take_line(const struct paste_input *in, char *text, size_t used, size_t got)
{
    const char *line = text + used;
    size_t begin = skip_blanks(line, got, mark_bytes(line, got));

    if (used == 0 || !paste_begins(in->kind->mark, line + begin, got - begin))
        return used + got;
    memmove(text, line, got);
    sodium_memzero(text + got, used);
    return got;
}

/* Lines until they hold all of it, or an empty one: what is pasted may be broken over several, and
 * have empty ones before it. */
static size_t read_lines(const struct paste_input *in, char *text, size_t capacity)
{
    size_t used = 0;

    while (used < capacity) {
        ssize_t got = read(STDIN_FILENO, text + used, capacity - used);

        if (got <= 0 || memchr(text + used, CONTROL_C, (size_t)got))
            return 0;
        if (used == 0 && is_blank(text, (size_t)got))
            continue;
        used = take_line(in, text, used, (size_t)got);
        if (!goes_on(in, text, used, (size_t)got))
            break;
    }
    return used;
}

static size_t prompt(const struct paste_input *in, char *text, size_t capacity)
{
    bool quiet = set_quiet();
    size_t used;

    fprintf(stderr, "Paste the %s and press Enter (it is not shown; ^C ends): ", in->kind->name);
    used = read_lines(in, text, capacity);
    if (quiet)
        set_as_before();
    fprintf(stderr, "\n");
    return used;
}

/* ---- whatever it comes from ---- */

static bool read_prompt(const struct paste_input *in, char *text, size_t *bytes,
                        struct error *error)
{
    *bytes = prompt(in, text, TEXT_SIZE);
    if (*bytes == 0)
        error_set(error, EXIT_FAILED, "no %s was given: nothing was changed", in->kind->name);
    return *bytes > 0;
}

static void explain_file(const char *path, const struct paste_kind *kind, int code,
                         struct error *error)
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
static bool read_file(FILE *file, const char *path, const struct paste_input *in, char *text,
                      size_t *bytes, struct error *error)
{
    bool standard_input = strcmp(path, "-") == 0, read = false;

    if (!file)
        file = standard_input ? stdin : fopen(path, "re");

    if (file) {
        setvbuf(file, NULL, _IONBF, 0); /* no copy of a token stays there */
        *bytes = fread(text, 1, TEXT_SIZE, file);
        read = !ferror(file);
    }
    if (!read)
        explain_file(path, in->kind, errno, error);
    if (file && !standard_input)
        fclose(file);
    return read;
}

/* The line in what was read; all of it when there is none. */
static bool read_text(const struct paste_input *in, const struct cli_options *options,
                      const char *path, char text[TEXT_SIZE], size_t *bytes, struct error *error)
{
    bool prompted = strcmp(path, "-") == 0 && isatty(STDIN_FILENO);
    size_t begin;

    *bytes = 0;
    if (!(prompted ? read_prompt(in, text, bytes, error)
                   : read_file(options->input, path, in, text, bytes, error)))
        return false;
    begin = find_begin(in, text, *bytes);
    *bytes = find_end(in, text + begin, *bytes - begin);
    memmove(text, text + begin, *bytes);
    return true;
}

/* ---- what is wrong with it ---- */

static void explain(const struct paste_input *in, enum paste_error wrong, struct error *error)
{
    const struct paste_kind *kind = in->kind, *other = in->other;

    if (wrong == PASTE_CUT_SHORT)
        error_set(error, EXIT_FAILED,
                  "the %s is cut short: copy it again, up to its last character", kind->name);
    else if (wrong == PASTE_DAMAGED)
        error_set(error, EXIT_FAILED,
                  "the %s was damaged on its way: copy it again, with nothing before or after it",
                  kind->name);
    else if (wrong == PASTE_OTHER_VERSION)
        error_set(error, EXIT_FAILED,
                  "the %s is from another version of lansplice: run the same version in both homes",
                  kind->name);
    else if (wrong == PASTE_INVALID)
        error_set(error, EXIT_FAILED,
                  "the %s says what cannot be: have 'lansplice %s' print a new one", kind->name,
                  kind->printed_by);
    else if (wrong == PASTE_OTHER_KIND)
        error_set(error, EXIT_FAILED,
                  "this is the %s that 'lansplice %s' printed, not a %s: give it to 'lansplice %s' "
                  "at %s",
                  other->name, other->printed_by, kind->name, other->taken_by, other->taken_at);
    else
        error_set(error, EXIT_FAILED,
                  "this is not a %s: paste the line that 'lansplice %s' printed, which begins with "
                  "%s",
                  kind->name, kind->printed_by, kind->mark);
}

/* Of a token cli.c has said worse. */
static bool is_no_reply(const char *argument, struct error *error)
{
    if (!paste_begins(REPLY_MARK, argument, strlen(argument)))
        return true;
    error_set(error, EXIT_USAGE,
              "the reply line is no argument: run 'lansplice accept' alone and paste it");
    return false;
}

static bool paste_input_read(const struct paste_input *in, const struct cli_options *options,
                             struct error *error)
{
    const char *path = options->argument_count ? options->argument[0] : "-";
    enum paste_error wrong = PASTE_OK;
    char text[TEXT_SIZE];
    size_t bytes;
    bool read = is_no_reply(path, error) && read_text(in, options, path, text, &bytes, error);

    if (read) {
        wrong = in->kind->decode(in->line, text, bytes);
        if (wrong != PASTE_OK)
            explain(in, wrong, error);
    }
    sodium_memzero(text, sizeof text);
    return read && wrong == PASTE_OK;
}

bool paste_input_token(const struct cli_options *options, struct token *token, struct error *error)
{
    return paste_input_read(&(struct paste_input){&a_token, &a_reply, token}, options, error);
}

bool paste_input_reply(const struct cli_options *options, struct reply_line *line,
                       struct error *error)
{
    return paste_input_read(&(struct paste_input){&a_reply, &a_token, line}, options, error);
}
