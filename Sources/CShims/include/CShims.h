#pragma once

// What Swift cannot import from the C library: variadic calls, GNU extensions that glibc hides without
// _GNU_SOURCE, and flexible array members. Every function returns what the call it wraps returns.

#include <stdint.h>
#include <stddef.h>
#include <sys/types.h>

struct inotify_event;

/// fcntl(F_OFD_SETLK) over the whole file: `exclusive` asks for a write lock. 0, or -1 with errno.
int shim_ofd_lock(int fd, int exclusive);
/// fcntl(F_OFD_SETLK, F_UNLCK) over the whole file. 0, or -1 with errno.
int shim_ofd_unlock(int fd);
/// fcntl(F_OFD_GETLK) over the whole file, probing for a write lock: 1 held by another, 0 free, -1 with errno.
int shim_ofd_is_locked(int fd);
/// fcntl(F_SETLEASE, F_RDLCK) taken and dropped at once: 0 no writer has the file open, -1 with errno
/// (EAGAIN: a writer has; EACCES, EPERM: not the owner and no CAP_LEASE; EINVAL: no leases here).
int shim_probe_read_lease(int fd);
/// renameat2 relative to the working directory; `exchange` swaps, otherwise an existing target is an error (EEXIST).
int shim_rename_noreplace(const char *from, const char *to, int exchange);
/// fallocate(FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE).
int shim_punch_hole(int fd, off_t offset, off_t length);
/// copy_file_range with explicit offsets.
ssize_t shim_copy_file_range(int in, off_t in_offset, int out, off_t out_offset, size_t length);
/// lseek(SEEK_DATA) and lseek(SEEK_HOLE) from an offset: the next byte that is data, that is in a hole.
off_t shim_seek_data(int fd, off_t offset);
off_t shim_seek_hole(int fd, off_t offset);
/// ioctl(FICLONE): shares extents where the file system can.
int shim_clone_file(int from, int to);
/// memfd_create(MFD_CLOEXEC): a file in memory, with a name for debuggers.
int shim_memory_file(const char *name);
/// pipe2(O_CLOEXEC): the end to read, then the end to write.
int shim_pipe(int ends[2]);
/// syncfs of the file system that holds fd.
int shim_syncfs(int fd);
/// statfs: fills type, block size, blocks, free blocks, those for unprivileged use, inodes, free inodes.
int shim_statfs(const char *path, int64_t *type, uint64_t *block_size, uint64_t *blocks, uint64_t *free,
                uint64_t *available, uint64_t *inodes, uint64_t *free_inodes);
/// The name in an inotify event, or "" where it has none.
const char *shim_inotify_event_name(const struct inotify_event *event);
/// sd_notify(3)'s datagram without libsystemd: 1 sent, 0 no NOTIFY_SOCKET, -1 with errno.
int shim_notify(const char *socket_path, const char *message);
/// mount(2) and umount2(2), for tests that look at an image through the kernel.
int shim_mount(const char *source, const char *target, const char *type, unsigned long flags, const char *data);
int shim_umount(const char *target, int flags);
/// lgetxattr(2), llistxattr(2) and lsetxattr(2), without following links.
ssize_t shim_lgetxattr(const char *path, const char *name, void *value, size_t size);
ssize_t shim_llistxattr(const char *path, char *list, size_t size);
int shim_lsetxattr(const char *path, const char *name, const void *value, size_t size);
/// Names the calling thread; the kernel keeps 15 bytes.
void shim_set_thread_name(const char *name);
