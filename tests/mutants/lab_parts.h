/* Inside the laboratory only. */
#ifndef TESTS_MUTANTS_LAB_PARTS_H
#define TESTS_MUTANTS_LAB_PARTS_H

#include "tests/mutants/lab.h"

#define OK_OR_FAIL(call)                                                                                     \
    do {                                                                                                     \
        fault_clear(&fault_);                                                                                \
        err_t e_ = (call);                                                                                   \
        if (e_ != OK)                                                                                        \
            fail_msg("%s: %s: %s: %s", #call, err_name(e_), fault_.who, fault_.detail);                      \
    } while (0)

void lab_ceremony(struct lab *l); /* entries and record */
void lab_ballots(struct lab *l);  /* exports and records */
void lab_night(struct lab *l);    /* plan, partial decryptions, result */
void lab_page(struct lab *l);

#endif
