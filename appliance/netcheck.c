#include "appliance/netcheck.h"

#include <ifaddrs.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ceremony/base/file.h"

static err_t is_up(const char *name, struct fault *f)
{
    return fault_set(
        f, ERR_RULE,
        "network interface %s is up: the appliance works only on a machine without a network; take "
        "the card or cable out and switch wireless off, or rehearse with --rehearsal",
        name);
}

static err_t of_process(struct fault *f)
{
    struct ifaddrs *list;
    err_t e = OK;
    if (getifaddrs(&list) != 0)
        return fault_set(f, ERR_IO, "the network interfaces cannot be listed");
    for (const struct ifaddrs *i = list; i != NULL && e == OK; i = i->ifa_next)
        if ((i->ifa_flags & IFF_UP) != 0 && (i->ifa_flags & IFF_LOOPBACK) == 0)
            e = is_up(i->ifa_name, f);
    freeifaddrs(list);
    return e;
}

/* One short line of a file of the kernel; such files have no true length. */
static int read_line(char *out, size_t size, const char *dir, const char *name, const char *file)
{
    char path[4096];
    if (snprintf(path, sizeof path, "%s/%s/%s", dir, name, file) >= (int)sizeof path)
        return 0;
    FILE *in = fopen(path, "re");
    if (in == NULL)
        return 0;
    char *got = fgets(out, (int)size, in);
    fclose(in);
    if (got == NULL)
        return 0;
    out[strcspn(out, "\n")] = '\0';
    return 1;
}

static err_t look_at(void *ctx, const char *name, struct fault *f)
{
    char line[64], *end;
    unsigned long flags = 0;
    int known = 0;
    if (read_line(line, sizeof line, ctx, name, "flags")) {
        flags = strtoul(line, &end, 16);
        known = end != line && *end == '\0';
    } else if (!read_line(line, sizeof line, ctx, name, "operstate")) {
        return OK; /* no interface: bonding_masters, for example */
    }
    if ((flags & IFF_LOOPBACK) != 0)
        return OK;
    if ((flags & IFF_UP) != 0 || !known)
        return is_up(name, f);
    if (read_line(line, sizeof line, ctx, name, "operstate") && strcmp(line, "up") == 0)
        return is_up(name, f);
    return OK;
}

err_t netcheck(const char *class, struct fault *f)
{
    const char *dir = class != NULL ? class : "/sys/class/net";
    TRY(of_process(f));
    return file_list(dir, look_at, (void *)dir, f);
}
