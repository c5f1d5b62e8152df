/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Driver of fuzz targets without libFuzzer: replays files, each as it is and cut at every length.
 * With arguments these are files or directories; without, the program fuzz_NAME replays
 * $srcdir/tests/fuzz/corpus/NAME. A missing or empty corpus is an error.
 */
#include "config.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/str.h"
#include "tests/fuzz/fuzz.h"

#define FILE_MAX ((off_t)16 << 20) /* bytes; a corpus is made of small inputs */
#define CUTS_MAX 4096              /* longer files are replayed whole only: cutting is quadratic */

static size_t replayed;
static const char *current;
static size_t current_size;

/* Said last, so a crash shows which input it was. */
static void tell_current(void)
{
    if (current)
        fprintf(stderr, "while replaying the first %zu bytes of %s\n", current_size, current);
}

static void feed(const uint8_t *data, size_t size)
{
    uint8_t *exact = rk_malloc(size); /* exact size: a sanitizer sees one byte too far */

    if (size)
        memcpy(exact, data, size);
    current_size = size;
    (void)LLVMFuzzerTestOneInput(exact, size);
    free(exact);
}

static bool replay_file(const char *path, int fd, off_t file_size)
{
    size_t size = (size_t)file_size;
    uint8_t *data = rk_malloc(size + 1);
    ssize_t got = file_size > FILE_MAX ? -1 : read(fd, data, size);

    if (got != (ssize_t)size) {
        fprintf(stderr, "%s: cannot read %zu bytes\n", path, size);
        free(data);
        return false;
    }
    current = path;
    for (size_t n = 0; size <= CUTS_MAX && n < size; n++)
        feed(data, n);
    feed(data, size);
    current = NULL;
    free(data);
    replayed++;
    return true;
}

static bool replay(const char *path);

static bool replay_dir(const char *path)
{
    DIR *dir = opendir(path);
    struct dirent *e;
    bool ok = dir != NULL;

    while (ok && (e = readdir(dir)) != NULL) {
        char name[PATH_MAX];
        int n = snprintf(name, sizeof name, "%s/%s", path, e->d_name);

        if (e->d_name[0] != '.')
            ok = n > 0 && (size_t)n < sizeof name && replay(name);
    }
    if (dir)
        closedir(dir);
    return ok;
}

static bool replay(const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct stat st;
    bool ok = false;

    if (fd < 0 || fstat(fd, &st) < 0)
        fprintf(stderr, "%s: %s\n", path, strerror(errno));
    else if (S_ISDIR(st.st_mode))
        ok = replay_dir(path);
    else
        ok = replay_file(path, fd, st.st_size);
    if (fd >= 0)
        close(fd);
    return ok;
}

int main(int argc, char **argv)
{
    const char *srcdir = getenv("srcdir");
    const char *name = strstr(argv[0], "fuzz_"); /* the last one: the path may have it too */
    char corpus[PATH_MAX];
    bool ok = true;

    atexit(tell_current);
    for (int i = 1; i < argc; i++)
        ok = replay(argv[i]) && ok;
    while (name && strstr(name + 1, "fuzz_"))
        name = strstr(name + 1, "fuzz_");
    if (argc == 1 && name) {
        int n = snprintf(corpus, sizeof corpus, "%s/tests/fuzz/corpus/%s", srcdir ? srcdir : ".",
                         name + strlen("fuzz_"));

        ok = n > 0 && (size_t)n < sizeof corpus && replay(corpus);
    }
    if (ok && !replayed)
        fprintf(stderr, "%s: no inputs\n", argv[0]);
    printf("%zu inputs replayed\n", replayed);
    return ok && replayed ? EXIT_SUCCESS : EXIT_FAILURE;
}
