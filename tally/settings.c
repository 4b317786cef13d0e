#include "tally/settings.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "ceremony/base/file.h"
#include "ceremony/base/text.h"
#include "ceremony/json.h"

#define FILE_MAX ((size_t)16 << 10)

/* All of the numbers: where, name in the file, limits of what is not 0. */
static const struct number {
    size_t offset;
    const char *key;
    uint32_t min, max;
    int needed;
} numbers[] = {
    {offsetof(struct settings, threads), "threads", 1, SETTINGS_THREADS_MAX, 1},
    {offsetof(struct settings, batch_points), "batch_points", SETTINGS_POINTS_MIN, SETTINGS_POINTS_MAX, 1},
    {offsetof(struct settings, window), "window", SETTINGS_WINDOW_MIN, SETTINGS_WINDOW_MAX, 0},
    {offsetof(struct settings, block), "chain_block", 1, SETTINGS_BLOCK_MAX, 0},
    {offsetof(struct settings, seconds), "chain_seconds", 1, SETTINGS_SECONDS_MAX, 0},
    {offsetof(struct settings, node_batch), "chain_batch", 1, SETTINGS_NODE_BATCH_MAX, 0},
    {offsetof(struct settings, node_queue), "chain_queue", 1, SETTINGS_NODE_QUEUE_MAX, 0},
    {offsetof(struct settings, node_threads), "chain_threads", 1, SETTINGS_NODE_THREADS_MAX, 0},
};
#define NUMBERS (sizeof numbers / sizeof numbers[0])

static uint32_t *number_in(struct settings *s, const struct number *n)
{
    return (uint32_t *)((char *)s + n->offset);
}

static err_t number_check(uint32_t v, const struct number *n, struct fault *f)
{
    if (v != 0 && (v < n->min || v > n->max))
        return fault_set(f, ERR_LIMIT, "%s: 0, or %u to %u", n->key, n->min, n->max);
    return OK;
}

static err_t settings_read(struct settings *out, const json_t *v, struct fault *f)
{
    static const char *const keys[] = {"settings",
                                       "threads",
                                       "batch_points",
                                       "?window",
                                       "?chain_block",
                                       "?chain_seconds",
                                       "?chain_batch",
                                       "?chain_queue",
                                       "?chain_threads",
                                       "?about",
                                       NULL};
    uint32_t version;
    char about[TEXT_TITLE_MAX + 1];
    TRY(json_keys(v, NULL, keys, f));
    TRY(json_uint(&version, v, "settings", 0, UINT32_MAX, NULL, f));
    if (version != 1)
        return fault_set(f, ERR_VERSION, "settings of version %u", version);
    for (const struct number *n = numbers; n < numbers + NUMBERS; n++) {
        uint32_t *to = number_in(out, n);
        if (!n->needed && json_object_get(v, n->key) == NULL)
            continue;
        TRY(json_uint(to, v, n->key, 0, n->max, NULL, f));
        TRY(number_check(*to, n, f));
    }
    if (json_object_get(v, "about") != NULL)
        TRY(json_text(about, TEXT_TITLE_MAX, v, "about", NULL, f));
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

/* Those that may be left out are, where they are 0. */
static json_t *settings_json(const struct settings *s, const char *about)
{
    struct settings copy = *s;
    json_t *v = json_pack("{si}", "settings", 1);
    int bad = v == NULL;
    for (const struct number *n = numbers; n < numbers + NUMBERS && !bad; n++) {
        uint32_t value = *number_in(&copy, n);
        if (n->needed || value != 0)
            bad = json_object_set_new(v, n->key, json_integer(value)) != 0;
    }
    if (!bad && about != NULL)
        bad = json_object_set_new(v, "about", json_string(about)) != 0;
    if (bad) {
        json_decref(v);
        return NULL;
    }
    return v;
}

err_t settings_save(const struct settings *s, const char *about, const char *path, struct fault *f)
{
    struct settings copy = *s;
    char *text = NULL;
    for (const struct number *n = numbers; n < numbers + NUMBERS; n++)
        TRY(number_check(*number_in(&copy, n), n, f));
    json_t *v = settings_json(s, about);
    err_t e = v != NULL ? json_write(&text, v) : ERR_MEMORY;
    if (e == OK)
        e = file_write(path, text, strlen(text), FILE_REPLACE, f);
    else
        fault_set(f, e, "writing settings");
    free(text);
    json_decref(v);
    return e;
}

uint32_t settings_or(uint64_t given, uint32_t set, uint32_t otherwise)
{
    return given ? (uint32_t)given : set ? set : otherwise;
}
