// Kills its process as that enters the Nth file operation below a folder, whichever thread does it. To be preloaded:
//
//   KILL_BELOW  the folder, absolute
//   KILL_AT     N, from 1
//   KILL_LOG    gets a line for each operation, the last one unfinished
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

static atomic_int operations;

static void at(const char *name, const char *path) {
    const char *below = getenv("KILL_BELOW"), *when = getenv("KILL_AT"), *log = getenv("KILL_LOG");
    if (!below || !when || !path || strncmp(path, below, strlen(below)) != 0) return;
    int number = atomic_fetch_add(&operations, 1) + 1;
    FILE *file = log ? fopen(log, "ae") : NULL;
    if (file) {
        fprintf(file, "%d %s %s\n", number, name, path);
        fclose(file);
    }
    if (number == atoi(when)) kill(getpid(), SIGKILL);
}

static void at_descriptor(const char *name, int descriptor) {
    char link[64], path[PATH_MAX];
    snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length < 0) return;
    path[length] = 0;
    at(name, path);
}

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

#define OPEN(name)                                              \
    int name(const char *path, int flags, ...) {                \
        va_list rest;                                           \
        va_start(rest, flags);                                  \
        mode_t mode = flags & O_CREAT ? va_arg(rest, mode_t) : 0; \
        va_end(rest);                                           \
        if (flags & O_CREAT) at("create", path);                \
        return REAL(name)(path, flags, mode);                   \
    }
OPEN(open)
OPEN(open64)

#define ON_DESCRIPTOR(type, name, parameters, arguments) \
    type name parameters {                               \
        at_descriptor(#name, descriptor);                \
        return REAL(name) arguments;                     \
    }
ON_DESCRIPTOR(ssize_t, write, (int descriptor, const void *bytes, size_t count), (descriptor, bytes, count))
ON_DESCRIPTOR(ssize_t, pwrite, (int descriptor, const void *bytes, size_t count, off_t offset),
              (descriptor, bytes, count, offset))
ON_DESCRIPTOR(int, fsync, (int descriptor), (descriptor))
ON_DESCRIPTOR(int, syncfs, (int descriptor), (descriptor))
ON_DESCRIPTOR(int, ftruncate, (int descriptor, off_t size), (descriptor, size))
ON_DESCRIPTOR(int, fchmod, (int descriptor, mode_t mode), (descriptor, mode))

ssize_t copy_file_range(int from, off64_t *from_offset, int descriptor, off64_t *offset, size_t count, unsigned flags) {
    at_descriptor("copy_file_range", descriptor);
    return REAL(copy_file_range)(from, from_offset, descriptor, offset, count, flags);
}

#define ON_PATH(name, parameters, arguments) \
    int name parameters {                    \
        at(#name, path);                     \
        return REAL(name) arguments;         \
    }
ON_PATH(rename, (const char *path, const char *target), (path, target))
ON_PATH(mkdir, (const char *path, mode_t mode), (path, mode))
ON_PATH(unlink, (const char *path), (path))
ON_PATH(rmdir, (const char *path), (path))

int renameat2(int from, const char *path, int to, const char *target, unsigned flags) {
    at("renameat2", path);
    return REAL(renameat2)(from, path, to, target, flags);
}
