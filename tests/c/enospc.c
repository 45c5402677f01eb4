/* Preloaded into a process, makes the disk below one folder full for as long as a file is there.
 *
 * BASELAKE_FULL_BELOW: the folder, with a slash at its end. BASELAKE_FULL_WHILE: the file. BASELAKE_FULL_FROM, where it
 * is given: how often space can be taken while the file is there before it is full; `space_taken` says how often it was.
 * What would take space fails with ENOSPC: writing, making files and folders, reserving. So does making it durable,
 * where network file systems tell it late. Files that are there can be opened, read and removed, as on a full disk.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

static atomic_long taken;

static int is_full(const char *path)
{
    const char *below = getenv("BASELAKE_FULL_BELOW");
    const char *flag = getenv("BASELAKE_FULL_WHILE");
    if (below == NULL || flag == NULL || strncmp(path, below, strlen(below)) != 0)
        return 0;
    int before = errno;
    int answer = access(flag, F_OK) == 0;
    const char *from = getenv("BASELAKE_FULL_FROM");
    if (answer && from != NULL)
        answer = atomic_fetch_add(&taken, 1) >= atol(from);
    errno = answer ? ENOSPC : before;
    return answer;
}

long space_taken(void)
{
    return atomic_load(&taken);
}

static int full(int descriptor)
{
    char link[64], path[PATH_MAX];
    int before = errno;
    snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
    ssize_t length = readlink(link, path, sizeof path - 1);
    errno = before;
    if (length <= 0)
        return 0;
    path[length] = '\0';
    return is_full(path);
}

/* Paths relative to a folder are not looked at: the lake is opened by its full path. */
static int full_for_new(const char *path, int flags)
{
    int before = errno;
    int there = access(path, F_OK) == 0;
    errno = before;
    return (flags & O_CREAT) != 0 && !there && is_full(path);
}

#define PASS_ON(result, name, parameters, arguments)                                  \
    result name parameters                                                            \
    {                                                                                 \
        static result (*real) parameters;                                             \
        if (real == NULL)                                                             \
            real = (result(*) parameters)dlsym(RTLD_NEXT, #name);                     \
        return full(descriptor) ? -1 : real arguments;                                \
    }

PASS_ON(ssize_t, write, (int descriptor, const void *data, size_t size), (descriptor, data, size))
PASS_ON(ssize_t, pwrite, (int descriptor, const void *data, size_t size, off_t at), (descriptor, data, size, at))
PASS_ON(ssize_t, pwrite64, (int descriptor, const void *data, size_t size, off64_t at), (descriptor, data, size, at))
PASS_ON(ssize_t, writev, (int descriptor, const struct iovec *parts, int count), (descriptor, parts, count))
PASS_ON(int, fsync, (int descriptor), (descriptor))
PASS_ON(int, fdatasync, (int descriptor), (descriptor))
PASS_ON(int, fallocate, (int descriptor, int mode, off_t at, off_t size), (descriptor, mode, at, size))
PASS_ON(int, fallocate64, (int descriptor, int mode, off64_t at, off64_t size), (descriptor, mode, at, size))

/* These two return the error. */
#define RESERVE(name, offset)                                                         \
    int name(int descriptor, offset at, offset size)                                  \
    {                                                                                 \
        static int (*real)(int, offset, offset);                                      \
        if (real == NULL)                                                             \
            real = (int (*)(int, offset, offset))dlsym(RTLD_NEXT, #name);             \
        return full(descriptor) ? ENOSPC : real(descriptor, at, size);                \
    }

RESERVE(posix_fallocate, off_t)
RESERVE(posix_fallocate64, off64_t)

#define OPEN(name)                                                                    \
    int name(const char *path, int flags, ...)                                        \
    {                                                                                 \
        static int (*real)(const char *, int, ...);                                   \
        va_list rest;                                                                 \
        va_start(rest, flags);                                                        \
        mode_t mode = (flags & (O_CREAT | O_TMPFILE)) != 0 ? va_arg(rest, mode_t) : 0; \
        va_end(rest);                                                                 \
        if (real == NULL)                                                             \
            real = (int (*)(const char *, int, ...))dlsym(RTLD_NEXT, #name);          \
        return full_for_new(path, flags) ? -1 : real(path, flags, mode);              \
    }

OPEN(open)
OPEN(open64)

#define OPEN_AT(name)                                                                 \
    int name(int folder, const char *path, int flags, ...)                            \
    {                                                                                 \
        static int (*real)(int, const char *, int, ...);                              \
        va_list rest;                                                                 \
        va_start(rest, flags);                                                        \
        mode_t mode = (flags & (O_CREAT | O_TMPFILE)) != 0 ? va_arg(rest, mode_t) : 0; \
        va_end(rest);                                                                 \
        if (real == NULL)                                                             \
            real = (int (*)(int, const char *, int, ...))dlsym(RTLD_NEXT, #name);     \
        return full_for_new(path, flags) ? -1 : real(folder, path, flags, mode);      \
    }

OPEN_AT(openat)
OPEN_AT(openat64)

int mkdir(const char *path, mode_t mode)
{
    static int (*real)(const char *, mode_t);
    if (real == NULL)
        real = (int (*)(const char *, mode_t))dlsym(RTLD_NEXT, "mkdir");
    return full_for_new(path, O_CREAT) ? -1 : real(path, mode);
}
