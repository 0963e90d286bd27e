/* SPDX-License-Identifier: Apache-2.0 */
/* What roster and access chain call for: computed by everybody alike, paid by the next device that
 * may. */
#include <string.h>

#include "protocol/circle_internal.h"

void owed_add_member(struct circle_owed *owed, const struct circle_member *member)
{
    uint32_t place = owed->member_count;

    while (place > 0 && owed->members[place - 1].person > member->person)
        place--;
    bool is_there = place > 0 && owed->members[place - 1].person == member->person;
    if (is_there && owed->members[place - 1].right < member->right)
        owed->members[place - 1].right = member->right;
    if (is_there || owed->member_count == owed->max)
        return;
    memmove(&owed->members[place + 1], &owed->members[place],
            (owed->member_count - place) * sizeof *owed->members);
    owed->members[place] = *member;
    owed->member_count++;
}

void circle_owed(const struct circle *circle, const struct roster *roster, uint64_t now_s,
                 struct circle_owed *owed)
{
    bool is_guarded = circle_has_custodians(circle);

    const struct roster_person *person = roster_next_custodian(roster, 0);
    for (; is_guarded && person; person = roster_next_custodian(roster, person->number))
        if ((person->roles & ROLE_CUSTODIAN) && !circle_member(circle, person->number))
            owed_add_member(owed, &(struct circle_member){person->number, CIRCLE_WRITE});
    for (uint32_t i = 0; i < roster->device_count && owed->device_count < owed->max; i++) {
        const struct roster_device *device = &roster->devices[i];
        bool is_open = device->state == DEVICE_ACTIVE ||
                       (device->state == DEVICE_INVITED && device->expires_s > now_s);
        bool is_member = circle_member(circle, device->person) != NULL;
        for (uint32_t k = 0; k < owed->member_count; k++)
            is_member = is_member || owed->members[k].person == device->person;
        bool has_key =
            circle_has_device(circle, device->number) && !circle_lacks(circle, device->number);
        if (is_open && is_member && !has_key)
            owed->devices[owed->device_count++] = device->number;
    }
}

bool circle_is_leaving(const struct roster *roster, uint32_t device, uint32_t roster_seq,
                       const struct circle_leaver *leavers, uint32_t leaver_count)
{
    const struct roster_device *known = roster_device(roster, device);

    if (!known || roster_is_ended_at(known, roster_seq))
        return true;
    for (uint32_t i = 0; i < leaver_count; i++)
        if (leavers[i].person == known->person)
            return true;
    return false;
}

uint32_t circle_rotation_owed(const struct circle *circle, const struct roster *roster)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < circle->device_count; i++)
        count += circle_is_leaving(roster, circle->devices[i], roster->count, NULL, 0);
    return count;
}
