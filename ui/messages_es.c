/* Spanish. A text that is missing, or here twice, does not compile. */
#include "ui/messages_list.h"

static const struct message_said details[] = {
#define D(english, said) {english, said},
#include "ui/messages_details_es.def"
#undef D
};

const struct message_list messages_es = {
    .tag = "es",
    .name = "Espa\u00f1ol",
    .words = &words_es,
    .text =
        {
#define M(id, words) [id] = words,
#include "ui/messages_all_es.def"
#undef M
        },
    .error =
        {
#define E(id, what, todo) [id] = {what, todo},
#include "ui/messages_errors_es.def"
#undef E
        },
    .detail = details,
    .details = sizeof details / sizeof details[0],
};

enum {
    TEXT_COUNT = 0
#define M(id, words) +1
#include "ui/messages_all_es.def"
#undef M
    ,
    ERROR_TEXT_COUNT = 0
#define E(id, what, todo) +1
#include "ui/messages_errors_es.def"
#undef E
};
_Static_assert((int)TEXT_COUNT == (int)MESSAGE_COUNT, "a text is missing in Spanish");
_Static_assert((int)ERROR_TEXT_COUNT == (int)ERR_COUNT, "an error is missing in Spanish");
