/* Every text a person reads on the appliance's screens, in two languages.
 *
 * A text is added by one line in each language: M(MSG_NAME, "text") in ui/messages_AREA_en.def and in
 * ui/messages_AREA_es.def. The English files make the list of ids; a language that lacks a text, or has one
 * twice, does not compile; tests/ui/test_messages.c compares the places for arguments.
 *
 * Arguments are texts: {1} to {9} stand for them, in any order. Numbers go through UI_NUMBER. What comes from
 * outside may be given as it is: message_format shows characters that text_check refuses as '?'. In a text
 * "\n" ends a line, and "\n\n" a paragraph.
 * The meanings and advices of ERR_LIST are texts too (ui/messages_errors_es.def). Details of faults, notes
 * and titles come from rooms that know no languages: a sentence of theirs is said in another language if it
 * is in ui/messages_details_es.def (tests/lint/details.sh: as the program writes it), and otherwise stays
 * English, marked as a technical detail. */
#ifndef UI_MESSAGES_H
#define UI_MESSAGES_H

#include "ceremony/base/err.h"
#include "ui/words.h"

enum message {
#define M(id, text) id,
#include "ui/messages_all_en.def"
#undef M
    MESSAGE_COUNT
};

enum language { LANGUAGE_EN, LANGUAGE_ES, LANGUAGE_COUNT };

#define MESSAGE_ARGS_MAX 9
#define MESSAGE_MAX 4096 /* bytes of a text with its arguments */

/* Never NULL. */
const char *message_text(enum language l, enum message id);
const char *message_error_meaning(enum language l, err_t e);
const char *message_error_advice(enum language l, err_t e);

/* "en", "es"; the name a language has for itself; its fingerprint words. */
const char *language_tag(enum language l);
const char *language_name(enum language l);
const struct word_list *language_words(enum language l);
/* From a tag or a locale: "es", "es_MX.UTF-8". ERR_UNKNOWN; *out is LANGUAGE_EN then. */
MUST err_t language_find(enum language *out, const char *tag);

/* out: the text with its arguments, cut to out_len at a character, always terminated. ERR_BUG: a place in
 * the text has no argument, or an argument has no place; the place shows '?' then. */
MUST err_t message_format(char *out, size_t out_len, enum language l, enum message id,
                          const char *const *args, size_t count);

/* A sentence of the program, such as a fault's detail, in a language. 1: known, or English; 0: out is the
 * English sentence. The second: with the mark of a technical detail then. */
int message_detail(char *out, size_t out_len, enum language l, const char *english);
void message_detail_text(char *out, size_t out_len, enum language l, const char *english);

/* fault_text in a language: "FILE, place: what happened: detail. To do: what. [ERR_NAME]". A detail that is
 * not known in the language stands, marked as one, before the name. */
void message_fault(char *out, size_t out_len, enum language l, const struct fault *f);

/* Copies text so that it can be shown: what text_check refuses becomes '?', "\n" stays. Cut at a character.
 */
void message_clean(char *out, size_t out_len, const char *text);

/* A number as an argument: UI_NUMBER(n) lives as long as the enclosing block. */
#define UI_NUMBER(n) message_number((char[24]){0}, (uint64_t)(n))
const char *message_number(char out[24], uint64_t n);

#endif
