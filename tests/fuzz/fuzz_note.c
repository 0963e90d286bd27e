/* SPDX-License-Identifier: Apache-2.0 */
/* Steps of a note and rule packs from bytes: what is read re-encodes to the same body, and any set
 * of steps leaves the note somewhere. */
#include <stdlib.h>
#include <string.h>

#include "client/rules.h"
#include "protocol/note.h"

#define STEPS_MAX 6

static void abort_if(bool is_wrong)
{
    if (is_wrong)
        abort();
}

/* Written again with whatever key, the body is the one that was read. */
static void write_again(const struct note_step *step)
{
    static const struct note_place place;
    uint8_t secret[SIGN_KEY_BYTES] = {1};
    struct note_step again;
    struct buffer value;

    buffer_init(&value, VALUE_MAX);
    abort_if(note_step_write(step, &place, secret, &value) != KITH_OK);
    abort_if(note_step_read(&again, buffer_view(&value)) != KITH_OK);
    abort_if(!bytes_equal(again.body, step->body));
    buffer_clear(&value);
}

/* A roster of a few people, so that some steps are allowed. */
static void live(const struct note_step *steps, uint32_t count)
{
    static const struct note_place place;
    struct roster_device devices[3] = {
        {.number = 1, .person = 1}, {.number = 2, .person = 2}, {.number = 3, .person = 1}};
    struct roster_person people[2] = {{.number = 1, .roles = ROLE_SPECIALIST, .newest_change = 1},
                                      {.number = 2, .roles = ROLE_SUPERVISOR, .newest_change = 2}};
    struct roster_role_change changes[2] = {{1, 1, ROLE_SPECIALIST, 0}, {1, 2, ROLE_SUPERVISOR, 0}};
    const struct roster roster = {.devices = devices,
                                  .device_count = 3,
                                  .people = people,
                                  .person_count = 2,
                                  .changes = changes,
                                  .change_count = 2};
    struct note_life life;

    note_life_read(&life, &place, steps, count, &roster, 1);
    abort_if(life.state != NOTE_IS_DRAFT && life.state != NOTE_IS_VOIDED && !life.sign);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct wire_in in = wire_open(bytes_of(data, size));
    struct note_step steps[STEPS_MAX];
    struct rules rules;
    char why[RULES_WHY_MAX];
    uint32_t count = 0;

    if (rules_parse(&rules, bytes_of(data, size), why) == KITH_OK)
        for (unsigned minutes = 0; minutes < 100; minutes += 7)
            abort_if(rules_units(&rules, minutes) > (minutes + 1) * 10);
    while (count < STEPS_MAX && !wire_at_end(&in)) {
        struct bytes value = wire_value(&in);
        if (in.err || note_step_read(&steps[count], value) != KITH_OK)
            break;
        write_again(&steps[count]);
        steps[count].dot = (struct dot){steps[count].device, count + 1};
        count++;
    }
    live(steps, count);
    return 0;
}
