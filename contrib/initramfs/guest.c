// What busybox lacks, for `init` beside it. Linked statically; knows nothing of Slipway.
//
//   guest enter ROOT USER[:GROUP] FOLDER PROGRAM [ARGUMENT...]
//       becomes PROGRAM in the root ROOT, as a container engine would start it: looked up in PATH, as the user with
//       its groups, in the folder, in a session of its own with standard input as its terminal
//   guest grow DEVICE FOLDER
//       grows the ext4 of DEVICE, which is mounted on FOLDER, to the size of the device
//   guest place FOLDER ROOT PATH
//       mounts what is mounted on FOLDER on PATH of the root ROOT as well, making PATH where it is missing
//   guest detach FOLDER
//       unmounts FOLDER with everything below, as soon as nobody uses it
#define _GNU_SOURCE
#include <errno.h>
#include <error.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/fs.h>
#include <pwd.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

enum { cannot_run = 126, not_found = 127, usage = 64, most_groups = 65536 };

// A number of a user or group; -1 where the text is none.
static long number(const char *text) {
    char *end;
    errno = 0;
    unsigned long value = strtoul(text, &end, 10);
    return *text < '0' || *text > '9' || *end || errno || value > UINT32_MAX - 1 ? -1 : (long)value;
}

struct identity {
    uid_t uid;
    gid_t gid;
    gid_t groups[most_groups];
    size_t group_count;
    char *home;
};

// The user of a name, or else of a number, in the image's own /etc/passwd; NULL where that has none, or is missing.
static struct passwd *user_entry(const char *name, long uid) {
    for (int by_name = 1; by_name >= 0; by_name--) {
        FILE *file = fopen("/etc/passwd", "re");
        struct passwd *entry = NULL;
        while (file && (entry = fgetpwent(file)))
            if (by_name ? !strcmp(entry->pw_name, name) : uid >= 0 && entry->pw_uid == (uid_t)uid) break;
        if (file) fclose(file);
        // What was read last stays in a buffer of the library's.
        if (file && entry) return entry;
    }
    return NULL;
}

// The group of a name, or else of a number, in the image's own /etc/group; -1 where that has none.
static long group_id(const char *name) {
    FILE *file = fopen("/etc/group", "re");
    struct group *entry = NULL;
    while (file && (entry = fgetgrent(file)) && strcmp(entry->gr_name, name)) {}
    long gid = file && entry ? (long)entry->gr_gid : number(name);
    if (file) fclose(file);
    return gid;
}

static void add_groups_of(const char *user, struct identity *found) {
    FILE *file = fopen("/etc/group", "re");
    struct group *entry;
    while (file && (entry = fgetgrent(file)))
        for (char **member = entry->gr_mem; *member; member++)
            if (!strcmp(*member, user) && found->group_count < most_groups)
                found->groups[found->group_count++] = entry->gr_gid;
    if (file) fclose(file);
}

// Finds USER[:GROUP] as container engines do: names before numbers, and the user's further groups only where no group
// is given (containerd, oci/spec_opts.go).
static void find(char *user, struct identity *found) {
    char *group = strchr(user, ':');
    if (group) *group++ = 0;
    if (!*user) user = "0";
    long uid = number(user);
    struct passwd *entry = user_entry(user, uid);
    if (!entry && uid < 0) error(cannot_run, 0, "the image has no user '%s' in /etc/passwd", user);
    found->uid = entry ? entry->pw_uid : (uid_t)uid;
    found->gid = entry ? entry->pw_gid : 0;
    found->home = strdup(entry && *entry->pw_dir ? entry->pw_dir : "/");
    if (group && *group) {
        long gid = group_id(group);
        if (gid < 0) error(cannot_run, 0, "the image has no group '%s' in /etc/group", group);
        found->gid = gid;
    } else if (entry) {
        add_groups_of(entry->pw_name, found);
    }
}

static void enter_folder(const char *path) {
    char *copy = strdup(path);
    for (char *slash = copy + 1; *copy && (slash = strchr(slash, '/')); *slash++ = '/') {
        *slash = 0;
        mkdir(copy, 0755);
    }
    mkdir(copy, 0755);
    if (chdir(copy)) error(cannot_run, errno, "cannot enter %s", path);
    free(copy);
}

static int enter(char *root, char *user, char *folder, char **command) {
    static struct identity identity;
    if (chroot(root) || chdir("/")) error(cannot_run, errno, "cannot enter the image");
    find(user, &identity);
    enter_folder(*folder ? folder : "/");
    setenv("HOME", identity.home, 0);
    // A shell ignores the keyboard's signals for what it starts in the background.
    for (int number = 1; number < NSIG; number++) signal(number, SIG_DFL);
    setsid();
    ioctl(STDIN_FILENO, TIOCSCTTY, 0);
    // Whoever opens /dev/stdout anew has to be allowed to.
    if (isatty(STDOUT_FILENO)) (void)!fchown(STDOUT_FILENO, identity.uid, -1);
    if (setgroups(identity.group_count, identity.groups) || setgid(identity.gid) || setuid(identity.uid))
        error(cannot_run, errno, "cannot become user %u, group %u", identity.uid, identity.gid);
    execvp(*command, command);
    error(errno == ENOENT ? not_found : cannot_run, errno, "cannot run %s", *command);
    return cannot_run;
}

// fs/ext4/ext4.h: the ioctl, and the fields of struct ext4_super_block, which begins at byte 1024.
#define EXT4_IOC_RESIZE_FS _IOW('f', 16, uint64_t)
static int grow(const char *device, const char *folder) {
    unsigned char super[1024];
    uint64_t size;
    int disk = open(device, O_RDONLY | O_CLOEXEC), mounted = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (disk < 0 || mounted < 0 || pread(disk, super, sizeof super, 1024) != sizeof super ||
        ioctl(disk, BLKGETSIZE64, &size))
        error(1, errno, "cannot look at %s", device);
    uint32_t low, high, shift;
    memcpy(&low, super + 0x4, 4);
    memcpy(&shift, super + 0x18, 4);
    memcpy(&high, super + 0x150, 4);
    uint64_t have = (uint64_t)high << 32 | low, want = size >> (10 + (shift & 7));
    if (want <= have) return 0;
    if (ioctl(mounted, EXT4_IOC_RESIZE_FS, &want)) error(1, errno, "cannot grow the file system of %s", device);
    printf("grew the file system of %s from %llu to %llu blocks\n", device, (unsigned long long)have,
        (unsigned long long)want);
    return 0;
}

// open_tree(2) and move_mount(2), Linux 5.2 and later: what is mounted crosses into the root as a descriptor.
static int place(const char *folder, const char *root, const char *path) {
    int tree = open_tree(AT_FDCWD, folder, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
    if (tree < 0) error(1, errno, "cannot take %s along", folder);
    if (chroot(root) || chdir("/")) error(1, errno, "cannot enter the image");
    enter_folder(path);
    if (move_mount(tree, "", AT_FDCWD, ".", MOVE_MOUNT_F_EMPTY_PATH)) error(1, errno, "cannot mount on %s", path);
    return 0;
}

int main(int count, char **arguments) {
    program_invocation_name = "slipway";
    if (count >= 6 && !strcmp(arguments[1], "enter"))
        return enter(arguments[2], arguments[3], arguments[4], arguments + 5);
    if (count == 4 && !strcmp(arguments[1], "grow")) return grow(arguments[2], arguments[3]);
    if (count == 5 && !strcmp(arguments[1], "place")) return place(arguments[2], arguments[3], arguments[4]);
    if (count == 3 && !strcmp(arguments[1], "detach")) {
        if (umount2(arguments[2], MNT_DETACH)) error(1, errno, "cannot unmount %s", arguments[2]);
        return 0;
    }
    error(usage, 0, "usage: see the head of guest.c");
}
