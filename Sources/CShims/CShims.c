#define _GNU_SOURCE
#include "CShims.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/vfs.h>
#include <sys/xattr.h>
#include <unistd.h>

int shim_ofd_lock(int fd, int exclusive) {
    struct flock lock = {.l_type = exclusive ? F_WRLCK : F_RDLCK, .l_whence = SEEK_SET};
    return fcntl(fd, F_OFD_SETLK, &lock);
}

int shim_ofd_unlock(int fd) {
    struct flock lock = {.l_type = F_UNLCK, .l_whence = SEEK_SET};
    return fcntl(fd, F_OFD_SETLK, &lock);
}

int shim_ofd_is_locked(int fd) {
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    if (fcntl(fd, F_OFD_GETLK, &lock) != 0) return -1;
    return lock.l_type != F_UNLCK;
}

int shim_probe_read_lease(int fd) {
    // Who opens the file for writing while the lease is held breaks it, and the kernel then signals the holder: with
    // SIGIO, whose default is to end the process, unless another signal is chosen. SIGURG's default is to do nothing.
    if (fcntl(fd, F_SETSIG, SIGURG) != 0) return -1;
    if (fcntl(fd, F_SETLEASE, F_RDLCK) != 0) return -1;
    fcntl(fd, F_SETLEASE, F_UNLCK);
    return 0;
}

int shim_rename_noreplace(const char *from, const char *to, int exchange) {
    return renameat2(AT_FDCWD, from, AT_FDCWD, to, exchange ? RENAME_EXCHANGE : RENAME_NOREPLACE);
}

int shim_punch_hole(int fd, off_t offset, off_t length) {
    return fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, offset, length);
}

ssize_t shim_copy_file_range(int in, off_t in_offset, int out, off_t out_offset, size_t length) {
    return copy_file_range(in, &in_offset, out, &out_offset, length, 0);
}

int shim_clone_file(int from, int to) { return ioctl(to, FICLONE, from); }

int shim_memory_file(const char *name) { return memfd_create(name, MFD_CLOEXEC); }

int shim_pipe(int ends[2]) { return pipe2(ends, O_CLOEXEC); }

off_t shim_seek_data(int fd, off_t offset) { return lseek(fd, offset, SEEK_DATA); }

off_t shim_seek_hole(int fd, off_t offset) { return lseek(fd, offset, SEEK_HOLE); }

int shim_syncfs(int fd) { return syncfs(fd); }

int shim_statfs(const char *path, int64_t *type, uint64_t *block_size, uint64_t *blocks, uint64_t *free,
                uint64_t *available, uint64_t *inodes, uint64_t *free_inodes) {
    struct statfs status;
    if (statfs(path, &status) != 0) return -1;
    *type = status.f_type;
    *block_size = (uint64_t)status.f_bsize;
    *blocks = status.f_blocks;
    *free = status.f_bfree;
    *available = status.f_bavail;
    *inodes = status.f_files;
    *free_inodes = status.f_ffree;
    return 0;
}

const char *shim_inotify_event_name(const struct inotify_event *event) { return event->len ? event->name : ""; }

int shim_notify(const char *socket_path, const char *message) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    size_t length = strlen(socket_path);
    if (length == 0) return 0;
    if (length >= sizeof(address.sun_path)) {
        errno = ENAMETOOLONG;
        return -1;
    }
    memcpy(address.sun_path, socket_path, length);
    if (address.sun_path[0] == '@') address.sun_path[0] = 0;  // the abstract namespace
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0) return -1;
    socklen_t size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length);
    ssize_t sent = sendto(fd, message, strlen(message), MSG_NOSIGNAL, (struct sockaddr *)&address, size);
    int saved = errno;
    close(fd);
    errno = saved;
    return sent < 0 ? -1 : 1;
}

int shim_mount(const char *source, const char *target, const char *type, unsigned long flags, const char *data) {
    return mount(source, target, type, flags, data);
}

int shim_umount(const char *target, int flags) { return umount2(target, flags); }

ssize_t shim_lgetxattr(const char *path, const char *name, void *value, size_t size) {
    return lgetxattr(path, name, value, size);
}

ssize_t shim_llistxattr(const char *path, char *list, size_t size) { return llistxattr(path, list, size); }

int shim_lsetxattr(const char *path, const char *name, const void *value, size_t size) {
    return lsetxattr(path, name, value, size, 0);
}

void shim_set_thread_name(const char *name) { pthread_setname_np(pthread_self(), name); }
