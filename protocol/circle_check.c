/* SPDX-License-Identifier: Apache-2.0 */
/* Who may write which entry into an access chain: everybody judges alike, by the roster that the
 * entry names. */
#include "protocol/circle_internal.h"

/* Everybody named must exist: persons on the roster, devices of members. */
static enum kith_err names_check(const struct circle *circle, const struct roster *roster,
                                 const struct circle_entry *entry, bool is_agency)
{
    for (uint32_t i = 0; i < entry->member_count; i++)
        if (!roster_person(roster, entry->members[i].person))
            return KITH_MALFORMED;
    for (uint32_t i = 0; i < entry->device_count; i++) {
        const struct roster_device *device = roster_device(roster, entry->devices[i]);
        bool is_member = is_agency;
        if (!device || roster_is_ended_at(device, entry->roster_seq))
            return KITH_MALFORMED;
        for (uint32_t k = 0; k < entry->member_count; k++)
            is_member = is_member || entry->members[k].person == device->person;
        if (!is_member && !circle_member(circle, device->person))
            return KITH_MALFORMED;
    }
    return KITH_OK;
}

static const struct circle_member *entry_member(const struct circle_entry *entry, uint32_t person)
{
    for (uint32_t i = 0; i < entry->member_count; i++)
        if (entry->members[i].person == person)
            return &entry->members[i];
    return NULL;
}

/* A genesis names its author and, whoever that is, the custodians: a chart cannot be made that they
 * cannot open. A private circle of a worker's own is the exception. */
static enum kith_err genesis_check(const struct roster *roster, const struct circle_entry *entry,
                                   uint32_t person)
{
    unsigned roles = roster_roles_at(roster, person, entry->roster_seq);

    if (!seal_equal(entry->agency, roster->agency, ID_BYTES))
        return KITH_FOREIGN;
    if (entry->kind == CIRCLE_AGENCY)
        return entry->author == 1 && entry->member_count == 0 ? KITH_OK : KITH_NOT_ALLOWED;
    if (entry->kind == CIRCLE_CHART && !role_may(roles, MAY_REGISTER))
        return KITH_NOT_ALLOWED;
    const struct circle_member *author = entry_member(entry, person);
    if (!author || author->right != CIRCLE_WRITE)
        return KITH_MALFORMED;
    if (entry->kind == CIRCLE_PERSON)
        return KITH_OK;
    const struct roster_person *custodian = roster_next_custodian(roster, 0);
    for (; custodian; custodian = roster_next_custodian(roster, custodian->number))
        if ((roster_roles_at(roster, custodian->number, entry->roster_seq) & ROLE_CUSTODIAN) &&
            !entry_member(entry, custodian->number))
            return KITH_NOT_ALLOWED;
    return KITH_OK;
}

/* What belongs to everybody or to one worker alone has none. */
bool circle_has_custodians(const struct circle *circle)
{
    return circle->kind != CIRCLE_AGENCY && circle->kind != CIRCLE_PERSON;
}

/* A custodian that is not in yet. */
static bool is_owed(const struct circle *circle, const struct roster *roster,
                    const struct circle_member *member, uint32_t roster_seq)
{
    unsigned roles = roster_roles_at(roster, member->person, roster_seq);

    return circle_has_custodians(circle) && (roles & ROLE_CUSTODIAN) &&
           member->right == CIRCLE_WRITE && !circle_member(circle, member->person);
}

/* Only somebody who may grant lets new people in; every member may seal the key to members' further
 * devices and to custodians, which is what is owed. */
static enum kith_err grant_check(const struct circle *circle, const struct roster *roster,
                                 const struct circle_entry *entry, uint32_t person)
{
    unsigned roles = roster_roles_at(roster, person, entry->roster_seq);
    const struct circle_member *author = circle_member(circle, person);

    if (!author)
        return KITH_NOT_MEMBER;
    bool may_grant = author->right == CIRCLE_WRITE && role_may(roles, MAY_GRANT);
    for (uint32_t i = 0; i < entry->member_count; i++) {
        const struct circle_member *member = &entry->members[i];
        const struct circle_member *known = circle_member(circle, member->person);
        /* Who is to write no longer is taken out and let in again: only a rotation says what
         * counts.
         */
        if (circle->kind == CIRCLE_AGENCY || (known && known->right >= member->right))
            return KITH_MALFORMED;
        if (!may_grant && !is_owed(circle, roster, member, entry->roster_seq))
            return KITH_NOT_ALLOWED;
    }
    return KITH_OK;
}

/* Nobody takes out who could take them out in turn, unless they may take out anybody; nobody takes
 * out a custodian; everybody may go. */
enum kith_err circle_may_withdraw(const struct circle *circle, const struct roster *roster,
                                  uint32_t seq, uint32_t author, uint32_t person)
{
    const struct circle_member *member = circle_member(circle, author);
    unsigned own = roster_roles_at(roster, author, seq);
    unsigned theirs = roster_roles_at(roster, person, seq);

    if (!member)
        return KITH_NOT_MEMBER;
    if (!circle_has_custodians(circle) || !circle_member(circle, person))
        return KITH_NOT_FOUND;
    bool may = role_may(own, MAY_WITHDRAW) || person == author ||
               (role_may(own, MAY_GRANT) && !role_may(theirs, MAY_WITHDRAW));
    if (member->right != CIRCLE_WRITE || (theirs & ROLE_CUSTODIAN))
        may = false;
    return may ? KITH_OK : KITH_NOT_ALLOWED;
}

enum kith_err circle_may_decide(const struct circle *circle, const struct roster *roster,
                                uint32_t seq, uint32_t author)
{
    const struct circle_member *member = circle_member(circle, author);
    bool may = role_may(roster_roles_at(roster, author, seq), MAY_WITHDRAW) ||
               circle->kind == CIRCLE_PERSON;

    if (!member)
        return KITH_NOT_MEMBER;
    return may && member->right == CIRCLE_WRITE ? KITH_OK : KITH_NOT_ALLOWED;
}

/* A cut for every device of those who leave, and for no recipient that stays. */
static enum kith_err cuts_check(const struct circle *circle, const struct roster *roster,
                                const struct circle_entry *entry)
{
    uint32_t named = 0;

    for (uint32_t i = 0; i < circle->device_count; i++) {
        uint32_t device = circle->devices[i];
        bool is_named = named < entry->cut_count && entry->cuts[named].device == device;
        bool must = circle_is_leaving(roster, device, 0, entry->leavers, entry->leaver_count);
        bool may = circle_is_leaving(roster, device, entry->roster_seq, entry->leavers,
                                     entry->leaver_count);
        if (is_named ? !may : must)
            return KITH_MALFORMED;
        named += is_named;
    }
    return named == entry->cut_count ? KITH_OK : KITH_MALFORMED;
}

/* While a rotation is owed, every member who writes may pay it; without that, who may grant. */
static enum kith_err rotate_check(const struct circle *circle, const struct roster *roster,
                                  const struct circle_entry *entry, uint32_t person)
{
    const struct circle_member *author = circle_member(circle, person);
    unsigned roles = roster_roles_at(roster, person, entry->roster_seq);

    if (!author || !circle_has_device(circle, entry->author))
        return KITH_NOT_MEMBER;
    bool is_due = entry->cut_count > 0 && entry->leaver_count == 0;
    bool is_leaving_only = entry->leaver_count == 1 && entry->leavers[0].person == person;
    if (author->right != CIRCLE_WRITE || !(is_due || is_leaving_only || role_may(roles, MAY_GRANT)))
        return KITH_NOT_ALLOWED;
    if (entry->epoch != circle->epoch + 1)
        return KITH_MALFORMED;
    for (uint32_t i = 0; i < entry->leaver_count; i++) {
        enum kith_err err = circle_may_withdraw(circle, roster, entry->roster_seq, person,
                                                entry->leavers[i].person);
        if (err)
            return err == KITH_NOT_FOUND ? KITH_MALFORMED : err;
    }
    return cuts_check(circle, roster, entry);
}

/* A decision about what is held lies beyond the cut. */
static enum kith_err decision_check(const struct circle *circle, const struct roster *roster,
                                    const struct circle_entry *entry, uint32_t person)
{
    const struct circle_cut *cut = circle_cut(circle, entry->device);
    enum kith_err err = circle_may_decide(circle, roster, entry->roster_seq, person);

    if (err)
        return err;
    return cut && entry->n > cut->n ? KITH_OK : KITH_MALFORMED;
}

static enum kith_err lack_check(const struct circle *circle, const struct circle_entry *entry)
{
    if (!circle_has_device(circle, entry->author))
        return KITH_NOT_MEMBER;
    bool is_news = entry->epoch == circle->epoch && !circle_lacks(circle, entry->author);
    return is_news ? KITH_OK : KITH_MALFORMED;
}

static enum kith_err content_check(const struct circle *circle, const struct roster *roster,
                                   const struct circle_entry *entry, uint32_t person)
{
    enum kith_err err;

    switch (entry->type) {
    case CIRCLE_GENESIS:
        err = genesis_check(roster, entry, person);
        return err ? err : names_check(circle, roster, entry, entry->kind == CIRCLE_AGENCY);
    case CIRCLE_GRANT:
        err = grant_check(circle, roster, entry, person);
        return err ? err : names_check(circle, roster, entry, false);
    case CIRCLE_ROTATE:
        return rotate_check(circle, roster, entry, person);
    case CIRCLE_ADMIT:
    case CIRCLE_REJECT:
        return decision_check(circle, roster, entry, person);
    case CIRCLE_LACK:
        return lack_check(circle, entry);
    }
    return KITH_UNKNOWN_TYPE;
}

enum kith_err circle_entry_check(const struct circle *circle, const struct roster *roster,
                                 const struct circle_entry *entry)
{
    const struct roster_device *author = roster_device(roster, entry->author);

    if (!author || author->state == DEVICE_INVITED)
        return KITH_UNKNOWN_DEVICE;
    if (entry->roster_seq > roster->count)
        return KITH_STALE;
    /* Nobody claims to have known less than the own enrolment: that would be a way around
     * custodians named before. */
    if (entry->roster_seq < author->since || entry->roster_seq < circle->roster_seq)
        return KITH_MALFORMED;
    if (roster_is_ended_at(author, entry->roster_seq))
        return KITH_NOT_ALLOWED;
    enum kith_err err =
        seal_verify(SEAL_CIRCLE_SIGN, author->keys.sign, entry->link.hash, entry->link.signature);
    if (err)
        return err;
    bool is_genesis = entry->type == CIRCLE_GENESIS;
    if (is_genesis != (entry->link.seq == 1))
        return KITH_MALFORMED;
    return content_check(circle, roster, entry, author->person);
}
