#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Plants faults in protocol/, store/ and client/, one at a time, and shows that the simulator finds each.

Usage: mutants.py [NAME...]; MUTANT_SEEDS=N. A fault is a text that stands exactly once in a file, and another for it.
Prints for each at which seed it was caught and by which invariant; ends with 1 if one survives.
"""
import concurrent.futures
import glob
import os
import re
import shutil
import subprocess
import sys
import tempfile

PACKAGES = "libuv msgpack lmdb libsodium libzstd"
OUT = "build/release"

# (name, file, text, instead)
MUTANTS = (
    ("a concurrent value is dropped", "protocol/merge.c",
     "    return live_add(record, &record->registers[place], &live);",
     "    record->registers[place].live_count = 0;\n    return live_add(record, &record->registers[place], &live);"),
    ("the later clock wins", "protocol/merge.c",
     "    return live_add(record, &record->registers[place], &live);",
     "    struct merge_register *all = &record->registers[place];\n"
     "    if (all->live_count > 0 && all->live[0].hlc > hlc)\n        return KITH_OK;\n"
     "    all->live_count = 0;\n    return live_add(record, all, &live);"),
    ("what was replaced stays", "protocol/merge.c",
     "    while (is_known && op_next_superseded(&rest, &replaced))",
     "    while (dot.n % 5 != 0 && is_known && op_next_superseded(&rest, &replaced))"),
    ("an equal value counts as the same", "protocol/merge.c",
     "        if (dot_compare(reg->live[i].dot, dot) == 0)\n            return true;",
     "        if (dot_compare(reg->live[i].dot, dot) <= 0)\n            return true;"),
    ("a clock set back is followed", "protocol/hlc.c",
     "    return now > last || is_far_ahead(last, now_ms) ? now : last + 1;",
     "    return now != last || is_far_ahead(last, now_ms) ? now : last + 1;"),
    ("another device's stamp is not followed", "store/replica_merge.c",
     "    replica_put_hlc(txn, hlc_merge(replica_last_hlc(txn), payload.hlc, now_ms));",
     "    (void)now_ms;\n    if (chain->number == CHAIN_OWN)\n        replica_put_hlc(txn, payload.hlc);"),
    ("what the author had seen is not waited for", "store/replica_merge.c",
     "        if (!is_applied)\n            return false;", "        if (!is_applied)\n            continue;"),
    ("how far was merged is not stored", "store/replica_merge.c",
     "            if (chain->applied != before)", "            if (chain->applied < before)"),
    ("an unreadable change is skipped for good", "store/replica_merge.c",
     "    if (err == KITH_NO_KEY)\n        is_merged = false;", "    if (err == KITH_NO_KEY)\n        is_merged = true;"),
    ("`seen` leaves one device out", "store/replica_save.c",
     "        if (chain->number == CHAIN_OWN || chain->applied == chain->told)",
     "        if (chain->number == CHAIN_OWN || chain->number == 2 || chain->applied == chain->told)"),
    ("a drop replaces nothing", "store/replica_save.c",
     "    for (; reg && count < reg->live_count && count < SUPERSEDES_MAX; count++)",
     "    for (; reg && edit->kind != OP_DROP && count < reg->live_count; count++)"),
    ("only the first of several values is settled", "store/replica_save.c",
     "    for (; reg && count < reg->live_count && count < SUPERSEDES_MAX; count++)",
     "    for (; reg && count < reg->live_count && count < 1; count++)"),
    ("the hub acknowledges what it did not store", "store/ingest_commit.c",
     "    enum kith_err err = store_commit(&committer.txn);",
     "    static unsigned commits;\n    bool is_lost = ++commits % 20 == 0;\n    if (is_lost)\n"
     "        store_abort(&committer.txn);\n"
     "    enum kith_err err = is_lost ? KITH_OK : store_commit(&committer.txn);"),
    ("the hub passes over a change", "store/ingest_commit.c",
     "    if (item->verdict)\n        return;\n    struct hub_item row",
     "    if (item->verdict || item->n % 7 == 3)\n        return;\n    struct hub_item row"),
    ("the hub stores a repeated change again", "store/ingest_commit.c",
     "        item->verdict = check_stored(committer, touched->number, item);\n        return;",
     "        item->verdict = check_stored(committer, touched->number, item);\n"
     "        struct hub_item again = {.kind = HUB_ITEM_CHANGE, .circle = touched->number,\n"
     "                                 .device = item->device, .n = item->n, .change = item->change};\n"
     "        memcpy(again.id, item->id, HASH_BYTES);\n"
     "        if (!item->verdict)\n            (void)hub_item_add(&committer->txn, &again);\n        return;"),
    ("a new member gets nothing old", "store/position.c",
     "    uint64_t before = granted > position->base ? 0 : position->base;",
     "    uint64_t before = granted > position->base ? granted - 1 : position->base;"),
    ("the hub goes past what had no room", "store/backlog.c",
     "        else if (!load_item(loader, &circle, &item))\n            break;\n",
     "        else\n            (void)load_item(loader, &circle, &item);\n"),
    ("a grant is not sent back to its author", "store/backlog.c",
     "    if (item->device == loader->device && item->n == 1)", "    if (item->device == loader->device)"),
    ("the key does not come with the grant", "store/backlog.c",
     "        boxes = bytes_of(row, sizeof row);", "        boxes = bytes_of(row, 0);"),
    ("everybody is served every circle", "store/ingest_circle.c",
     "            hub_grant_put(&committer->txn, entry->devices[i], touched->number, sequence);",
     "            for (uint32_t all = 1; all <= 24; all++)\n"
     "                hub_grant_put(&committer->txn, all + 0 * entry->devices[i], touched->number, sequence);"),
    ("the cursor is stored before the data", "store/replica_apply.c",
     "    applier->txn = store_begin(applier->replica->store, STORE_WRITE);\n    replica_hub_get(",
     "    applier->txn = store_begin(applier->replica->store, STORE_WRITE);\n"
     "    replica_hub_get(&applier->txn, &applier->hub);\n"
     "    for (struct wire_in ahead = batch; frame_next(&ahead, &frame);)\n"
     "        if (frame.type == FRAME_CURSOR && !apply_cursor(applier, &frame))\n"
     "            replica_hub_put(&applier->txn, &applier->hub);\n"
     "    if (!store_commit(&applier->txn))\n        batch = wire_open(frames);\n"
     "    applier->txn = store_begin(applier->replica->store, STORE_WRITE);\n    replica_hub_get("),
    ("a receipt is taken whatever its head", "store/replica_apply.c",
     "    if (!is_own || !is_own_head(applier, circle, line))",
     "    if (!is_own || (!is_own_head(applier, circle, line) && line->n == 0))"),
    ("a receipt goes down as well", "store/replica_apply.c",
     "    if (receipt.n >= line->n &&\n", "    if (receipt.n == line->n &&\n"),
    ("the digest is not kept", "store/replica_apply.c",
     "        digest_add(applier->hub.digest, check->rows[i].id);\n        chain->served",
     "        chain->served"),
    ("a restored hub is given nothing back", "store/give_back.c",
     "           memcmp(hub->incarnation, welcome->incarnation, INCARNATION_BYTES) != 0;",
     "           memcmp(hub->incarnation, welcome->incarnation, 0) != 0;"),
    ("access chains are not given back", "store/give_back.c",
     "    row.acked_entries = 0;", "    row.acked_entries = row.circle.count;"),
    ("a stale grant is tried again at once", "store/replica_apply.c",
     "    if (refused.reason == KITH_STALE)\n        note_stale(applier->sending);",
     "    if (refused.reason == KITH_STALE && applier->now_ms == 0)\n        note_stale(applier->sending);"),
    ("a grant that was done by others is wanted still", "store/replica_pay.c",
     "        if (known && known->right >= intent.member.right)", "        if (known && known->right > intent.member.right)"),
    ("the newest change is never sent", "store/replica_fill.c",
     "    circle->last_n = late_sealed_through(txn, number, &own);",
     "    circle->last_n = late_sealed_through(txn, number, &own);\n    circle->last_n -= circle->last_n > 3;"),
    ("the number of an invited person is kept", "store/replica_fill.c",
     "        if (request->is_new_person)\n", "        if (request->entry.person == 0)\n"),
    ("a custodian is named twice", "protocol/circle_owed.c",
     "    if (is_there || owed->member_count == owed->max)", "    if (owed->member_count == owed->max)"),
    ("a restart forgets the newest unsent change", "store/replica.c",
     "        err = replica_read_roster(replica);\n    *opened = replica;",
     "        err = replica_read_roster(replica);\n"
     "    struct store_txn forgetful = store_begin(replica->store, STORE_WRITE);\n"
     "    for (uint32_t i = 1; i <= device_circle_count(&forgetful); i++) {\n"
     "        struct chain_row own = device_chain_own(&forgetful, i);\n"
     "        struct receipt_row receipt = {0};\n"
     "        (void)device_receipt_get(&forgetful, i, &receipt);\n"
     "        if (own.received > receipt.n) {\n            own.received--;\n"
     "            device_chain_put(&forgetful, i, &own);\n        }\n    }\n"
     "    if (!err)\n        err = store_commit(&forgetful);\n    store_abort(&forgetful);\n    *opened = replica;"),
    ("the hub loses the last frame of a message", "protocol/session_hub.c",
     "        err = read_frame(session, &frame, raw, &has_data);",
     "        if (batch.left.len > 0 || !has_data)\n            err = read_frame(session, &frame, raw, &has_data);"),
    ("a pull is answered before the data with it is stored", "protocol/session_hub.c",
     "session->has_pull && !session->is_loading && !session->is_ingesting &&", "session->has_pull && !session->is_loading &&"),
    ("an answer is not counted", "protocol/session_device.c",
     "    session->unanswered -= ack.batches;", "    session->unanswered -= ack.batches > 1 ? 1 : ack.batches;"),
    ("concurrent values stand as they came", "protocol/merge.c",
     "    while (place < reg->live_count && dot_compare(reg->live[place].dot, live->dot) < 0)",
     "    while (place < reg->live_count)"),
    ("a change is not noted in its record's history", "store/replica_merge.c",
     "    device_touch_put(txn, place.number, chain->number, n);",
     "    if (n % 4 != 0)\n        device_touch_put(txn, place.number, chain->number, n);"),
    ("a save is told before it is stored", "store/replica_save.c",
     "        err = store_commit(&txn);\n    } while (err == KITH_RETRY);\n    return err;\n}\n\n/* Writes the genesis",
     "        err = store_commit(&txn);\n    } while (err == KITH_RETRY);\n    return dot->n ? KITH_OK : err;\n}\n\n"
     "/* Writes the genesis"),
    ("the hub acknowledges before it commits", "store/ingest_commit.c",
     "    while (err == KITH_RETRY);\n    if (!err)\n        ledger->taken",
     "    while (err == KITH_RETRY);\n    if (err == KITH_FULL)\n        err = KITH_OK;\n    if (!err)\n        ledger->taken"),
    ("the hub keeps a roster that was not stored", "store/ingest_commit.c",
     "    if (err) {\n        (void)pthread_rwlock_wrlock(&ledger->roster_lock);",
     "    if (err && err != KITH_FULL && err != KITH_RETRY) {\n        (void)pthread_rwlock_wrlock(&ledger->roster_lock);"),
    ("a device keeps a roster that was not stored", "store/replica_apply.c",
     "    if (err) {\n        enum kith_err read_err = replica_read_roster(applier->replica);",
     "    if (err && err != KITH_RETRY) {\n        enum kith_err read_err = replica_read_roster(applier->replica);"),
    ("what a first try answered is answered again", "store/ingest_commit.c",
     "    buffer_reset(&ingest->lines);\n    ingest->line_count = 0;", "    ingest->line_count = 0;"),
    ("a signature covers one change more", "protocol/note.c",
     "            return dot.n <= known.n;", "            return dot.n <= known.n + 1;"),
    ("what was signed takes in what came later", "client/visit.c",
     "        if (is_content && note_step_knows(sign, at->dot) && !is_replaced(past, sign, at))",
     "        if (is_content && !is_replaced(past, sign, at))"),
    ("what was signed loses what was replaced later", "client/visit.c",
     "        if (by->op.field != old->op.field || !bytes_equal(by->element, old->element) ||\n"
     "            !note_step_knows(sign, by->dot))",
     "        if (by->op.field != old->op.field || !bytes_equal(by->element, old->element) ||\n            !sign)"),
    ("a signature is made for another place", "protocol/note.c",
     "    seal_sign(SEAL_NOTE_SIGN, sign_secret, hash, signature);",
     "    hash[0] ^= step->past_count > 1;\n    seal_sign(SEAL_NOTE_SIGN, sign_secret, hash, signature);"),
    ("what is here already is taken again", "store/replica_apply.c",
     "        if (n <= chain->received) {\n            alarm_if_another(",
     "        if (n < chain->received) {\n            alarm_if_another("),
)


def packages(what):
    return subprocess.run(["pkg-config", what] + PACKAGES.split(), stdout=subprocess.PIPE,
                          check=True).stdout.decode().split()


def build(folder, number, path, text, instead):
    """The simulator with one file changed, from the objects of the others; None if the text is not there once."""
    with open(path, encoding="utf-8") as file:
        source = file.read()
    if source.count(text) != 1:
        return None
    place = os.path.join(folder, str(number))
    os.makedirs(os.path.join(place, os.path.dirname(path)))
    changed = os.path.join(place, path)
    with open(changed, "w", encoding="utf-8") as file:
        file.write(source.replace(text, instead))
    objects = [name for name in glob.glob(OUT + "/tests/sim/*.o") if os.path.exists(name[len(OUT) + 1:-2] + ".c")]
    objects.append(OUT + "/libkith.a")  # what the changed file defines is not taken from there
    subprocess.run(["gcc", "-std=c11", "-D_GNU_SOURCE", "-O2", "-w", "-fPIE", "-pie", "-I."] + packages("--cflags")
                   + [changed] + objects + packages("--libs") + ["-pthread", "-o", place + "/sim"], check=True)
    return place + "/sim"


def hunt(folder, number, mutant, seeds):
    """(seed, invariant): who caught it; seed 0 if nobody did."""
    name, path, text, instead = mutant
    sim = build(folder, number, path, text, instead)
    if not sim:
        return 0, "the text does not stand once in " + path
    try:
        done = subprocess.run([sim, "--seeds", "1:%d" % seeds, "--folder", folder], stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, timeout=600)
    except subprocess.TimeoutExpired:
        return 0, "it hangs"
    found = re.search(r"^FAIL seed=(\d+) step=\d+ invariant=([a-z]+)", done.stdout.decode(errors="replace"), re.M)
    return (int(found.group(1)), found.group(2)) if found else (0, "survived")


def main():
    names, seeds = sys.argv[1:], int(os.environ.get("MUTANT_SEEDS", "5000"))
    subprocess.run(["make", "-j%d" % (os.cpu_count() or 2), OUT + "/sim"], check=True, stdout=subprocess.DEVNULL)
    chosen = [(number, mutant) for number, mutant in enumerate(MUTANTS)
              if not names or any(name in mutant[0] for name in names)]
    folder = tempfile.mkdtemp(prefix="kith-mutants-", dir="/dev/shm" if os.access("/dev/shm", os.W_OK) else None)
    survived, latest = 0, 0
    try:
        with concurrent.futures.ThreadPoolExecutor(max_workers=os.cpu_count() or 2) as pool:
            hunts = [pool.submit(hunt, folder, number, mutant, seeds) for number, mutant in chosen]
            for (number, mutant), caught in zip(chosen, hunts):
                seed, invariant = caught.result()
                survived, latest = survived + (seed == 0), max(latest, seed)
                print("%-4s %-54s %5s  %s" % ("ok" if seed else "FAIL", mutant[0], seed or "-", invariant), flush=True)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    print("%d of %d faults were found within %d seeds, the last at seed %d" %
          (len(chosen) - survived, len(chosen), seeds, latest))
    sys.exit(1 if survived else 0)


if __name__ == "__main__":
    main()
