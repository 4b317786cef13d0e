/* The texts of one language. Inside messages.h's module. */
#ifndef UI_MESSAGES_LIST_H
#define UI_MESSAGES_LIST_H

#include "ui/messages.h"

struct message_error {
    const char *meaning, *advice;
};

#define ERR_COUNT (ERR_STOPPED + 1)

struct message_list {
    const char *tag, *name;
    const struct word_list *words;
    const char *text[MESSAGE_COUNT];
    struct message_error error[ERR_COUNT];
};

extern const struct message_list messages_en, messages_es;

#endif
