/* The texts of one language. Inside messages.h's module. */
#ifndef UI_MESSAGES_LIST_H
#define UI_MESSAGES_LIST_H

#include "ui/messages.h"

struct message_error {
    const char *meaning, *advice;
};

#define ERR_COUNT (ERR_STOPPED + 1)

/* A sentence of the program, and the same in this language, both with places {1} to {9}. */
struct message_said {
    const char *english, *said;
};

struct message_list {
    const char *tag, *name;
    const struct word_list *words;
    const char *text[MESSAGE_COUNT];
    struct message_error error[ERR_COUNT];
    const struct message_said *detail; /* the first one that fits counts */
    size_t details;
};

/* Never NULL. */
const struct message_list *message_list_of(enum language l);

extern const struct message_list messages_en, messages_es;

#endif
