/* Inside of carry.h's module. */
#ifndef APPLIANCE_CARRY_PARTS_H
#define APPLIANCE_CARRY_PARTS_H

#include "appliance/carry.h"
#include "tally/export.h"
#include "tally/node.h"

#define CARRY_BUNDLE_DIR "bundle"

/* Marks an item. ERR_MEMORY. */
MUST err_t carry_refuse(struct carry_item *x, err_t e, const struct fault *why);

#endif
