/* show: the same printer as conclave-tally's. */
#include "appliance/session.h"
#include "tally/verb.h"

err_t verb_show_file(int argc, char **argv, struct fault *f)
{
    static const struct verb self = {"show", "FILE...", "print any file of an election for people", NULL, verb_show};
    struct verb_run v = {.verb = &self, .out = stdout, .err = stderr};
    fault_clear(&v.fault);
    err_t e = verb_show(&v, argc - 1, argv + 1);
    *f = v.fault;
    return e;
}
