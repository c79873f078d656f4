#include "ops/explain.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void csn_explanation_fini(struct csn_explanation *explanation)
{
    free(explanation->refusals);
    csn_arena_fini(&explanation->arena);
    *explanation = (struct csn_explanation){0};
}

const char *csn_explanation_text(struct csn_explanation *explanation, const char *format, ...)
{
    char text[CSN_REASON_MAX];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    return csn_arena_copy(&explanation->arena, text, strlen(text) + 1);
}

void csn_explanation_vote(struct csn_explanation *explanation, const struct csn_explained_vote *vote)
{
    if (explanation->vote_count < CSN_EXPLAIN_SITES_MAX) {
        explanation->votes[explanation->vote_count++] = *vote;
    }
}

void csn_explanation_next(struct csn_explanation *explanation, const char *text, uint64_t at_s)
{
    if (explanation->next_count < CSN_EXPLAIN_STEPS_MAX) {
        explanation->next[explanation->next_count++] =
            (struct csn_explained_step){.text = text, .at_s = at_s};
    }
}

void csn_explanation_may(struct csn_explanation *explanation, const char *text, const char *command)
{
    if (explanation->may_count < CSN_EXPLAIN_STEPS_MAX) {
        explanation->may[explanation->may_count++] =
            (struct csn_explained_step){.text = text, .command = command};
    }
}

void csn_explanation_refusal(struct csn_explanation *explanation,
                             const struct csn_explained_refusal *refusal)
{
    if (explanation->refusal_count == CSN_EXPLAIN_REFUSALS_MAX) {
        explanation->has_more = true;
        return;
    }
    explanation->refusals =
        csn_realloc(explanation->refusals, explanation->refusal_count + 1, sizeof(*refusal));
    explanation->refusals[explanation->refusal_count++] = *refusal;
}
