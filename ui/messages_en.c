/* English: the texts that the ids come from, and those of ERR_LIST. */
#include "ui/messages_list.h"

const struct message_list messages_en = {
    .tag = "en",
    .name = "English",
    .words = &words_en,
    .text =
        {
#define M(id, words) [id] = words,
#include "ui/messages_all_en.def"
#undef M
        },
    .error =
        {
#define X(id, class, what, todo) [id] = {what, todo},
            ERR_LIST(X)
#undef X
        },
};
