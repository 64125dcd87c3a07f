/* file.c -- temporary name, write, fsync, rename, fsync of the folder. */
#include "io/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "core/memory.h"

typedef struct target {
  const char *path;
  char *folder; /* owned; "." when path names none; the temporary name follows in the same block */
  char *temporary;
} target;

static cj_status failed(const char *path, const char *what) {
  const size_t length = strlen(path);
  return cj_fail(CJ_EIO, "%s: %s: %s", length > 200 ? path + length - 200 : path, what,
                 strerror(errno));
}

static cj_status target_open(target *t, const char *path) {
  const size_t length = strlen(path), room = length + 32;
  const char *slash = strrchr(path, '/');
  t->path = path;
  t->folder = cj_alloc(length + 2 + room);
  if (!t->folder) return cj_fail(CJ_EMEM, "no memory to write a file");
  t->temporary = t->folder + length + 2;
  const size_t above = slash ? (size_t)(slash - path) : 0;
  memcpy(t->folder, slash ? path : ".", slash && above > 0 ? above : 1);
  t->folder[slash && above > 0 ? above : 1] = '\0';
  return CJ_OK;
}

/* A name nobody else uses: other processes differ in number or time, other threads in the count. */
static void name_temporary(target *t) {
  static atomic_uint count;
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  const uint32_t salt = ((uint32_t)now.tv_nsec ^ (uint32_t)getpid() << 12) +
                        2654435761u * (uint32_t)atomic_fetch_add(&count, 1);
  const char *slash = strrchr(t->path, '/');
  const int above = slash ? (int)(slash - t->path) + 1 : 0;
  snprintf(t->temporary, strlen(t->path) + 32, "%.*s.%s.%08x.tmp", above, t->path, t->path + above,
           salt);
}

static int create_temporary(target *t) {
  for (int tries = 0; tries < 16; tries++) {
    name_temporary(t);
    const int fd = open(t->temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (fd >= 0 || errno != EEXIST) return fd;
  }
  return -1;
}

static cj_status write_piece(int fd, const char *path, const cj_piece *piece) {
  const char *bytes = piece->bytes;
  size_t left = piece->size;
  while (left > 0) {
    const ssize_t n = write(fd, bytes, left);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return failed(path, "writing failed");
    bytes += n;
    left -= (size_t)n;
  }
  return CJ_OK;
}

static cj_status write_temporary(const target *t, int fd, const cj_piece *pieces, int count) {
  cj_status status = CJ_OK;
  for (int i = 0; i < count && status == CJ_OK; i++) status = write_piece(fd, t->path, &pieces[i]);
  if (status == CJ_OK && fsync(fd) != 0) status = failed(t->path, "syncing failed");
  if (close(fd) != 0 && status == CJ_OK) status = failed(t->path, "closing failed");
  return status;
}

/* After this the new name survives a power cut. Some file systems cannot sync folders: no error. */
static void sync_folder(const char *folder) {
  const int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return;
  (void)fsync(fd);
  close(fd);
}

cj_status cj_file_write(const char *path, const cj_piece *pieces, int count) {
  target t = {0};
  CJ_TRY(target_open(&t, path));
  const int fd = create_temporary(&t);
  cj_status status = fd < 0 ? failed(path, "cannot create") : CJ_OK;
  if (fd >= 0) {
    status = write_temporary(&t, fd, pieces, count);
    if (status == CJ_OK && rename(t.temporary, path) != 0) status = failed(path, "cannot rename");
    if (status != CJ_OK) unlink(t.temporary);
  }
  if (status == CJ_OK) sync_folder(t.folder);
  cj_free(t.folder);
  return status;
}

static cj_status make_one(const char *path) {
  struct stat about;
  if (mkdir(path, 0777) == 0) return CJ_OK;
  const int why = errno;
  if (stat(path, &about) == 0 && S_ISDIR(about.st_mode)) return CJ_OK;
  errno = why;
  return failed(path, "cannot make the folder");
}

cj_status cj_folder_make(const char *path) {
  const size_t length = strlen(path);
  char *part = cj_alloc(length + 1);
  cj_status status = CJ_OK;
  if (!part) return cj_fail(CJ_EMEM, "no memory to make a folder");
  memcpy(part, path, length + 1);
  for (size_t i = 1; i < length && status == CJ_OK; i++) {
    if (part[i] != '/') continue;
    part[i] = '\0';
    status = make_one(part);
    part[i] = '/';
  }
  if (status == CJ_OK) status = make_one(path);
  cj_free(part);
  return status;
}
