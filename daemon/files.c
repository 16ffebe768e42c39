/* SPDX-License-Identifier: MIT
 *
 * files.c - see files.h
 */
#include "files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { NAME_SIZE = 128 };

const char *files_remedy(int code)
{
    switch (code) {
    case EACCES:
    case EPERM:
        return ": run it as root, or chown it as its folder is";
    case ENOENT:
        return ": make the folder it stands in first, or correct the path";
    case ENOTDIR:
    case ELOOP:
        return ": a file or a link stands where a folder or a file must be: remove it";
    case EEXIST:
    case EISDIR:
        return ": remove what is there, or take another path";
    case ENOSPC:
    case EDQUOT:
        return ": make room on the disk";
    case EROFS:
        return ": make the file system writable, or take another folder";
    default:
        return "";
    }
}

static void explain(struct error *error, const char *what, const char *directory, const char *name)
{
    int code = errno;

    error_set(error, EXIT_FAILED, "cannot %s: %s/%s: %s%s", what, directory, name, strerror(code),
              files_remedy(code));
    errno = code;
}

static int open_directory(const char *directory)
{
    return open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static bool write_all(int file, const char *data, size_t bytes)
{
    while (bytes) {
        ssize_t written = write(file, data, bytes);

        if (written < 0 && errno == EINTR)
            continue;
        if (written < 0)
            return false;
        data += written;
        bytes -= (size_t)written;
    }
    return true;
}

/* A new file with all of its bytes on the disk; gone again when that fails. */
static bool write_temporary(int folder, const char *name, const void *data, size_t bytes,
                            mode_t mode)
{
    int file, code;
    bool written;

    if (unlinkat(folder, name, 0) < 0 && errno != ENOENT)
        return false;
    file = openat(folder, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (file < 0)
        return false;
    written = write_all(file, data, bytes) && fchmod(file, mode) == 0 && fsync(file) == 0;
    code = errno;
    close(file);
    if (!written)
        unlinkat(folder, name, 0);
    errno = code;
    return written;
}

/* linkat() refuses a name that is taken, rename() replaces it: both in one step. */
static bool put_in_place(int folder, const char *temporary, const char *name, bool replace)
{
    int code;
    bool placed;

    if (replace)
        placed = renameat(folder, temporary, folder, name) == 0;
    else
        placed = linkat(folder, temporary, folder, name, 0) == 0;
    code = errno;
    if (!placed || !replace)
        unlinkat(folder, temporary, 0);
    errno = code;
    return placed && fsync(folder) == 0;
}

static bool write_file(const char *directory, const char *name, const void *data, size_t bytes,
                       mode_t mode, bool replace, struct error *error)
{
    char temporary[NAME_SIZE];
    int folder = open_directory(directory), code;
    bool done;

    snprintf(temporary, sizeof temporary, ".%s.tmp", name);
    done = folder >= 0 && write_temporary(folder, temporary, data, bytes, mode) &&
           put_in_place(folder, temporary, name, replace);
    code = errno;
    if (folder >= 0)
        close(folder);
    errno = code;
    if (!done)
        explain(error, "write", directory, name);
    return done;
}

bool files_write(const char *directory, const char *name, const void *data, size_t bytes,
                 mode_t mode, struct error *error)
{
    return write_file(directory, name, data, bytes, mode, true, error);
}

bool files_write_new(const char *directory, const char *name, const void *data, size_t bytes,
                     mode_t mode, struct error *error)
{
    return write_file(directory, name, data, bytes, mode, false, error);
}

static ssize_t read_all(int file, char *out, size_t capacity)
{
    size_t total = 0;

    while (total < capacity) {
        ssize_t got = read(file, out + total, capacity - total);

        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return -1;
        if (got == 0)
            return (ssize_t)total;
        total += (size_t)got;
    }
    errno = EFBIG;
    return -1;
}

bool files_read(const char *directory, const char *name, char *out, size_t capacity, bool *found,
                struct error *error)
{
    int folder = open_directory(directory), file = -1, code;
    ssize_t bytes = -1;

    out[0] = '\0';
    if (folder >= 0) {
        file = openat(folder, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
        code = errno;
        close(folder);
        errno = code;
    }
    *found = file >= 0 || errno != ENOENT;
    if (file >= 0) {
        bytes = read_all(file, out, capacity);
        code = errno;
        close(file);
        errno = code;
    }
    out[bytes < 0 ? 0 : bytes] = '\0';
    if (bytes < 0 && *found)
        explain(error, "read", directory, name);
    return bytes >= 0 || !*found;
}

bool files_are_ours(const char *path)
{
    struct stat status;

    return stat(path, &status) < 0 || status.st_uid == 0 || status.st_uid == geteuid();
}

/* Root's right to use what belongs to others is a capability, and goes with the privileges. */
bool files_check_owner(const char *path, const char *folder, struct error *error)
{
    if (files_are_ours(path))
        return true;
    error_set(error, EXIT_USAGE,
              "belongs to another user: %s: keep it in a folder of root's, or chown -R root %s",
              path, folder);
    return false;
}

bool files_remove(const char *directory, const char *name, struct error *error)
{
    int folder = open_directory(directory);
    bool removed;

    if (folder < 0 && errno == ENOENT)
        return true;
    removed =
        folder >= 0 && (unlinkat(folder, name, 0) == 0 || errno == ENOENT) && fsync(folder) == 0;
    if (!removed)
        explain(error, "remove", directory, name);
    if (folder >= 0)
        close(folder);
    return removed;
}

/* A new folder is on the disk only when the folder above it is. */
static bool sync_parent(const char *path)
{
    char parent[1024];
    int folder, bytes = snprintf(parent, sizeof parent, "%s/..", path);
    bool synced;

    if (bytes < 0 || (size_t)bytes >= sizeof parent)
        return false;
    folder = open_directory(parent);
    synced = folder >= 0 && fsync(folder) == 0;
    if (folder >= 0)
        close(folder);
    return synced;
}

bool files_make_directory(const char *path, struct error *error)
{
    if (mkdir(path, 0700) == 0 ? chmod(path, 0700) == 0 && sync_parent(path) : errno == EEXIST)
        return true;
    error_set(error, EXIT_FAILED, "cannot make the folder: %s: %s%s", path, strerror(errno),
              files_remedy(errno));
    return false;
}

bool files_join_path(char *out, size_t capacity, const char *directory, const char *name)
{
    int bytes = name[0] == '/' ? snprintf(out, capacity, "%s", name)
                               : snprintf(out, capacity, "%s/%s", directory, name);

    if (bytes > 0 && (size_t)bytes < capacity)
        return true;
    out[0] = '\0';
    return false;
}
