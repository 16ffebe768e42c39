/* SPDX-License-Identifier: MIT
 *
 * keyfile.c - see keyfile.h
 */
#include "keyfile.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FILE_SIZE_MAX = 257 };

/* Clamped as in RFC 7748 section 5; X25519 does it anyway, but so the file shows it. */
void key_generate(uint8_t key[KEY_BYTES])
{
    randombytes_buf(key, KEY_BYTES);
    key[0] &= 248;
    key[31] = (uint8_t)((key[31] & 127) | 64);
}

void key_to_text(char out[KEY_TEXT_SIZE], const uint8_t key[KEY_BYTES])
{
    sodium_bin2base64(out, KEY_TEXT_SIZE, key, KEY_BYTES, sodium_base64_VARIANT_ORIGINAL);
}

bool key_from_text(uint8_t key[KEY_BYTES], const char *text)
{
    size_t bytes;

    if (strlen(text) == KEY_TEXT_SIZE - 1 &&
        sodium_base642bin(key, KEY_BYTES, text, KEY_TEXT_SIZE - 1, NULL, &bytes, NULL,
                          sodium_base64_VARIANT_ORIGINAL) == 0 &&
        bytes == KEY_BYTES)
        return true;
    sodium_memzero(key, KEY_BYTES);
    return false;
}

/* What is wrong with the file as such, or NULL. */
static const char *file_problem(const struct stat *status)
{
    if (!S_ISREG(status->st_mode))
        return "is not a regular file";
    if (status->st_uid != 0 && status->st_uid != geteuid())
        return "belongs to another user: chown it to root";
    if (status->st_mode & 077)
        return "can be read by others: its mode must be 0600: chmod 600 it";
    return NULL;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* The text, its beginning if it does not fit, and a NUL into @out. Return: what is wrong, or NULL
 */
static const char *read_text(char *out, size_t capacity, int file)
{
    struct stat status;

    if (fstat(file, &status) < 0)
        return strerror(errno);
    const char *problem = file_problem(&status);
    if (problem)
        return problem;
    ssize_t bytes = read(file, out, capacity - 1);
    if (bytes < 0)
        return strerror(errno);
    out[bytes] = '\0';
    return strlen(out) == (size_t)bytes ? NULL : "holds a NUL byte: write it anew, as text";
}

static const char *read_file(char *out, size_t capacity, const char *path, const char *missing)
{
    int file = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);

    if (file < 0)
        return errno == ENOENT   ? missing
               : errno == EACCES ? "may not be read: run as root, or chown it as its folder is"
                                 : strerror(errno);
    const char *problem = read_text(out, capacity, file);
    close(file);
    return problem;
}

static const char *take_key(uint8_t key[KEY_BYTES], char *text)
{
    size_t bytes = strlen(text);

    while (bytes > 0 && is_blank(text[bytes - 1]))
        bytes--;
    text[bytes] = '\0';
    while (is_blank(*text))
        text++;
    return key_from_text(key, text)
               ? NULL
               : "must hold 32 bytes in base64 (44 characters), as genkey and genpsk write";
}

bool keyfile_read(uint8_t key[KEY_BYTES], const char *path, const char *where, const char *missing,
                  struct error *error)
{
    char text[FILE_SIZE_MAX];
    const char *problem = read_file(text, sizeof text, path, missing);

    if (!problem)
        problem = take_key(key, text);
    sodium_memzero(text, sizeof text);
    if (!problem)
        return true;
    sodium_memzero(key, KEY_BYTES);
    error_set(error, EXIT_USAGE, "bad key file: %s: %s %s", where, path, problem);
    return false;
}

bool keyfile_read_text(char *out, size_t capacity, const char *path, const char *where,
                       struct error *error)
{
    const char *problem = read_file(out, capacity, path, "is missing: write one, with mode 0600");

    if (!problem && strlen(out) == capacity - 1)
        problem = "is too large";
    if (!problem)
        return true;
    sodium_memzero(out, capacity);
    error_set(error, EXIT_USAGE, "bad file: %s: %s %s", where, path, problem);
    return false;
}

void keyfile_warn_if_readable(int file, const char *what)
{
    struct stat status;

    if (fstat(file, &status) == 0 && S_ISREG(status.st_mode) && (status.st_mode & 077))
        fprintf(stderr,
                "lansplice: warning: others can read the file this %s goes to: chmod 600 it, or "
                "set umask 077 before\n",
                what);
}
