/* SPDX-License-Identifier: Apache-2.0 */
/* What 42 CFR 2.32 asks to stand on what is given out with a consent: the shorter of its two
 * wordings. A copy of the consent, or its scope, goes with it. */
#ifndef KITH_CLIENT_EXPORT_PART2_H
#define KITH_CLIENT_EXPORT_PART2_H

#define PART2_NOTICE "42 CFR part 2 prohibits unauthorized use or disclosure of these records."
/* That law in HL7's code system v3-ActCode. */
#define PART2_CODE "42CFRPart2"

#endif
