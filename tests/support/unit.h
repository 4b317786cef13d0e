/* What every unit test includes: cmocka and what it wants before it. */
#ifndef TESTS_SUPPORT_UNIT_H
#define TESTS_SUPPORT_UNIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "ceremony/base/err.h"

/* Compares by name, so that a failure says ERR_PROOF and not 17. */
#define assert_err(call, expected) assert_string_equal(err_name(call), err_name(expected))

#endif
