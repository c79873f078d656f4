#include "ctl_render.h"

#include <inttypes.h>
#include <stdarg.h>
#include <string.h>

#include "base/text.h"

#define LINE_MAX (4 * CSN_REASON_MAX)

__attribute__((format(printf, 3, 4))) static void put_line(const struct csn_ctl_page *page,
                                                           const char *lead, const char *format, ...)
{
    char text[LINE_MAX];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    csn_ctl_put_wrapped(page, lead, text);
}

/* "2026-11-21T19:40:07Z (in 2m 10s)" */
static void moment_text(uint64_t now_s, uint64_t at_s, char *ret_text, size_t size)
{
    char time[CSN_TIME_TEXT_SIZE], span[CSN_SPAN_TEXT_SIZE];
    csn_time_text(at_s, time);
    csn_span_text(at_s > now_s ? at_s - now_s : now_s - at_s, span);
    snprintf(ret_text, size, "%s (%s%s)", time, at_s > now_s ? "in " : "over since ", span);
}

static int width_of(const struct csn_explanation *explanation, bool is_vote)
{
    size_t width = 4;
    for (uint32_t i = 0; i < explanation->vote_count; i++) {
        const struct csn_explained_vote *row = &explanation->votes[i];
        size_t size = strlen(is_vote ? row->vote : row->site);
        width = size > width ? size : width;
    }
    return (int)width;
}

static void put_site(const struct csn_ctl_page *page, const struct csn_explanation *explanation,
                     const struct csn_explained_vote *row)
{
    char serial[16] = "-", left[CSN_SPAN_TEXT_SIZE] = "-", fence[CSN_SPAN_TEXT_SIZE] = "-";
    uint64_t now_s = explanation->observed_at_s;
    if (row->has_released) {
        snprintf(serial, sizeof(serial), "%" PRIu32, row->released);
    }
    if (row->first_expiry_s != 0) {
        csn_span_text(row->first_expiry_s > now_s ? row->first_expiry_s - now_s : 0, left);
    }
    if (row->fence_s != 0) {
        csn_span_text(row->fence_s > now_s ? row->fence_s - now_s : 0, fence);
    }
    put_line(page, "", "%-*s  %-10s  %-10s  %-9s  %s", width_of(explanation, false), row->site, serial, left,
             fence, row->vote);
    if (row->why != NULL) {
        put_line(page, "      ", "%s", row->why);
    }
}

static void put_sites(const struct csn_ctl_page *page, const struct csn_explanation *explanation)
{
    fprintf(page->out, "\n%-*s  %-10s  %-10s  %-9s  %s\n", width_of(explanation, false), "SITE", "RELEASED",
            "SERVES FOR", "TO FENCE", "STATE");
    for (uint32_t i = 0; i < explanation->vote_count; i++) {
        put_site(page, explanation, &explanation->votes[i]);
    }
}

static void put_refusal(const struct csn_ctl_page *page, const struct csn_explained_refusal *row)
{
    char first[CSN_TIME_TEXT_SIZE], last[CSN_TIME_TEXT_SIZE], head[9];
    bool has_both = row->want != NULL && row->is != NULL;
    csn_time_text(row->first_s, first);
    csn_time_text(row->last_s, last);
    csn_hex_encode(csn_bytes(row->hash.octets, 4), head);
    put_line(page, "  ", "%s refused (R%u, %u): %s? %s%s%s", row->site, row->rule, row->test, row->question,
             row->want != NULL ? row->want : "", has_both ? ", " : "", row->is != NULL ? row->is : "");
    put_line(page, "      ", "%" PRIu32 " proposal%s, first %s, last %s in round %s (proposal %s)", row->count,
             row->count == 1 ? "" : "s", first, last, row->round, head);
    put_line(page, "      ", "%s", row->next);
}

void csn_ctl_table_refusals(const struct csn_ctl_page *page, const struct csn_explanation *explanation)
{
    for (uint32_t i = 0; i < explanation->refusal_count; i++) {
        put_refusal(page, &explanation->refusals[i]);
    }
    if (explanation->refusal_count == 0) {
        fputs("  none\n", page->out);
    } else if (explanation->has_more) {
        fputs("  and more; ask for one site with --site\n", page->out);
    }
}

static void put_steps(const struct csn_ctl_page *page, const struct csn_explanation *explanation)
{
    char when[CSN_TIME_TEXT_SIZE + CSN_SPAN_TEXT_SIZE + 16];
    fputs("\nNEXT, BY ITSELF\n", page->out);
    for (uint32_t i = 0; i < explanation->next_count; i++) {
        const struct csn_explained_step *step = &explanation->next[i];
        when[0] = '\0';
        if (step->at_s != 0) {
            moment_text(explanation->observed_at_s, step->at_s, when, sizeof(when));
        }
        put_line(page, "  ", "%s%s%s", when, when[0] != '\0' ? ": " : "", step->text);
    }
    fputs(explanation->next_count == 0 ? "  nothing\n" : "", page->out);
    fputs("\nAN OPERATOR MAY\n", page->out);
    for (uint32_t i = 0; i < explanation->may_count; i++) {
        const struct csn_explained_step *step = &explanation->may[i];
        put_line(page, "  ", "%s", step->text);
        if (step->command != NULL) {
            put_line(page, "      ", "%s", step->command);
        }
    }
    fputs(explanation->may_count == 0 ? "  leave it alone: nothing need be done\n" : "", page->out);
}

void csn_ctl_table_explanation(const struct csn_ctl_page *page,
                               const struct csn_explanation *explanation, bool is_whole)
{
    char time[CSN_TIME_TEXT_SIZE];
    csn_time_text(explanation->observed_at_s, time);
    put_line(page, "", "zone %s   %s   observed from %s %s", explanation->zone, explanation->state,
             explanation->observed_from, time);
    put_line(page, "", "%s", explanation->text);
    put_sites(page, explanation);
    if (is_whole) {
        fputs("\nREFUSALS (kept, also of what is over)\n", page->out);
        csn_ctl_table_refusals(page, explanation);
        put_steps(page, explanation);
    }
}
