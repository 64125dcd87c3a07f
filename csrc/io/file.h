/* file.h -- writing files so that a reader sees the old content or the new, never a part. */
#ifndef CJ_FILE_H
#define CJ_FILE_H

#include <stddef.h>

#include "core/status.h"

typedef struct cj_piece {
  const void *bytes;
  size_t size;
} cj_piece;

/* Writes the pieces one after the other: to a temporary name in the same folder, synced, renamed to
 * path, the folder synced. On CJ_EIO path is as it was and the temporary file is gone. A killed
 * process can leave a file named .NAME.XXXXXXXX.tmp behind. */
cj_status cj_file_write(const char *path, const cj_piece *pieces, int count);

/* Makes a folder and those above it; one that exists is fine. */
cj_status cj_folder_make(const char *path);

#endif
