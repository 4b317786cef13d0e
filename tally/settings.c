#include "tally/settings.h"

#include <stdlib.h>
#include <string.h>

#include "ceremony/base/file.h"
#include "ceremony/base/text.h"
#include "ceremony/json.h"

#define FILE_MAX ((size_t)16 << 10)

static err_t settings_read(struct settings *out, const json_t *v, struct fault *f)
{
    static const char *const keys[] = {"settings", "threads", "batch_points", "?about", NULL};
    uint32_t version;
    char about[TEXT_TITLE_MAX + 1];
    TRY(json_keys(v, NULL, keys, f));
    TRY(json_uint(&version, v, "settings", 0, UINT32_MAX, NULL, f));
    if (version != 1)
        return fault_set(f, ERR_VERSION, "settings of version %u", version);
    TRY(json_uint(&out->threads, v, "threads", 0, SETTINGS_THREADS_MAX, NULL, f));
    TRY(json_uint(&out->batch_points, v, "batch_points", 0, SETTINGS_POINTS_MAX, NULL, f));
    if (json_object_get(v, "about") != NULL)
        TRY(json_text(about, TEXT_TITLE_MAX, v, "about", NULL, f));
    if (out->batch_points != 0 && out->batch_points < SETTINGS_POINTS_MIN)
        return fault_set(f, ERR_LIMIT, "batch_points: at least %d", SETTINGS_POINTS_MIN);
    return OK;
}

err_t settings_load(struct settings *out, const char *path, const char *dir, struct fault *f)
{
    char beside[4096];
    uint8_t *data;
    size_t len;
    json_t *v = NULL;
    int given = path != NULL;
    memset(out, 0, sizeof *out);
    if (!given && dir == NULL)
        return OK;
    if (!given) {
        if (file_path(beside, sizeof beside, dir, SETTINGS_FILE) != OK)
            return fault_set(f, ERR_LIMIT, "path too long");
        path = beside;
    }
    err_t e = file_read(&data, &len, path, FILE_MAX, f);
    if (e == ERR_MISSING && !given) {
        fault_clear(f);
        return OK;
    }
    if (e != OK)
        return e;
    e = json_read(&v, data, len, f);
    if (e == OK)
        e = settings_read(out, v, f);
    if (e != OK)
        memset(out, 0, sizeof *out);
    json_decref(v);
    free(data);
    return e == OK ? OK : fault_file(f, e, path);
}

err_t settings_save(const struct settings *s, const char *about, const char *path, struct fault *f)
{
    char *text = NULL;
    err_t e = ERR_MEMORY;
    if (s->threads > SETTINGS_THREADS_MAX || s->batch_points > SETTINGS_POINTS_MAX ||
        (s->batch_points != 0 && s->batch_points < SETTINGS_POINTS_MIN))
        return fault_set(f, ERR_LIMIT, "settings outside of their limits");
    json_t *v = json_pack("{si,si,si}", "settings", 1, "threads", (int)s->threads, "batch_points",
                          (int)s->batch_points);
    if (v != NULL && (about == NULL || json_object_set_new(v, "about", json_string(about)) == 0))
        e = json_write(&text, v);
    if (e == OK)
        e = file_write(path, text, strlen(text), FILE_REPLACE, f);
    else
        fault_set(f, e, "writing settings");
    free(text);
    json_decref(v);
    return e;
}
