/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/sim/library.h"

#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>

void library_find(const char *name, void *function)
{
    void *found = dlsym(RTLD_NEXT, name);

    if (!found)
        abort();
    memcpy(function, &found, sizeof found);
}
