/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A text as a QR code on a terminal, two modules to a character.
 */
#ifndef KITH_CLIENT_CLI_QR_H
#define KITH_CLIENT_CLI_QR_H

#include <stdbool.h>
#include <stdio.h>

/* Light on dark as cameras want it, with colours set where `is_colour`. False if the text does not
 * fit. */
bool qr_show(FILE *out, const char *text, bool is_colour);

#endif
