#include "round/epoch.h"

#include <string.h>

#include "round/fields.h"

/* --- documents */

static bool is_same_member(const struct csn_member *a, const struct csn_member *b)
{
    return a->incarnation == b->incarnation && memcmp(a->key, b->key, sizeof(a->key)) == 0;
}

bool csn_epoch_stays(const struct csn_cluster *now, const struct csn_cluster *next, uint16_t site)
{
    const struct csn_member *was = csn_cluster_member(now, site);
    const struct csn_member *is = csn_cluster_member(next, site);
    return was != NULL && is != NULL && is_same_member(was, is);
}

uint8_t csn_epoch_seals_needed(const struct csn_cluster *now, const struct csn_cluster *next)
{
    return next->is_emergency ? next->quorum : now->quorum;
}

uint8_t csn_epoch_entries_needed(const struct csn_cluster *now, const struct csn_cluster *next)
{
    uint8_t staying = 0;
    for (unsigned i = 0; i < now->member_count; i++) {
        staying = (uint8_t)(staying + csn_epoch_stays(now, next, now->members[i].number));
    }
    bool is_return = now->is_emergency && !next->is_emergency;
    return is_return && staying < next->quorum && staying >= now->quorum ? staying : next->quorum;
}

bool csn_epoch_seal_counts(const struct csn_cluster *now, const struct csn_cluster *next,
                           uint16_t site)
{
    return next->is_emergency ? csn_epoch_stays(now, next, site)
                                  : csn_cluster_member(now, site) != NULL;
}

static int check_place(const struct csn_cluster *now, const struct csn_cluster *next,
                       struct csn_reason *reason)
{
    if (memcmp(now->id, next->id, sizeof(now->id)) != 0 || now->environment != next->environment) {
        return csn_reason_set(reason, CSN_EREFUSED, "document of another cluster or environment");
    }
    if (now->epoch == UINT32_MAX || next->epoch != now->epoch + 1) {
        return csn_reason_set(reason, CSN_EREFUSED, "document of epoch %u, the next one is %u",
                              next->epoch, now->epoch + 1);
    }
    if (!csn_digest_equal(&next->previous, &now->digest)) {
        return csn_reason_set(reason, CSN_EREFUSED,
                              "previous is not the SHA-384 of the document of epoch %u", now->epoch);
    }
    if (next->quorum < 1 || next->quorum > next->member_count ||
        2 * next->quorum <= next->member_count + next->faults) {
        return csn_reason_set(reason, CSN_EREFUSED,
                              "quorum %u of %u members with %u faults: 2q > n + f does not hold",
                              next->quorum, next->member_count, next->faults);
    }
    return CSN_OK;
}

struct change {
    unsigned added, removed, replaced, kept;
};

static int count_change(const struct csn_cluster *now, const struct csn_cluster *next,
                        struct change *ret_change, struct csn_reason *reason)
{
    struct change change = {0};
    for (unsigned i = 0; i < next->member_count; i++) {
        const struct csn_member *is = &next->members[i];
        const struct csn_member *was = csn_cluster_member(now, is->number);
        bool is_kept = was != NULL && is_same_member(was, is);
        bool is_new_key = was != NULL && memcmp(was->key, is->key, sizeof(is->key)) != 0;
        if (was != NULL && !is_kept && (is->incarnation <= was->incarnation || !is_new_key)) {
            return csn_reason_set(
                reason, CSN_EREFUSED,
                "%s (site %u) is another than before: that takes a new key and an incarnation above %u",
                is->name, is->number, was->incarnation);
        }
        change.added += was == NULL;
        change.kept += is_kept;
        change.replaced += was != NULL && !is_kept;
    }
    change.removed = now->member_count - change.kept - change.replaced;
    *ret_change = change;
    return CSN_OK;
}

/* An emergency only leaves members out; what follows it may take several back at once. */
static int check_change(const struct csn_cluster *now, const struct csn_cluster *next,
                        const struct change *change, struct csn_reason *reason)
{
    bool is_one = change->added + change->replaced <= 1 && change->removed + change->replaced <= 1;
    if (next->is_emergency && change->added + change->replaced > 0) {
        return csn_reason_set(reason, CSN_EREFUSED, "an emergency's document adds no member");
    }
    if (!next->is_emergency && !is_one && !(now->is_emergency && change->removed == 0)) {
        return csn_reason_set(reason, CSN_EREFUSED,
                              "%u members added, %u removed, %u replaced: one at a time",
                              change->added, change->removed, change->replaced);
    }
    if (change->kept < csn_epoch_entries_needed(now, next)) {
        return csn_reason_set(reason, CSN_EREFUSED,
                              "%u members stay, fewer than the new quorum of %u", change->kept,
                              next->quorum);
    }
    return CSN_OK;
}

static int check_emergency(const struct csn_emergency *emergency, struct csn_reason *reason)
{
    uint32_t offset = emergency->serial_offset;
    if (emergency->not_after_s <= emergency->issued_s ||
        emergency->not_after_s - emergency->issued_s > CSN_EMERGENCY_MAX_S) {
        return csn_reason_set(reason, CSN_EREFUSED, "an emergency ends within 72 h of its issue");
    }
    if (offset == 0 || offset % CSN_EMERGENCY_SERIAL_STEP != 0 || offset > CSN_EMERGENCY_SERIAL_MAX) {
        return csn_reason_set(reason, CSN_EREFUSED,
                              "serial offset %u is no multiple of 2^21 between 2^21 and 2^29", offset);
    }
    return CSN_OK;
}

int csn_epoch_check_next(const struct csn_cluster *now, const struct csn_cluster *next,
                         struct csn_reason *reason)
{
    struct change change = {0};
    int code = check_place(now, next, reason);
    if (code == CSN_OK) {
        code = count_change(now, next, &change, reason);
    }
    if (code == CSN_OK) {
        code = check_change(now, next, &change, reason);
    }
    if (code == CSN_OK && next->is_emergency) {
        code = check_emergency(&next->emergency, reason);
    }
    bool is_return = now->is_emergency && !next->is_emergency;
    return code == CSN_OK && !is_return && !csn_digest_is_zero(&next->merges)
               ? csn_reason_set(reason, CSN_EREFUSED, "merges: only after an emergency")
               : code;
}

/* --- branches */

static bool comes_back(const struct csn_cluster *before, const struct csn_cluster *now,
                       const struct csn_cluster *next, const struct csn_member *member)
{
    return csn_epoch_stays(before, next, member->number) &&
           csn_cluster_member(now, member->number) == NULL;
}

/* The fewest members that are in `both` documents of any quorum of this one. */
static unsigned least_common(const struct csn_cluster *cluster, unsigned both)
{
    unsigned others = cluster->member_count - both;
    return cluster->quorum > others ? cluster->quorum - others : 0;
}

/* As 2q > n + f, for quorums of two documents. */
static bool do_quorums_meet(const struct csn_cluster *before, const struct csn_cluster *next)
{
    unsigned both = 0, faults = before->faults > next->faults ? before->faults : next->faults;
    for (unsigned i = 0; i < next->member_count; i++) {
        both += csn_epoch_stays(before, next, next->members[i].number);
    }
    return least_common(before, both) + least_common(next, both) > both + faults;
}

static int check_merges(const struct csn_cluster *before, const struct csn_cluster *next,
                        struct csn_reason *reason)
{
    if (!csn_digest_equal(&next->merges, &before->digest)) {
        return csn_reason_set(reason, CSN_EREFUSED,
                              "merges is not the SHA-384 of the document of epoch %u, the last before the emergency",
                              before->epoch);
    }
    return do_quorums_meet(before, next)
               ? CSN_OK
               : csn_reason_set(reason, CSN_EREFUSED,
                                "%u of these members can agree without any of %u that agreed in epoch %u: take back more of those that kept their keys, and replace others in a later document",
                                next->quorum, before->quorum, before->epoch);
}

int csn_epoch_check_return(const struct csn_cluster *before, const struct csn_cluster *now,
                           const struct csn_cluster *next, struct csn_reason *reason)
{
    if (!now->is_emergency || next->is_emergency) {
        return CSN_OK;
    }
    if (before == NULL) {
        return csn_reason_set(reason, CSN_EREFUSED,
                              "the last document before the emergency is not known here");
    }
    if (!csn_digest_is_zero(&next->merges)) {
        return check_merges(before, next, reason);
    }
    for (unsigned i = 0; i < next->member_count; i++) {
        if (comes_back(before, now, next, &next->members[i])) {
            return csn_reason_set(reason, CSN_EREFUSED,
                                  "%s comes back with its key, and may have voted meanwhile: merges has to be the SHA-384 of the document of epoch %u",
                                  next->members[i].name, before->epoch);
        }
    }
    return CSN_OK;
}

void csn_epoch_move_on(const struct csn_cluster *epoch, struct csn_floor *floor)
{
    uint64_t *counter = &floor->round.term.counter;
    bool is_branch = epoch->is_emergency || !csn_digest_is_zero(&epoch->merges);
    if (is_branch && *counter <= CSN_TERM_COUNTER_MAX - CSN_BRANCH_TERMS) {
        *counter += CSN_BRANCH_TERMS;
    }
    if (epoch->is_emergency && floor->has_serial) {
        floor->serial += epoch->emergency.serial_offset;
    }
}

/* --- floors */

void csn_floors_put(struct csn_buf *buf, const uint8_t *zone, const struct csn_floor *floor)
{
    csn_put_name(buf, zone);
    csn_put_floor(buf, floor);
}

bool csn_floors_next(struct csn_reader *reader, uint8_t ret_zone[CSN_NAME_MAX],
                     struct csn_floor *ret_floor)
{
    if (reader->failed || csn_reader_left(reader) == 0) {
        return false;
    }
    csn_read_name(reader, ret_zone);
    csn_read_floor(reader, ret_floor);
    return !reader->failed;
}

/* --- bodies */

static void read_cluster(struct csn_reader *reader, uint8_t ret_id[16], uint8_t *ret_environment)
{
    memset(ret_id, 0, 16);
    csn_read_copy(reader, ret_id, 16);
    *ret_environment = csn_read_range(reader, 0, 1);
}

/* The ends of a seal: `next` is the number after. */
static void read_ends(struct csn_reader *reader, struct csn_version_id *ret_epoch,
                      struct csn_version_id *ret_next)
{
    csn_read_version(reader, ret_epoch);
    csn_read_version(reader, ret_next);
    reader->failed |= ret_epoch->number == UINT32_MAX || ret_next->number != ret_epoch->number + 1;
}

void csn_body_seal_encode(const struct csn_body_seal *body, struct csn_buf *buf)
{
    csn_buf_put(buf, body->cluster, sizeof(body->cluster));
    csn_buf_put_u8(buf, body->environment);
    csn_put_version(buf, &body->epoch);
    csn_put_version(buf, &body->next);
    csn_buf_put_u32(buf, body->zones);
    csn_put_digest(buf, &body->floors);
}

int csn_body_seal_decode(struct csn_bytes octets, struct csn_body_seal *ret_body)
{
    struct csn_reader reader = csn_reader(octets);
    struct csn_body_seal body;
    read_cluster(&reader, body.cluster, &body.environment);
    read_ends(&reader, &body.epoch, &body.next);
    body.zones = csn_read_u32(&reader);
    csn_read_digest(&reader, &body.floors);
    if (!csn_reader_done(&reader)) {
        return CSN_EFORMAT;
    }
    *ret_body = body;
    return CSN_OK;
}

void csn_body_entry_encode(const struct csn_body_entry *body, struct csn_buf *buf)
{
    csn_buf_put(buf, body->cluster, sizeof(body->cluster));
    csn_buf_put_u8(buf, body->environment);
    csn_put_version(buf, &body->epoch);
    csn_buf_put_u8(buf, body->seal_count);
    for (unsigned i = 0; i < body->seal_count; i++) {
        csn_buf_put_u16(buf, body->seals[i].site);
        csn_put_digest(buf, &body->seals[i].floors);
    }
}

/* Ascending, and nobody has number 0. */
static uint16_t read_site(struct csn_reader *reader, uint16_t last)
{
    uint16_t site = csn_read_u16(reader);
    reader->failed |= site <= last;
    return site;
}

int csn_body_entry_decode(struct csn_bytes octets, struct csn_body_entry *ret_body)
{
    struct csn_reader reader = csn_reader(octets);
    struct csn_body_entry body = {0};
    uint16_t last = 0;
    read_cluster(&reader, body.cluster, &body.environment);
    csn_read_version(&reader, &body.epoch);
    body.seal_count = csn_read_range(&reader, 1, CSN_MEMBERS_MAX);
    for (unsigned i = 0; i < body.seal_count; i++) {
        last = body.seals[i].site = read_site(&reader, last);
        csn_read_digest(&reader, &body.seals[i].floors);
    }
    if (!csn_reader_done(&reader)) {
        return CSN_EFORMAT;
    }
    *ret_body = body;
    return CSN_OK;
}

/* --- the certificate */

static const uint8_t magic[5] = {'C', 'S', 'N', 'E', 1};

static void put_seal(struct csn_buf *buf, const struct csn_epoch_seal *seal)
{
    csn_buf_put_u16(buf, seal->site);
    csn_buf_put_u32(buf, seal->incarnation);
    csn_buf_put_u32(buf, seal->zones);
    csn_put_digest(buf, &seal->floors);
    csn_buf_put(buf, seal->signature, sizeof(seal->signature));
}

static void put_entry(struct csn_buf *buf, const struct csn_epoch_entry *entry)
{
    csn_buf_put_u16(buf, entry->site);
    csn_buf_put_u32(buf, entry->incarnation);
    csn_buf_put_u8(buf, entry->seal_count);
    for (unsigned i = 0; i < entry->seal_count; i++) {
        csn_buf_put_u16(buf, entry->seals[i]);
    }
    csn_buf_put(buf, entry->signature, sizeof(entry->signature));
}

void csn_epoch_certificate_encode(const struct csn_epoch_certificate *certificate,
                                  struct csn_buf *buf)
{
    csn_buf_put(buf, magic, sizeof(magic));
    csn_buf_put(buf, certificate->cluster, sizeof(certificate->cluster));
    csn_buf_put_u8(buf, certificate->environment);
    csn_put_version(buf, &certificate->epoch);
    csn_put_version(buf, &certificate->next);
    csn_buf_put_u8(buf, certificate->seal_count);
    for (unsigned i = 0; i < certificate->seal_count; i++) {
        put_seal(buf, &certificate->seals[i]);
    }
    csn_buf_put_u8(buf, certificate->entry_count);
    for (unsigned i = 0; i < certificate->entry_count; i++) {
        put_entry(buf, &certificate->entries[i]);
    }
}

const struct csn_epoch_seal *csn_epoch_find_seal(const struct csn_epoch_certificate *certificate,
                                                 uint16_t site)
{
    for (unsigned i = 0; i < certificate->seal_count; i++) {
        if (certificate->seals[i].site == site) {
            return &certificate->seals[i];
        }
    }
    return NULL;
}

static void read_seals(struct csn_reader *reader, struct csn_epoch_certificate *certificate)
{
    uint16_t last = 0;
    certificate->seal_count = csn_read_range(reader, 1, CSN_MEMBERS_MAX);
    for (unsigned i = 0; i < certificate->seal_count; i++) {
        struct csn_epoch_seal *seal = &certificate->seals[i];
        last = seal->site = read_site(reader, last);
        seal->incarnation = csn_read_u32(reader);
        seal->zones = csn_read_u32(reader);
        csn_read_digest(reader, &seal->floors);
        csn_read_copy(reader, seal->signature, sizeof(seal->signature));
    }
}

static void read_entry(struct csn_reader *reader, const struct csn_epoch_certificate *certificate,
                       struct csn_epoch_entry *entry)
{
    uint16_t last = 0;
    entry->incarnation = csn_read_u32(reader);
    entry->seal_count = csn_read_range(reader, 1, CSN_MEMBERS_MAX);
    for (unsigned i = 0; i < entry->seal_count; i++) {
        last = entry->seals[i] = read_site(reader, last);
        reader->failed |= csn_epoch_find_seal(certificate, last) == NULL;
    }
    csn_read_copy(reader, entry->signature, sizeof(entry->signature));
}

int csn_epoch_certificate_decode(struct csn_bytes octets,
                                 struct csn_epoch_certificate *ret_certificate)
{
    struct csn_reader reader = csn_reader(octets);
    struct csn_epoch_certificate certificate = {0};
    uint16_t last = 0;
    reader.failed = octets.size > CSN_EPOCH_CERTIFICATE_MAX;
    struct csn_bytes head = csn_read_bytes(&reader, sizeof(magic));
    if (!csn_bytes_equal(head, csn_bytes(magic, sizeof(magic)))) {
        return CSN_EFORMAT;
    }
    read_cluster(&reader, certificate.cluster, &certificate.environment);
    read_ends(&reader, &certificate.epoch, &certificate.next);
    read_seals(&reader, &certificate);
    certificate.entry_count = csn_read_range(&reader, 1, CSN_MEMBERS_MAX);
    for (unsigned i = 0; i < certificate.entry_count; i++) {
        last = certificate.entries[i].site = read_site(&reader, last);
        read_entry(&reader, &certificate, &certificate.entries[i]);
    }
    if (!csn_reader_done(&reader)) {
        return CSN_EFORMAT;
    }
    *ret_certificate = certificate;
    return CSN_OK;
}

/* --- the check */

struct check {
    const struct csn_epoch_certificate *certificate;
    const struct csn_cluster *now, *next;
    csn_verify_fn *verify;
    void *arg;
    struct csn_reason *reason;
};

/* The one whose body this is; of seals and entries the old identity (R8). */
static int check_signer(const struct check *check, enum csn_statement_kind kind, uint16_t site,
                        uint32_t incarnation, struct csn_bytes body, const uint8_t *signature)
{
    const struct csn_member *member = csn_cluster_member(check->now, site);
    if (member == NULL || member->incarnation != incarnation) {
        return csn_reason_set(check->reason, CSN_EREFUSED,
                              "%s of site %u, incarnation %u: no member of epoch %u",
                              csn_statement_text(kind), site, incarnation, check->now->epoch);
    }
    struct csn_buf message = {0};
    csn_statement_signed(kind, site, incarnation, body, &message);
    bool is_good = check->verify(check->arg, member->key, csn_buf_view(&message), signature);
    csn_buf_fini(&message);
    return is_good ? CSN_OK
                   : csn_reason_set(check->reason, CSN_ESIGNATURE,
                                    "%s of %s (site %u) does not verify", csn_statement_text(kind),
                                    member->name, site);
}

void csn_epoch_seal_body(const struct csn_epoch_certificate *certificate,
                         const struct csn_epoch_seal *seal, struct csn_body_seal *ret_body)
{
    *ret_body = (struct csn_body_seal){.environment = certificate->environment,
                                       .epoch = certificate->epoch,
                                       .next = certificate->next,
                                       .zones = seal->zones,
                                       .floors = seal->floors};
    memcpy(ret_body->cluster, certificate->cluster, sizeof(ret_body->cluster));
}

static void entry_body(const struct csn_epoch_certificate *certificate,
                       const struct csn_epoch_entry *entry, struct csn_body_entry *ret_body)
{
    *ret_body = (struct csn_body_entry){.environment = certificate->environment,
                                        .epoch = certificate->next,
                                        .seal_count = entry->seal_count};
    memcpy(ret_body->cluster, certificate->cluster, sizeof(ret_body->cluster));
    for (unsigned i = 0; i < entry->seal_count; i++) {
        const struct csn_epoch_seal *seal = csn_epoch_find_seal(certificate, entry->seals[i]);
        ret_body->seals[i] = (struct csn_entry_seal){
            .site = entry->seals[i], .floors = seal != NULL ? seal->floors 
                                               : (struct csn_digest){.octets = {0}}};
    }
}

static int check_ends(const struct check *check)
{
    const struct csn_epoch_certificate *certificate = check->certificate;
    struct csn_version_id now = csn_epoch_version(check->now), next = csn_epoch_version(check->next);
    if (memcmp(certificate->cluster, check->now->id, sizeof(certificate->cluster)) != 0 ||
        certificate->environment != check->now->environment) {
        return csn_reason_set(check->reason, CSN_EREFUSED,
                              "epoch certificate of another cluster or environment");
    }
    if (!csn_version_equal(&certificate->epoch, &now) ||
        !csn_version_equal(&certificate->next, &next)) {
        return csn_reason_set(check->reason, CSN_EREFUSED,
                              "epoch certificate from %u to %u, or of other documents than those of %u and %u",
                              certificate->epoch.number, certificate->next.number, now.number,
                              next.number);
    }
    return CSN_OK;
}

static int check_seals(const struct check *check)
{
    const struct csn_epoch_certificate *certificate = check->certificate;
    unsigned needed = csn_epoch_seals_needed(check->now, check->next), counted = 0;
    int code = CSN_OK;
    for (unsigned i = 0; code == CSN_OK && i < certificate->seal_count; i++) {
        const struct csn_epoch_seal *seal = &certificate->seals[i];
        struct csn_body_seal body;
        struct csn_buf octets = {0};
        csn_epoch_seal_body(certificate, seal, &body);
        csn_body_seal_encode(&body, &octets);
        code = check_signer(check, CSN_STATEMENT_SEAL, seal->site, seal->incarnation,
                            csn_buf_view(&octets), seal->signature);
        counted += csn_epoch_seal_counts(check->now, check->next, seal->site);
        csn_buf_fini(&octets);
    }
    if (code == CSN_OK && counted < needed) {
        code = csn_reason_set(check->reason, CSN_EREFUSED, "%u seals, %u are needed", counted, needed);
    }
    return code;
}

static int check_entry(const struct check *check, const struct csn_epoch_entry *entry)
{
    unsigned needed = csn_epoch_seals_needed(check->now, check->next), counted = 0;
    struct csn_body_entry body;
    struct csn_buf octets = {0};
    for (unsigned i = 0; i < entry->seal_count; i++) {
        counted += csn_epoch_seal_counts(check->now, check->next, entry->seals[i]);
    }
    if (counted < needed || !csn_epoch_stays(check->now, check->next, entry->site)) {
        return csn_reason_set(check->reason, CSN_EREFUSED,
                              "entry of site %u over %u seals: it must stay, and %u are needed",
                              entry->site, counted, needed);
    }
    entry_body(check->certificate, entry, &body);
    csn_body_entry_encode(&body, &octets);
    int code = check_signer(check, CSN_STATEMENT_ENTRY, entry->site, entry->incarnation,
                            csn_buf_view(&octets), entry->signature);
    csn_buf_fini(&octets);
    return code;
}

int csn_epoch_certificate_check(const struct csn_epoch_certificate *certificate,
                                const struct csn_cluster *now, const struct csn_cluster *next,
                                csn_verify_fn *verify, void *arg, struct csn_reason *reason)
{
    struct check check = {certificate, now, next, verify, arg, reason};
    int code = check_ends(&check);
    if (code == CSN_OK) {
        code = csn_epoch_check_next(now, next, reason);
    }
    if (code == CSN_OK) {
        code = check_seals(&check);
    }
    if (code == CSN_OK && certificate->entry_count != csn_epoch_entries_needed(now, next)) {
        code = csn_reason_set(reason, CSN_EREFUSED, "%u entries, the quorum of the next epoch is %u",
                              certificate->entry_count, next->quorum);
    }
    for (unsigned i = 0; code == CSN_OK && i < certificate->entry_count; i++) {
        code = check_entry(&check, &certificate->entries[i]);
    }
    return code;
}
